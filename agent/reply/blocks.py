"""Finds the fenced blocks in a model's reply as a reader would.

Weak models nest fences of the same length, leave the last one open, put text after a closing one,
or close on a line of code. This module only finds blocks; `agent.reply.parse` decides their meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent.editing.python_source import parse_python
from agent.reply.words import is_language

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^`]*?)[ \t]*$")
_INFO_LIKE = re.compile(r"^\{?[\w+#./\\:=\"'-]+(?: +[\w+#./\\:=\"'@-]+){0,2}\}?$")
_NAMES_A_FILE = re.compile(r"\S*\.\w+[\"'}]*(?:\s+\{[^}]*\})?$")
_LABEL_ALONE = re.compile(r"^\s*(?:#|//|--)?\s*`?(?P<path>[\w./-]*\w\.[A-Za-z]\w{0,4})`?:?\s*$")
_PYTHON = frozenset({"python", "py", "python3", ""})
_SHELLS = frozenset(
    ["bash", "console", "fish", "markdown", "md", "powershell", "sh", "shell", "text", "txt", "zsh"]
)
_MARKDOWN = frozenset({"markdown", "md"})
_CLOSERS_TRIED = 8
_DEEPEST_CLOSER = 3
"""A fence indented further than this beyond its opener is content (CommonMark)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FencedBlock:
    """One fenced block."""

    info: str
    content: str
    before: tuple[str, ...]
    """The lines of prose between the previous block and this one."""
    closed: bool

    @property
    def language(self) -> str:
        """First word of the info string, in lower case; empty if it looks like a path."""
        word = re.split(r"[\s:{]", self.info.strip("{}"), maxsplit=1)[0].lower()
        return "" if "." in word or "/" in word else word


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """The blocks of a reply and its prose."""

    blocks: tuple[FencedBlock, ...]
    prose: str


@dataclass(frozen=True, slots=True)
class _Fence:
    line: int
    indent: int
    char: str
    width: int
    info: str

    def may_belong_to(self, opener: _Fence) -> bool:
        """True if this fence can close, or nest in, the block of `opener`."""
        near = self.indent <= opener.indent + _DEEPEST_CLOSER
        return near and self.char == opener.char and self.width >= opener.width

    @property
    def opens(self) -> bool:
        """True if the fence's text is an info string, neither empty nor prose on a closing line."""
        language, *rest = re.split(r"[\s:]+", self.info, maxsplit=1)
        is_name = not rest or is_language(language)
        return _INFO_LIKE.match(self.info) is not None or (
            is_name and _NAMES_A_FILE.search(self.info) is not None
        )


def scan_blocks(text: str) -> Scan:
    """All fenced blocks of a text with Unix line ends, and the prose around them."""
    lines = _without_label_fences(text.split("\n"))
    blocks: list[FencedBlock] = []
    prose: list[str] = []
    position = 0
    for opener, end in _spans(lines):
        before = tuple(lines[position : opener.line])
        content, closed = _content(lines, opener, end)
        blocks.append(FencedBlock(info=opener.info, content=content, before=before, closed=closed))
        prose += before
        position = len(lines) if end is None else end + 1
        prose += _text_after_closing(lines, end)
    return Scan(blocks=tuple(blocks), prose="\n".join([*prose, *lines[position:]]).strip())


def fenced_lines(text: str) -> frozenset[int]:
    """The lines of a text, from 0, that stand between the fences of a block."""
    lines = _without_label_fences(text.split("\n"))
    spans = ((opener.line + 1, len(lines) if end is None else end) for opener, end in _spans(lines))
    return frozenset(number for start, end in spans for number in range(start, end))


