"""The body of a reply as JSON values: an event stream, one document, or a document on each line.

What kind it is shows in its first byte, never in its headers: servers and proxies label both ways
wrongly.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, Literal

DONE: Final = "[DONE]"
"""Stands for the word that ends a stream."""

Value = dict[str, object] | Literal["[DONE]"]

_KEPT_BYTES = 2_000
_MOST_BYTES = 64 * 1024 * 1024
_OPENS = (b"{", b"[")
# JSON may hold U+2028 and its like, at which `str.splitlines` and with it httpx would cut. A line
# feed may follow a last carriage return.
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\Z)")


class NoJsonError(Exception):
    """The body is something else, e.g. a web page; `text` is how it begins."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


async def read_values(chunks: AsyncIterator[bytes]) -> AsyncGenerator[Value, None]:
    """The JSON objects of a body as they come, and `DONE` where the server says so.

    Raises:
        NoJsonError: If something that is no JSON stands where JSON should, or nothing else is there.
    """
    start = await _start(chunks)
    values = _documents(start, chunks) if start.startswith(_OPENS) else _events(start, chunks)
    async with aclosing(values):
        async for value in values:
            yield value


async def _start(chunks: AsyncIterator[bytes]) -> bytes:
    """Enough of the body to see what it is."""
    start = b""
    async for chunk in chunks:
        start = (start + chunk).removeprefix(codecs.BOM_UTF8).lstrip()
        if len(start) >= len(codecs.BOM_UTF8):
            break
    return start


async def _documents(start: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Value, None]:
    body = [start]
    read = len(start)
    async for chunk in chunks:
        body.append(chunk)
        read += len(chunk)
        if read > _MOST_BYTES:
            break
    for value in _document(b"".join(body)):
        yield value


async def _events(start: bytes, chunks: AsyncIterator[bytes]) -> AsyncGenerator[Value, None]:
    reader = _Events()
    pending = start
    async for chunk in _once_more(chunks):
        *lines, pending = _LINE_END.split(pending + chunk)
        for value in reader.lines(lines):
            yield value
        if len(pending) > _MOST_BYTES:
            raise NoJsonError(_begin(pending))
    for value in reader.lines([pending.rstrip(b"\r")]):
        yield value
    for value in reader.end():
        yield value


async def _once_more(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield an empty chunk first, so that what is pending is looked at before more has come."""
    yield b""
    async for chunk in chunks:
        yield chunk


def _document(body: bytes) -> Iterator[Value]:
    text = body.decode("utf-8", "replace")
    try:
        yield from _objects(json.loads(text))
    except (ValueError, RecursionError):
        try:
            values = [json.loads(line) for line in text.split("\n") if line.strip()]
        except (ValueError, RecursionError):
            raise NoJsonError(_begin(body)) from None
        for value in values:
            yield from _objects(value)


def _objects(value: object) -> Iterator[dict[str, object]]:
    """The objects of a value: itself, or those that a list holds, as Google's errors do."""
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, dict):
            yield item


def _begin(data: bytes) -> str:
    return data[:_KEPT_BYTES].decode("utf-8", "replace")


@dataclass(slots=True)
class _Events:
    """Reads an event stream line by line."""

    data: list[str] = field(default_factory=list)
    """Lines of an event that are no whole JSON yet."""
    kind: str = ""
    understood: bool = False
    other: str = ""
    """Beginnings of lines that no event stream has."""

    def lines(self, lines: Iterable[bytes]) -> Iterator[Value]:
        """Take in whole lines; gives the values that they complete."""
        for line in lines:
            yield from self._line(line)

    def _line(self, line: bytes) -> Iterator[Value]:
        name, _, rest = line.decode("utf-8", "replace").partition(":")
        match name:
            case "" if not line:
                yield from self._event_ends()
            case "data":
                self.data.append(rest.strip())
                yield from self._whole()
            case "event":
                yield from self._event_ends()
                self.kind = rest.strip()
            case "error":
                yield from self._failed(rest.strip())
            case "" | "id" | "retry":  # a comment keeps the connection alive
                pass
            case _:
                self._strange(line.decode("utf-8", "replace"))

    def end(self) -> Iterator[Value]:
        """The body is over."""
        yield from self._event_ends()
        if self.other and not self.understood:
            raise NoJsonError(self.other)

    def _whole(self) -> Iterator[Value]:
        text = "\n".join(self.data).strip()
        try:
            values = [] if text == DONE else list(_objects(json.loads(text)))
        except (ValueError, RecursionError):
            return
        self.data.clear()
        self.understood = True
        if text == DONE:
            yield DONE
        for value in values:
            yield {"error": value} if self.kind == "error" and "error" not in value else value

    def _event_ends(self) -> Iterator[Value]:
        text, kind = "\n".join(self.data).strip(), self.kind
        self.data.clear()
        self.kind = ""
        if kind == "error" and text:
            yield {"error": text}
        elif text.startswith(("{", "[")):
            raise NoJsonError(text[:_KEPT_BYTES])
        elif text:  # words that keep the connection alive
            self._strange(text)

    def _failed(self, text: str) -> Iterator[Value]:
        """An older llama-server puts the error beside the data."""
        self.understood = True
        try:
            error: object = json.loads(text)
        except (ValueError, RecursionError):
            error = text
        yield {"error": error or "no reason was given"}

    def _strange(self, text: str) -> None:
        if text.strip() and len(self.other) < _KEPT_BYTES:
            self.other += f"{text[:_KEPT_BYTES]}\n"
