"""Finds the linters and type checkers that a project configures, and says how they are run.

Nothing is run here. A tool counts only where the project's own configuration names it; none is told to
change a file.
"""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sandbox.project.declarations.reading import read_text

_PYTHON = frozenset({".py", ".pyi"})
_TYPESCRIPT = frozenset({".ts", ".tsx", ".mts", ".cts"})
_MYPY_SECTION = re.compile(r"^\[mypy\]", re.MULTILINE)
_FILES = "{files}"
STARTS = "@elagent runs"
"""Begins the line that the script prints before the output of a tool which the image has."""
ENDS = "@elagent ended"
"""Begins the line behind it, which goes on with the tool's exit code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Linter:
    """One tool that reports problems in files."""

    name: str
    command: str
    """Text for a shell, run in the project's folder; `{files}` stands for the changed files."""
    suffixes: frozenset[str] = frozenset()
    """The ends of the names of files that it reads; empty: all."""
    program: str = ""
    """The program that the image must have; empty: the command is run in any case."""

    def script(self, paths: Sequence[str]) -> str:
        """Text for a shell that looks at these files; empty if the tool reads none of them."""
        own = [p for p in paths if not self.suffixes or PurePosixPath(p).suffix in self.suffixes]
        if not own:
            return ""
        command = self.command.replace(_FILES, shlex.join(f"./{path}" for path in own))
        run = f'echo {shlex.quote(f"{STARTS} {self.name}")}; ({command}\n); code=$?; echo; echo "{ENDS} $code"'
        if not self.program:
            return run
        return f"if command -v {self.program} >/dev/null 2>&1; then {run}; fi"


def find_linters(root: Path) -> tuple[Linter, ...]:
    """The tools that the configuration in a project's top folder names; blocks.

    A file that cannot be read, or is no TOML, names none.
    """
    project = _toml(root / "pyproject.toml")
    found = [*_ruff(root, project), *_mypy(root, project), *_tsc(root), *_clippy(root)]
    return tuple(found)


def _ruff(root: Path, project: Mapping[str, object]) -> list[Linter]:
    own = [read_text(root / name) for name in ("ruff.toml", ".ruff.toml")]
    table = _table(project, "tool", "ruff")
    files = [_parsed(text) for text in own if text is not None]
    if table is None and not files:
        return []
    command = "ruff check --no-fix --no-cache --force-exclude --output-format concise -- {files}"
    if any("format" in each for each in (*files, table or {})):
        look = "ruff format --check --no-cache --force-exclude"
        # Older releases know no output format here and end with 2.
        command += f"; {look} --output-format concise -- {{files}} 2>/dev/null"
        command += f"; [ $? -ne 2 ] || {look} -- {{files}}"
    return [Linter(name="ruff", program="ruff", suffixes=_PYTHON, command=command)]


def _mypy(root: Path, project: Mapping[str, object]) -> list[Linter]:
    has = any(read_text(root / name) is not None for name in ("mypy.ini", ".mypy.ini"))
    has = has or bool(_MYPY_SECTION.search(read_text(root / "setup.cfg") or ""))
    if not has and _table(project, "tool", "mypy") is None:
        return []
    flags = "--no-error-summary --no-pretty --no-color-output --hide-error-context"
    command = f"mypy {flags} --show-error-codes --cache-dir=/dev/null -- {{files}}"
    return [Linter(name="mypy", program="mypy", suffixes=_PYTHON, command=command)]


def _tsc(root: Path) -> list[Linter]:
    if read_text(root / "tsconfig.json") is None:
        return []
    command = "tsc --noEmit --pretty false -p ."
    return [Linter(name="tsc", program="tsc", suffixes=_TYPESCRIPT, command=command)]


def _clippy(root: Path) -> list[Linter]:
    """Clippy, where the project says something of it: a Cargo.toml alone names no linter."""
    cargo = _toml(root / "Cargo.toml")
    tables = (_table(cargo, "lints", "clippy"), _table(cargo, "workspace", "lints", "clippy"))
    own = any(read_text(root / name) is not None for name in ("clippy.toml", ".clippy.toml"))
    if not cargo or not (own or any(table is not None for table in tables)):
        return []
    command = "cargo clippy --offline --quiet --message-format short"
    return [
        Linter(name="clippy", program="cargo-clippy", suffixes=frozenset({".rs"}), command=command)
    ]


def _toml(path: Path) -> Mapping[str, object]:
    return _parsed(read_text(path) or "")


def _parsed(text: str) -> Mapping[str, object]:
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        return {}


def _table(data: Mapping[str, object], *keys: str) -> Mapping[str, object] | None:
    """The table at this place; None if there is none."""
    here: object = data
    for key in keys:
        here = here.get(key) if isinstance(here, dict) else None
    return here if isinstance(here, dict) else None
