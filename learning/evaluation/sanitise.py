"""Extracts the code of a model's reply for the judge: verbatim, and cleaned.

Both take time linear in the reply: a syntax error is cut off at the statement that holds it
instead of trying every range of lines.
"""

from __future__ import annotations

import ast
import builtins
import re
import textwrap
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from learning.evaluation.needed import (
    Part,
    is_stub,
    missing_names,
    needed_parts,
    parts_of,
    text_of,
)

_FENCED = re.compile(r"^[ \t]*```[^\n`]*\n(.*?)(?:^[ \t]*```|\Z)", re.DOTALL | re.MULTILINE)
_FENCE = re.compile(r"^[ \t]*(`{3,}|~{3,})[ \t]*([^\n`]*)(?:\n|\Z)", re.MULTILINE)
_CODE_BEGINS = re.compile(r"^(?:from |import |def |class |async def |@|\w+ = )", re.MULTILINE)
_THOUGHT = re.compile(r"\s*<think(?:ing)?>.*?</think(?:ing)?>", re.DOTALL)
_CUTS = 4
_BLOCKS = 16
_STARTS = 8
_ENDS = 8
_MAX_CHARACTERS = 200_000


def raw_code(reply: str) -> str:
    """The first fenced block of a reply as it stands, or the whole reply if it has none."""
    block = _FENCED.search(reply[:_MAX_CHARACTERS])
    return block[1] if block else reply


def sanitised_code(reply: str, entry_point: str, *, before: str = "") -> str:
    """The function that was asked for, with the statements that it needs.

    `before` is code that the reply continues: for a raw completion the problem itself. Examples,
    prints, asserts and text around the code are left out. What `before` already has is no answer:
    where the reply adds nothing to the function it comes back as `raw_code` gives it, as does what
    cannot be understood at all.
    """
    text = reply[:_MAX_CHARACTERS].replace("\r\n", "\n").replace("\r", "\n")
    text = text[thought.end() :] if (thought := _THOUGHT.match(text)) else text
    blocks = list(_blocks(text))
    stub: _Code | None = None
    for candidate in _candidates(text, blocks, entry_point, continues=bool(before)):
        code = _Code.read(before + candidate)
        written = code.written(entry_point, after_line=before.count("\n")) if code else None
        if code is None or written is None:
            continue
        if not is_stub(written.node):
            return code.with_helpers(blocks, entry_point)
        stub = stub or code
    return stub.with_helpers(blocks, entry_point) if stub else raw_code(reply)


@dataclass(frozen=True, slots=True)
class _Code:
    """Source that parses."""

    source: str
    parts: Sequence[Part]

    @classmethod
    def read(cls, text: str) -> _Code | None:
        """The longest beginning of a text that parses, give or take a statement."""
        tree, source = _parsed(text)
        return None if tree is None else cls(source, parts_of(tree, source))

    def written(self, name: str, *, after_line: int) -> Part | None:
        """The last statement that gives the name a meaning, if the model wrote at least its end."""
        found = [
            part
            for part in self.parts
            if name in part.binds and not part.is_import and not part.is_example(name)
        ]
        return found[-1] if found and (found[-1].node.end_lineno or 0) > after_line else None

    def with_helpers(self, blocks: Sequence[str], entry_point: str) -> str:
        """The statements that the entry point needs, also from other blocks of the reply."""
        needed = needed_parts(self.parts, entry_point)
        before = ""
        missing = missing_names(needed) - _BUILT_IN
        for block in blocks[:_BLOCKS] if missing else ():
            if (other := _Code.read(textwrap.dedent(block))) is None:
                continue
            for name in sorted(missing & _bound(other.parts)):
                before += text_of(needed_parts(other.parts, name), other.source)
            missing -= _bound(other.parts)
        return before + text_of(needed, self.source)


_BUILT_IN = frozenset(dir(builtins))


def _bound(parts: Sequence[Part]) -> frozenset[str]:
    return frozenset[str]().union(*(part.binds for part in parts))


def _candidates(
    reply: str, blocks: Sequence[str], entry_point: str, *, continues: bool
) -> Iterator[str]:
    """Pieces of a reply that may be code, the likeliest first."""
    if continues and reply.lstrip("\n")[:1].isspace():
        yield reply  # the body itself
    wanted = re.compile(rf"\bdef\s+{re.escape(entry_point)}\b")
    for block in sorted(blocks, key=lambda block: wanted.search(block) is None)[:_BLOCKS]:
        yield block
        if (outdented := textwrap.dedent(block)) != block:
            yield outdented
    yield reply
    for begin, _ in zip(_CODE_BEGINS.finditer(reply), range(_STARTS), strict=False):
        yield reply[begin.start() :]


def _blocks(reply: str) -> Iterator[str]:
    """The fenced blocks; one whose code holds a fence, as docstrings do, ends where it parses."""
    fences = list(_FENCE.finditer(reply))
    at = 0
    while at < len(fences):
        begin = fences[at].end()
        ends = [
            number
            for number in range(at + 1, min(at + 1 + _ENDS, len(fences)))
            if _closes(fences[number], fences[at])
        ]
        whole = next((n for n in ends if _parses(reply[begin : fences[n].start()])), None)
        end = whole if whole is not None else ends[0] if ends else len(fences)
        yield reply[begin : fences[end].start() if end < len(fences) else len(reply)]
        names_a_language = end < len(fences) and fences[end][2].strip()
        at = end if names_a_language else end + 1


def _closes(fence: re.Match[str], opening: re.Match[str]) -> bool:
    """True if a fence may end a block; a longer opening lets shorter ones be part of it."""
    return fence[1][0] == opening[1][0] and len(fence[1]) >= len(opening[1])


def _parses(source: str) -> bool:
    return _tree(textwrap.dedent(source)) is not None


def _tree(source: str) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            return ast.parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _parsed(source: str) -> tuple[ast.Module | None, str]:
    """The longest beginning of the source that parses, give or take a statement."""
    for _ in range(_CUTS):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SyntaxWarning)
                return ast.parse(source), source
        except SyntaxError as err:
            lines = [f"{line}\n" for line in source.split("\n")]
            cut = min(err.lineno or len(lines), len(lines)) - 1
            while cut > 0 and not _starts_statement(lines[cut]):
                cut -= 1
            source = "".join(lines[:cut])
        except (ValueError, RecursionError, MemoryError):
            break
        if not source.strip():
            break
    return None, source


def _starts_statement(line: str) -> bool:
    return bool(line.strip()) and not line[0].isspace() and line[0] not in ")]}"
