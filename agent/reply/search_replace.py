"""SEARCH/REPLACE blocks in a reply, inside fences or not, each with the path above it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.editing.replacing import Hunk
from agent.reply.labels import sole_path
from agent.reply.named import Names, Unclear

_START = re.compile(r"^\s*(<{5,9}) ?SEARCH\b[: ]*(?P<path>.*?)\s*$")
_END = re.compile(r"^\s*>{5,9} ?REPLACE\b.*$")
_DIVIDER = re.compile(r"^\s*(={5,9})\s*$")
_FENCE = re.compile(r"^\s*(?:`{3,}|~{3,})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The blocks for one file, in order."""

    path: str
    hunks: tuple[Hunk, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patches:
    """The blocks of a reply, and the text around them."""

    patches: tuple[Patch, ...]
    rest: str
    """The reply without its blocks, to be read for commands and whole files."""


@dataclass(kw_only=True)
class _PatchReader:
    """State of the reader of one reply."""

    names: Names
    path: str = ""
    unclear: Unclear | None = None
    """The label of the next block, if it is one that names no file."""
    label_at: int | None = None
    """The place of the line with the path in `rest`, until a block has used it."""
    rest: list[str] = field(default_factory=list)
    hunks: dict[str, list[Hunk]] = field(default_factory=dict)
    block: list[str] | None = None
    width: int = 0
    problem: str = ""

    def read(self, line: str) -> None:
        if self.block is None:
            self._outside(line)
        elif _START.match(line):
            self.problem = "A SEARCH block begins inside another one."
        elif _END.match(line):
            self._close(self.block)
            self.block = None
        else:
            self.block.append(line)

    def _outside(self, line: str) -> None:
        start = _START.match(line)
        if start is None:
            self._beside(line)
            self.rest.append(line)
            return
        self.block, self.width = [], len(start[1])
        if start["path"]:
            self._label(sole_path(start["path"], self.names), None)
        if self.unclear is not None:
            self.problem = str(self.unclear)

    def _beside(self, line: str) -> None:
        """Take note of a line that may be a label: the last one before a block counts."""
        if not line.strip() or _FENCE.match(line):
            return
        self._label(sole_path(line, self.names), len(self.rest))

    def _label(self, found: str | Unclear, line: int | None) -> None:
        self.unclear = found if isinstance(found, Unclear) and found.is_label else None
        if isinstance(found, str) and found:
            self.path, self.label_at = found, line

    def _close(self, lines: Sequence[str]) -> None:
        dividers = [n for n, line in enumerate(lines) if _DIVIDER.match(line)]
        same = [n for n in dividers if len(lines[n].strip()) == self.width] or dividers
        if len(same) != 1:
            count = len(same) or "no"
            self.problem = f"A SEARCH block has {count} ======= lines; it needs exactly one."
        elif not self.path:
            self.problem = "A SEARCH block has no path. Write the file's path on the line above it."
        else:
            search, replace = lines[: same[0]], lines[same[0] + 1 :]
            hunk = Hunk(search=_text(search), replace=_text(replace))
            self.hunks.setdefault(self.path, []).append(hunk)
            if self.label_at is not None:
                self.rest[self.label_at], self.label_at = "", None


def has_patches(text: str) -> bool:
    """True if a text has the first line of such a block."""
    return any(_START.match(line) for line in text.split("\n"))


def read_patches(text: str, names: Names) -> Patches | str:
    """The blocks of a reply; a sentence for the model if they cannot be used."""
    reader = _PatchReader(names=names)
    for line in text.split("\n"):
        reader.read(line)
        if reader.problem:
            return reader.problem
    if reader.block is not None:
        return "The reply was cut off inside a SEARCH/REPLACE block. Keep blocks small."
    patches = tuple(Patch(path=p, hunks=tuple(hunks)) for p, hunks in reader.hunks.items())
    return Patches(patches=patches, rest=_without_empty_fences(reader.rest))


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n" if lines else ""


def _without_empty_fences(lines: Sequence[str]) -> str:
    """The rest without the fences that held nothing but blocks."""
    kept: list[str] = []
    for line in lines:
        last = next((n for n in range(len(kept) - 1, -1, -1) if kept[n].strip()), None)
        closes = re.fullmatch(r"\s*(?:`{3,}|~{3,})\s*", line)
        if closes and last is not None and _FENCE.match(kept[last]):
            del kept[last:]
            continue
        kept.append(line)
    return "\n".join(kept)
