"""Stores the user's trust in the configuration of repositories.

The configuration is `.elagent.toml`, `[tool.elagent]` in `pyproject.toml`, `AGENTS.md` and the commands
in `.elagent/commands`. An answer
holds for the bytes that were shown, so every later change is asked about again. Without trust none
of these files has any effect.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path

from agent.errors import ConfigError
from agent.paths import make_private
from agent.settings.commands import PROJECT_FOLDER, command_files
from agent.settings.files import PROJECT_FILE, own_settings, project_root

_INSTRUCTIONS = "AGENTS.md"


def configuration_of(cwd: Path) -> Mapping[str, str]:
    """Texts of a repository's configuration, by file relative to its root.

    Of a `pyproject.toml` this is elagent's table alone.
    """
    root = project_root(cwd)
    found = [name for name in (PROJECT_FILE, _INSTRUCTIONS) if (root / name).is_file()]
    found += _instructions_below(root, cwd.resolve())
    commands = command_files(root / PROJECT_FOLDER)
    found += [path.relative_to(root).as_posix() for path in commands if _is_own_file(path)]
    words = {name: _text(root / name) for name in found}
    if own := own_settings(root / "pyproject.toml"):
        words["pyproject.toml"] = own
    return words


def _is_own_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _instructions_below(root: Path, here: Path) -> Iterator[str]:
    for folder in (here, *here.parents):
        if folder == root or not folder.is_relative_to(root):
            return
        if (folder / _INSTRUCTIONS).is_file():
            yield (folder / _INSTRUCTIONS).relative_to(root).as_posix()


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8", "backslashreplace")
    except OSError as err:
        return f"(cannot be read: {err.strerror})"


def digest_of(words: Mapping[str, str]) -> str:
    """SHA-256 of the names and texts of a configuration."""
    text = json.dumps(sorted(words.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class TrustFile:
    """The user's answers, by repository and by what was shown."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def answer(self, root: Path, digest: str) -> bool | None:
        """Give the user's answer about files of this digest; None if it was never asked.

        Raises:
            ConfigError: If the file is damaged.
        """
        match self._read().get(str(root.resolve())):
            case {"digest": known, "trusted": bool(trusted)} if known == digest:
                return trusted
            case _:
                return None

    def was_asked(self, root: Path) -> bool:
        """True if the user answered about this repository, whatever its files were then.

        Raises:
            ConfigError: If the file is damaged.
        """
        return str(root.resolve()) in self._read()

    def remember(self, root: Path, digest: str, *, trusted: bool) -> None:
        """Keep an answer about files of this digest; the file is replaced as a whole.

        Raises:
            ConfigError: If it is damaged or cannot be written.
        """
        answer = {"digest": digest, "trusted": trusted}
        answers = {**self._read(), str(root.resolve()): answer}
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
        except (OSError, ValueError, RecursionError) as err:
            raise ConfigError(
                f"{self._path} cannot be read; remove it to be asked again about each repository"
            ) from err
        return answers if isinstance(answers, dict) else {}