def _without_label_fences(lines: Sequence[str]) -> list[str]:
    """The lines with a fence that holds a path alone, right before the fence of the code, as that path."""
    found = list(lines)
    if any(
        fence and fence.width > _DEEPEST_CLOSER for fence in map(_fence, range(len(lines)), lines)
    ):
        return found  # longer fences hold others, which are text
    for number, label in enumerate(lines[1:-1], start=1):
        opener, path = _fence(number - 1, lines[number - 1]), _LABEL_ALONE.match(label)
        if path is None or opener is None or not opener.info or opener.info.lower() in _SHELLS:
            continue
        after = number + 1
        if (closer := _fence(after, lines[after])) and not closer.info:
            after += 1
            after += bool(lines[after : after + 1] and not lines[after].strip())
        code = _fence(after, lines[after]) if after < len(lines) else None
        if code is not None and code.info and code.opens:
            found[number - 1 : after] = ["", path["path"], *[""] * (after - number - 1)]
    return found


def _spans(lines: Sequence[str]) -> Iterator[tuple[_Fence, int | None]]:
    """Each block's opening fence, and the line that closes it; None for one that stays open."""
    fences = [fence for number, line in enumerate(lines) if (fence := _fence(number, line))]
    position = 0
    while opener := next((f for f in fences if f.line >= position), None):
        end = _closing_line(lines, opener, [f for f in fences if f.line > opener.line])
        yield opener, end
        position = len(lines) if end is None else end + 1


def _fence(number: int, line: str) -> _Fence | None:
    if (match := _FENCE.match(line)) is None:
        return None
    mark = match["mark"]
    return _Fence(number, len(match["indent"].expandtabs(4)), mark[0], len(mark), match["info"])


def _closing_line(lines: Sequence[str], opener: _Fence, later: Sequence[_Fence]) -> int | None:
    candidates = [fence for fence in later if fence.may_belong_to(opener)]
    bare = [fence.line for fence in candidates if not fence.opens]
    language = opener.info.split(":")[0].split(" ")[0].lower()
    if language in _MARKDOWN and len(bare) % 2 == 1 and len(bare) == len(candidates):
        return bare[-1]
    end = _balanced(candidates)
    if language in _PYTHON and end is not None:
        return _first_that_parses(lines, opener, bare) or end
    if end is None and opener.width > _DEEPEST_CLOSER and not candidates:
        shorter = [fence.line for fence in later if not fence.info and fence.char == opener.char]
        return shorter[-1] if shorter else None
    return end


def _balanced(candidates: Sequence[_Fence]) -> int | None:
    """The line that closes the block when fences with an info string nest."""
    depth = 0
    for fence in candidates:
        if fence.opens:
            depth += 1
        elif depth:
            depth -= 1
        else:
            return fence.line
    return None


def _first_that_parses(lines: Sequence[str], opener: _Fence, bare: Sequence[int]) -> int | None:
    """The first closing line that leaves a whole Python module: docstrings may contain fences."""
    for end in bare[:_CLOSERS_TRIED]:
        if parse_python(_dedented(lines[opener.line + 1 : end], opener.indent)) is not None:
            return end
    return None


def _content(lines: Sequence[str], opener: _Fence, end: int | None) -> tuple[str, bool]:
    body = lines[opener.line + 1 : end]
    if end is None:
        while body and not body[-1].strip():
            body = body[:-1]
        last = body[-1] if body else ""
        code = last.rstrip().removesuffix(opener.char * opener.width)
        closes = code != last.rstrip() and bool(code.strip())
        if closes:
            body = [*body[:-1], code]
        return _dedented(body, opener.indent), closes
    return _dedented(body, opener.indent), True


def _dedented(body: Sequence[str], indent: int) -> str:
    if not indent:
        return "\n".join(body)
    return "\n".join(_without_indent(line, indent) for line in body)


def _without_indent(line: str, indent: int) -> str:
    """The line without as much leading white space as the opening fence had."""
    if line.startswith("\t") and indent >= 4:  # noqa: PLR2004 - a tab stands for four columns
        return line[1:]
    lead = len(line) - len(line.lstrip(" "))
    return line[min(lead, indent) :]


def _text_after_closing(lines: Sequence[str], end: int | None) -> list[str]:
    if end is None:
        return []
    text = lines[end].strip().strip("`~").strip()
    return [text] if text else []
