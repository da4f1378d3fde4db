"""Whether a repository's own configuration is read: asked once, and remembered for the user.

What counts is `.elagent.toml`, `[tool.elagent]` in `pyproject.toml` and `AGENTS.md`. Without trust
none of them has any effect.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from agent.errors import ConfigError
from agent.paths import make_private
from agent.settings.files import PROJECT_FILE, project_root, speaks_to_us

_INSTRUCTIONS = "AGENTS.md"


def configuration_of(cwd: Path) -> tuple[str, ...]:
    """The files of a repository that would be read with trust, relative to its root."""
    root = project_root(cwd)
    found = [name for name in (PROJECT_FILE, _INSTRUCTIONS) if (root / name).is_file()]
    if speaks_to_us(root / "pyproject.toml"):
        found.append("pyproject.toml")
    here = cwd.resolve()
    for folder in (here, *here.parents):
        if folder == root or not folder.is_relative_to(root):
            break
        if (folder / _INSTRUCTIONS).is_file():
            found.append((folder / _INSTRUCTIONS).relative_to(root).as_posix())
    return tuple(found)


class TrustFile:
    """The user's answers, by repository."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def answer(self, root: Path) -> bool | None:
        """What the user said about a repository; None if it was never asked.

        Raises:
            ConfigError: If the file is damaged.
        """
        answer = self._read().get(str(root.resolve()))
        return answer if isinstance(answer, bool) else None

    def remember(self, root: Path, *, trusted: bool) -> None:
        """Keep an answer; the file is replaced as a whole.

        Raises:
            ConfigError: If it is damaged or cannot be written.
        """
        answers = {**self._read(), str(root.resolve()): trusted}
        make_private(self._path.parent)
        partial = self._path.with_name(f".{self._path.name}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(answers, file, indent=1, sort_keys=True)
            partial.replace(self._path)
        except OSError as err:
            raise ConfigError(f"cannot write {self._path}: {err.strerror}") from err
        finally:
            partial.unlink(missing_ok=True)

    def _read(self) -> Mapping[str, object]:
        try:
            answers = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as err:
            raise ConfigError(
                f"{self._path} cannot be read; remove it to be asked again about each repository"
            ) from err
        return answers if isinstance(answers, dict) else {}
