"""Converts a file's bytes to text and back, so that every unedited line keeps its bytes.

A model reads and writes text with Unix line ends. Its text is matched with the stored text: repeated
lines keep their own line ends, white space and form feeds, and a new line ends like its neighbours.
"""

from __future__ import annotations

import codecs
import difflib
import io
import itertools
import re
import tokenize
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_INVISIBLE = re.compile(r"[ \t\f\v\r]+$|\f")
"""White space that a model leaves out when it copies a line."""


_DECLARED = re.compile(
    rb"\A\s*<\?xml[^>]*?\bencoding\s*=\s*[\"'](?P<xml>[\w.-]+)"
    rb"|\A@charset \"(?P<css>[\w.-]+)\""
    rb"|\A\s*<(?:[^\0]{0,1000}?<)?meta\b[^>]*?\bcharset\s*=\s*[\"']?(?P<html>[\w.-]+)"
    rb"|\A(?:[^\n]*\n)?[ \t]*(?:#|//|--|%|;)[^\n]*?coding[:=][ \t]*(?P<comment>[\w.-]+)",
    re.IGNORECASE,
)
"""Declarations of an encoding in XML, style sheets, HTML and comments."""
_HEAD_BYTES = 4096
_PROBE = "<a> \\u0041 " + "x" * 80
"""Characters that every encoding a text can declare stores as ASCII does."""


class EncodingError(ValueError):
    """A text cannot be stored in the file's encoding without a change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """The text of a file with its encoding and line ends."""

    stored: str
    """The text with its own line ends."""
    encoding: str = "utf-8"
    bom: bytes = b""
    is_python: bool = False

    @classmethod
    def new(cls, text: str, *, is_python: bool) -> Self:
        """A text that is not stored yet: as it says itself, else in UTF-8."""
        encoding = "utf-8" if is_python else _declared_in(text.encode("ascii", "replace"))
        return cls(stored=text, encoding=encoding, is_python=is_python)

    @property
    def text(self) -> str:
        """The text with Unix line ends; a lone carriage return stays a part of its line."""
        return self.stored.replace("\r\n", "\n")

    def revised(self, text: str, *, exact: bool) -> TextFile:
        """Give this file another text, which has Unix line ends.

        Lines that are repeated keep their bytes. An `exact` text says where the file begins and
        ends and what white space is in it; any other is a copy, in which that is not meant. A byte
        order mark is the file's own, whatever the text says.
        """
        old = [_split(line, "\r\n", "\n") for line in _lines(self.stored)]
        new = [_split(line, "\n") for line in _lines(text.removeprefix("\ufeff"))]
        if not exact:
            new = _with_edges(old, _with_carriage_returns(old, new))
        stored = _overlaid(old, new, key=_exactly if exact else _visibly)
        return TextFile(
            stored=stored, encoding=self.encoding, bom=self.bom, is_python=self.is_python
        )

    def encode(self) -> bytes:
        """The bytes of the file, which its own language reads as this text.

        A Python file is stored as its coding line says.

        Raises:
            EncodingError: If the encoding is unknown or has no place for a character.
        """
        encoding = self._declared() if self.is_python else self.encoding
        try:
            data = self.bom + self.stored.encode(encoding)
        except UnicodeEncodeError as err:
            character = err.object[err.start]
            raise EncodingError(
                f"the file is stored as {encoding}, which has no {character!a}"
            ) from err
        if _read(data, is_python=self.is_python) != self.stored:  # as UTF-16 is by Python
            raise EncodingError(f"stored as {encoding} it would not be read again as it is")
        return data

    def _declared(self) -> str:
        """The encoding that Python will take the file for."""
        head = self.bom + "".join(_lines(self.stored)[:2]).encode("utf-8", "replace")
        try:
            declared = tokenize.detect_encoding(io.BytesIO(head).readline)[0]
        except SyntaxError as err:
            raise EncodingError(f"its coding line cannot be followed: {err.msg}") from err
        return "utf-8" if declared == "utf-8-sig" else declared


def decode(data: bytes, *, is_python: bool) -> TextFile:
    """Bytes as text; a byte order mark decides, else a declared encoding, else UTF-8.

    Raises:
        UnicodeDecodeError: If the bytes do not fit that encoding, or are no text.
        SyntaxError: If the coding line names none.
    """
    bom, encoding = next((found for found in _MARKS if data.startswith(found[0])), (b"", "utf-8"))
    if not bom:
        encoding = (
            tokenize.detect_encoding(io.BytesIO(data).readline)[0]
            if is_python
            else _declared_in(data)
        )
    text = data[len(bom) :].decode(encoding)
    if "\0" in text:
        raise UnicodeDecodeError(encoding, data, 0, 1, "binary data")
    return TextFile(stored=text, encoding=encoding, bom=bom, is_python=is_python)


def _declared_in(data: bytes) -> str:
    """The encoding that a text without a byte order mark names, unless it is UTF-8 all the same."""
    found = _DECLARED.search(data[:_HEAD_BYTES])
    try:
        if found is None or (not data.isascii() and data.decode()):
            return "utf-8"
    except UnicodeDecodeError:
        pass
    name = next(filter(None, found.groups())).decode() if found else ""
    try:
        is_for_text = _PROBE.encode(name).decode() == _PROBE == _PROBE.encode().decode(name)
    except (LookupError, UnicodeError):
        return "utf-8"
    return codecs.lookup(name).name if is_for_text else "utf-8"


def _read(data: bytes, *, is_python: bool) -> str | None:
    """The bytes decoded as the file's language reads them; None if it cannot."""
    try:
        if is_python:
            return data.decode(tokenize.detect_encoding(io.BytesIO(data).readline)[0])
        return decode(data, is_python=False).stored
    except (UnicodeDecodeError, SyntaxError, LookupError):
        return None


