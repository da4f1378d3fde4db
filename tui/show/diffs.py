"""Parses unified diffs into hunks, and draws them side by side where there is room."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from agent.text import display_safe
from tui.show.render import render_diff

SIDE_BY_SIDE_COLUMNS = 120
"""Narrowest terminal with room for two columns of code."""
MOST_LINES = 600
"""Longer diffs show their beginning only."""
_HUNK = re.compile(r"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiffHunk:
    """A hunk of a unified diff."""

    header: str
    old_start: int
    new_start: int
    lines: tuple[str, ...]
    """Lines with their first character: space, `-`, `+` or a backslash."""

    @property
    def added(self) -> int:
        return sum(line.startswith("+") for line in self.lines)

    @property
    def removed(self) -> int:
        return sum(line.startswith("-") for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileDiff:
    """The hunks of one file."""

    header: tuple[str, ...]
    hunks: tuple[DiffHunk, ...]

    @property
    def added(self) -> int:
        return sum(hunk.added for hunk in self.hunks)

    @property
    def removed(self) -> int:
        return sum(hunk.removed for hunk in self.hunks)


def parse_diff(diff: str) -> list[FileDiff]:
    """Parse a unified diff of any number of files; other text gives an empty list."""
    reader = _DiffReader()
    for line in diff.split("\n"):
        reader.read(line)
    return reader.end()


class _DiffReader:
    """Reads a diff line by line; each hunk header gives the number of its lines."""

    def __init__(self) -> None:
        self._files: list[FileDiff] = []
        self._header: list[str] = []
        self._hunks: list[DiffHunk] = []
        self._lines: list[str] = []
        self._start: re.Match[str] | None = None
        self._left_old = self._left_new = 0

    def read(self, line: str) -> None:
        inside = self._left_old > 0 or self._left_new > 0 or line.startswith("\\")
        if self._start is not None and inside:
            self._lines.append(line or " ")
            self._left_old -= line[:1] not in ("+", "\\")
            self._left_new -= line[:1] not in ("-", "\\")
        elif found := _HUNK.match(line):
            self._end_hunk()
            self._start = found
            self._left_old, self._left_new = int(found[2] or 1), int(found[4] or 1)
        elif line:
            if self._start is not None:
                self._end_file()
            self._header.append(line)

    def end(self) -> list[FileDiff]:
        self._end_file()
        return self._files

    def _end_hunk(self) -> None:
        if (start := self._start) is not None:
            self._hunks.append(
                DiffHunk(
                    header=start.string,
                    old_start=int(start[1]),
                    new_start=int(start[3]),
                    lines=tuple(self._lines),
                )
            )
        self._start = None
        self._lines = []

    def _end_file(self) -> None:
        self._end_hunk()
        if self._hunks:
            self._files.append(FileDiff(header=tuple(self._header), hunks=tuple(self._hunks)))
        self._header, self._hunks = [], []


def draw_diff(diff: str, *, columns: int) -> RenderableType:
    """Draw a diff in two columns, or as a unified diff if the terminal is narrow; cut after many lines."""
    files = parse_diff(diff)
    if columns < SIDE_BY_SIDE_COLUMNS or not files:
        lines = diff.split("\n")
        rest = len(lines) - MOST_LINES
        unified = render_diff("\n".join(lines[:MOST_LINES]))
        return Group(unified, _more(rest)) if rest > 0 else unified
    return Group(*(_two_columns(file) for file in files))


def draw_hunk(hunk: DiffHunk, *, columns: int) -> RenderableType:
    """Draw one hunk as `draw_diff` does, without its header."""
    if columns < SIDE_BY_SIDE_COLUMNS:
        return draw_diff("\n".join(hunk.lines), columns=columns)
    return _two_columns(FileDiff(header=(), hunks=(hunk,)))


def _more(rest: int) -> Text:
    return Text(f"[... {rest} more lines are not shown ...]", style="dim")


def _two_columns(file: FileDiff) -> RenderableType:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(justify="right", width=5, style="dim")
    table.add_column(ratio=1, overflow="fold")
    table.add_column(justify="right", width=5, style="dim")
    table.add_column(ratio=1, overflow="fold")
    head = [Text(display_safe("\n".join(file.header)), style="bold")] if file.header else []
    for shown, row in enumerate(_rows(file.hunks)):
        if shown == MOST_LINES:
            return Group(*head, table, _more(sum(len(h.lines) for h in file.hunks) - MOST_LINES))
        table.add_row(*row)
    return Group(*head, table)


def _rows(hunks: Sequence[DiffHunk]) -> Iterator[tuple[Text, Text, Text, Text]]:
    for number, hunk in enumerate(hunks):
        if number:
            yield Text("..."), Text(), Text("..."), Text()
        old, new = hunk.old_start, hunk.new_start
        for removed, added, same in _blocks(hunk):
            for left, right in zip_longest(removed, added):
                yield _row(old, left, new, right)
                old += left is not None
                new += right is not None
            if same is not None:
                yield _numbered(old), _code(" ", same), _numbered(new), _code(" ", same)
                old += 1
                new += 1


def _blocks(hunk: DiffHunk) -> Iterator[tuple[list[str], list[str], str | None]]:
    """Yield removed lines, the lines in their place, and the unchanged line after them."""
    removed: list[str] = []
    added: list[str] = []
    for line in hunk.lines:
        mark, text = line[:1], line[1:]
        if mark == " ":
            yield removed, added, text
            removed, added = [], []
        elif mark == "-":
            removed.append(text)
        elif mark == "+":
            added.append(text)
    yield removed, added, None


def _row(old: int, left: str | None, new: int, right: str | None) -> tuple[Text, Text, Text, Text]:
    return (
        _numbered(old) if left is not None else Text(),
        _code("-", left, "red") if left is not None else Text(),
        _numbered(new) if right is not None else Text(),
        _code("+", right, "green") if right is not None else Text(),
    )


def _numbered(line: int) -> Text:
    return Text(str(line))


def _code(mark: str, text: str, style: str = "") -> Text:
    """Return one line of code with its mark, which is readable without colour."""
    return Text(f"{mark} {display_safe(text)}", style=style)
