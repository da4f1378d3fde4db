"""Reads comments such as `# elagent: add a median` in a text, and takes one out again."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from agent.editing.source_files import is_python, read_text_file, resolve_inside, write_atomically
from agent.intent.rules import by_rules
from agent.intent.wanted import Wanted
from agent.workspace.workspace import Workspace

_COMMENT = re.compile(
    r"(?P<mark>(?:^|(?<=\s))(?:\#|//|--)[ \t]*elagent:[ \t]*(?P<words>\S.*?))[ \t]*(?:\*/|-->)?[ \t]*$",
    re.IGNORECASE,
)
_AROUND = 8
"""Lines before and after a comment that go along with it."""
_LONGEST = 2000
"""Characters of a comment that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment that asks for something, at the place where it was found."""

    path: str
    line: int
    """Number of the line, from 1."""
    words: str
    """The text behind `elagent:`, with any `!` or `?` at its end."""
    around: str = ""
    """The lines near it."""

    @property
    def request(self) -> str:
        """The person's request, with the file that it is about."""
        return f"In {self.path}: {self.words.rstrip('!').rstrip()}"

    @property
    def wanted(self) -> Wanted | None:
        """The kind that the last character says: `!` for a change, `?` for a question; else None."""
        if self.words.endswith("?"):
            read = by_rules(self.words)
            return read if read is not None and not read.may_write else Wanted.QUESTION
        if self.words.endswith("!"):
            read = by_rules(self.words.rstrip("!"))
            return read if read is not None and read.may_write else Wanted.EDIT
        return None

    @property
    def attached(self) -> str:
        """The place of the comment, for the model; these are no words of the person's."""
        return f"The request is a comment in line {self.line} of {self.path}:\n{self.around}"


def comments_in(path: str, text: str) -> Iterator[Comment]:
    """Every comment of a text that asks for something, from the top."""
    if "elagent:" not in text.lower():
        return
    lines = text.splitlines()
    for at, line in enumerate(lines):
        if found := _COMMENT.search(line[:_LONGEST]):
            around = "\n".join(lines[max(0, at - _AROUND) : at + _AROUND + 1])
            yield Comment(path=path, line=at + 1, words=found["words"], around=around)


def without(text: str, comment: Comment, *, python: bool) -> str | None:
    """A text without a comment; None where it is not there, or where a program would change by that.

    A line that holds nothing else goes as a whole. The words decide, since an edit moves lines.
    """
    lines = text.splitlines(keepends=True)
    for at, line in enumerate(lines):
        body = line.rstrip("\r\n")
        found = _COMMENT.search(body)
        if found is None or found["words"] != comment.words:
            continue
        kept = body[: found.start()].rstrip()
        lines[at] = kept + line[len(body) :] if kept else ""
        left = "".join(lines)
        return left if not python or _same_program(text, left) else None
    return None


def _same_program(before: str, after: str) -> bool:
    try:
        return ast.dump(ast.parse(before)) == ast.dump(ast.parse(after))
    except (SyntaxError, ValueError, RecursionError):
        return False


def take_out(workspace: Workspace, comment: Comment) -> bool:
    """Take a comment out of its file, as a part of the open step of `undo`; False if it stays. Blocks.

    Raises:
        SourceFileError: If the file cannot be read or written.
    """
    target = resolve_inside(workspace.root, comment.path)
    if not target.is_file():
        return False
    stored = read_text_file(target)
    left = without(stored.text, comment, python=is_python(target))
    if left is None:
        return False
    data = stored.revised(left, exact=True).encode()
    workspace.will_write(target, data)
    write_atomically(target, data)
    return True