def _lines(text: str) -> list[str]:
    """The lines with their ends, as git counts them: only a line feed ends one."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


@dataclass(frozen=True, slots=True)
class _Line:
    body: str
    end: str
    """Line end; empty for a last line without an end."""


def _split(line: str, *ends: str) -> _Line:
    end = next((end for end in ends if line.endswith(end)), "")
    return _Line(line.removesuffix(end), end)


def _exactly(line: _Line) -> str:
    return line.body


def _visibly(line: _Line) -> str:
    return _INVISIBLE.sub("", line.body)


def _with_edges(old: Sequence[_Line], new: Sequence[_Line]) -> list[_Line]:
    """A copy with the blank lines before and after the text, and the last line end, of the old."""
    if not any(line.body.strip() for line in old) or not any(line.body.strip() for line in new):
        return list(new)
    lead, tail = _edges(old)
    first, last = _edges(new)
    edged = [*old[:lead], *new[first : len(new) - last], *old[len(old) - tail :]]
    inner = [line if line.end else replace(line, end="\n") for line in edged[:-1]]
    return [*inner, replace(edged[-1], end="\n" if old[-1].end else "")]


def _edges(lines: Sequence[_Line]) -> tuple[int, int]:
    """Numbers of blank lines before and after the text."""
    full = [number for number, line in enumerate(lines) if line.body.strip()]
    return full[0], len(lines) - 1 - full[-1]


def _with_carriage_returns(old: Sequence[_Line], new: Sequence[_Line]) -> list[_Line]:
    """A copy in which lines that hold a lone carriage return are whole again.

    Models write the line feed that they read it as.
    """
    text = "\n" + "".join(line.body + line.end for line in new)
    for body in dict.fromkeys(line.body for line in old if "\r" in line.body.strip()):
        read = re.escape(body.replace("\r", "\n"))
        text = body.join(re.split(rf"(?<=\n){read}(?=\n)", text))
    return [_split(line, "\n") for line in _lines(text[1:])]


def _overlaid(old: Sequence[_Line], new: Sequence[_Line], *, key: Callable[[_Line], str]) -> str:
    """The new lines; those whose key is an old line's are the old line itself."""
    lines: list[_Line] = []
    for kind, i, j, k, m in _opcodes(list(map(key, old)), list(map(key, new))):
        if kind == "equal":
            lines += old[i:j]
            continue
        ends = [line.end for line in old[i:j]]
        after = [line.end for line in old[j:]]
        for number, line in enumerate(new[k:m]):
            before = [made.end for made in reversed(lines)]
            end = next(filter(None, [*ends[number : number + 1], *before, *after]), "\n")
            lines.append(_Line(line.body, end))
    return _ended(lines, last=new[-1].end if new else "")


def _opcodes(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """Differences of two lists of lines; shared beginnings and ends are skipped."""
    head = _shared(old, new)
    tail = _shared(old[head:][::-1], new[head:][::-1])
    yield "equal", 0, head, 0, head
    inner = old[head : len(old) - tail], new[head : len(new) - tail]
    matcher = difflib.SequenceMatcher(None, *inner, autojunk=False)
    for kind, i, j, k, m in matcher.get_opcodes():
        yield kind, i + head, j + head, k + head, m + head
    yield "equal", len(old) - tail, len(old), len(new) - tail, len(new)


def _shared(left: Sequence[str], right: Sequence[str]) -> int:
    """Number of equal items at the beginning of both."""
    pairs = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(left, right, strict=False))
    return sum(1 for _ in pairs)


def _ended(lines: Sequence[_Line], *, last: str) -> str:
    """The lines joined: each but the last has an end, and the last has one if it shall."""
    known = next((line.end for line in reversed(lines) if line.end), "\n")
    text = "".join(line.body + _fitting(line.body, line.end or known) for line in lines[:-1])
    if not lines:
        return text
    final = lines[-1]
    return text + final.body + (_fitting(final.body, final.end or known) if last else "")


def _fitting(body: str, end: str) -> str:
    """An end that is read again as one, also behind a lone carriage return."""
    return "\r\n" if body.endswith("\r") else end
