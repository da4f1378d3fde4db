"""Starts the person's own editor, to which the app lends the terminal."""

from __future__ import annotations

import os
import shlex
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

_WITH_COLON = {"hx", "helix", "subl", "zed", "micro"}
_GOTO = {"code", "codium", "cursor"}


class EditorError(Exception):
    """The editor could not be used; the message says what to do."""


def editor_command(environ: Mapping[str, str]) -> list[str]:
    """Return `$VISUAL`, else `$EDITOR`, else vi, as a list of arguments."""
    return shlex.split(environ.get("VISUAL") or environ.get("EDITOR") or "vi")


def at_line(command: Sequence[str], file: Path, line: int) -> list[str]:
    """Return the command line with which this editor opens a file at a line."""
    name = Path(command[0]).name
    if name in _GOTO:
        return [*command, "--goto", f"{file}:{line}"]
    if name in _WITH_COLON:
        return [*command, f"{file}:{line}"]
    return [*command, f"+{line}", str(file)]


def place(root: Path, file: str) -> Path:
    """Return the path of a file that a test names, after a check: the name is not trusted.

    Raises:
        EditorError: If the file is not in the repository.
    """
    path = (root / file).resolve()
    if not path.is_relative_to(root.resolve()) or not path.is_file():
        raise EditorError(f"{file} is not a file of this repository")
    return path


def open_at(root: Path, file: str, line: int) -> None:
    """Open a file of the repository at a line, and wait until the editor ends.

    Raises:
        EditorError: If the place is outside the repository, or there is no editor.
    """
    _run(at_line(editor_command(os.environ), place(root, file), max(1, line)))


def edit_text(text: str) -> str:
    """Let the person edit a text; return the saved text.

    Raises:
        EditorError: If there is no editor.
    """
    with tempfile.TemporaryDirectory(prefix="elagent-") as folder:
        file = Path(folder) / "request.md"
        file.write_text(text, encoding="utf-8")
        _run([*editor_command(os.environ), str(file)])
        return file.read_text(encoding="utf-8", errors="replace").rstrip("\n")


def _run(command: Sequence[str]) -> None:
    try:
        subprocess.run(command, check=False)
    except OSError as err:
        message = f"the editor {command[0]!r} cannot be started: set EDITOR to one that is here"
        raise EditorError(message) from err
