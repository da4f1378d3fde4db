"""Splices bytes of one source into another, and moves them to another indent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent.editing.units import ParsedSource, Unit

if TYPE_CHECKING:
    from tree_sitter import Node


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSplice:
    """Bytes in the place of others."""

    start: int
    end: int
    text: bytes


def spliced(data: bytes, splices: Sequence[TextSplice]) -> str:
    """The text with all splices put in; those at one place in their order."""
    order = sorted(enumerate(splices), key=lambda pair: (pair[1].start, pair[1].end, pair[0]))
    out, at = bytearray(), 0
    for _, splice in order:
        out += data[at : splice.start] + splice.text
        at = max(at, splice.end)
    return (bytes(out) + data[at:]).decode("utf-8", "replace")


def behind(data: bytes, at: int) -> int | None:
    """The end of the line of a place; None if code follows there."""
    end = data.find(b"\n", at)
    rest = data[at : len(data) if end < 0 else end].strip()
    if rest and not rest.startswith((b"//", b"#", b"/*")):
        return None
    return len(data) if end < 0 else end


def moved(source: ParsedSource, unit: Unit, *, first: int, end: int, to: bytes) -> bytes:
    """A part of a definition, from byte `first` to `end`, at another indent.

    Lines within a text literal stay. White space at the end is a line end with the new indent.
    """
    data = source.data
    begin = data.rfind(b"\n", 0, unit.start) + 1
    indent = data[begin : unit.start]
    was = indent if not indent.strip() else b""
    part = data[first:end]
    lines = part.rstrip().split(b"\n")
    row = data.count(b"\n", 0, first)
    kept = set(_literal_rows(source.root))
    for at in range(1, len(lines)):
        if row + at not in kept and lines[at].strip():
            lines[at] = to + lines[at].removeprefix(was)
    gap = part[len(part.rstrip()) :]
    return b"\n".join(lines) + (b"\n" + to if b"\n" in gap else gap)


def _literal_rows(node: Node) -> Iterator[int]:
    """The rows, from 0, that begin within a text literal of several lines."""
    if "string" in node.type or "heredoc" in node.type:
        yield from range(node.start_point.row + 1, node.end_point.row + 1)
        return
    for child in node.children:
        if child.end_point.row > child.start_point.row:
            yield from _literal_rows(child)
