"""Reads the commands that people write as Markdown files: `NAME.md` is `/NAME` in a conversation.

A person's own lie in `commands/` beside the settings, a repository's in `.elagent/commands/`; those are
words of a stranger, and are read only where the repository is trusted.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT_FOLDER = ".elagent/commands"
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_MOST_BYTES = 16_384
_MOST_FILES = 100
_HEAD = re.compile(r"\A---[ \t]*\n(?P<head>.*?)^---[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_DESCRIPTION = re.compile(r"^description:[ \t]*(?P<text>.*?)[ \t]*$", re.MULTILINE)
_LONGEST_DESCRIPTION = 100
_ARGUMENTS = "$ARGUMENTS"


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCommand:
    """One command that a person wrote."""

    name: str
    """With its `/`."""
    text: str
    description: str

    @property
    def takes_arguments(self) -> bool:
        return _ARGUMENTS in self.text

    def request(self, arguments: str) -> str:
        """The request that is sent; arguments that have no place in the text come behind it."""
        if self.takes_arguments:
            return self.text.replace(_ARGUMENTS, arguments)
        return f"{self.text}\n\n{arguments}" if arguments else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenCommands:
    """The commands of a conversation that people wrote."""

    commands: tuple[WrittenCommand, ...] = ()
    refused: tuple[str, ...] = ()
    """One sentence about each file that is no command."""

    def find(self, name: str) -> WrittenCommand | None:
        """The command of exactly this name, with its `/`."""
        return next((command for command in self.commands if command.name == name), None)


NO_COMMANDS = WrittenCommands()


def read_commands(folders: Collection[Path], taken: Collection[str]) -> WrittenCommands:
    """The commands in these folders; of two of one name the first counts. Blocks.

    `taken` are the names, with `/`, that are elagent's own.
    """
    found: dict[str, WrittenCommand] = {}
    refused: list[str] = []
    for folder in folders:
        for path in command_files(folder):
            name = f"/{path.stem}"
            try:
                _check_name(path.stem, [*taken, *found])
                found[name] = _command(name, _text(path))
            except ValueError as err:
                refused.append(f"{path} is no command: {err}")
    return WrittenCommands(commands=tuple(found.values()), refused=tuple(refused))


def command_files(folder: Path) -> list[Path]:
    """The Markdown files of a folder, in the order of their names; none where it is a link."""
    if folder.is_symlink() or folder.parent.is_symlink():
        return []
    return sorted(_markdown(folder))[:_MOST_FILES]


def _markdown(folder: Path) -> Iterator[Path]:
    try:
        yield from (path for path in folder.iterdir() if path.suffix == ".md")
    except OSError:
        return


def _check_name(name: str, taken: Collection[str]) -> None:
    if not _NAME.fullmatch(name):
        raise ValueError("its name must be small letters, digits, - and _; rename the file")
    if f"/{name}" in taken:
        raise ValueError(f"/{name} is taken already; rename the file")


def _text(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError("it is no regular file")
            data = file.read(_MOST_BYTES + 1)
    except OSError as err:
        raise ValueError(f"it cannot be read ({err.strerror})") from err
    if len(data) > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES} bytes; shorten it")
    try:
        return data.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as err:
        raise ValueError("it is not UTF-8 text") from err


def _command(name: str, text: str) -> WrittenCommand:
    head = _HEAD.match(text)
    said = _DESCRIPTION.search(head["head"]) if head else None
    body = (text[head.end() :] if head else text).strip()
    if not body:
        raise ValueError("it is empty; write the request into it")
    first = body.splitlines()[0].lstrip("# ")
    description = said["text"].strip("\"'") if said else first
    return WrittenCommand(name=name, text=body, description=description[:_LONGEST_DESCRIPTION])
