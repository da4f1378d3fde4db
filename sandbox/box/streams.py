"""Bounded output: capture that keeps both ends, the engine's framing, and text safe to print."""

from __future__ import annotations

import re
import struct
import unicodedata
from collections import deque
from collections.abc import Iterator

from sandbox.box.contract import Captured

STDOUT = 1
STDERR = 2

LINE_LIMIT = 2_000
BLOCK_LIMIT = 64 * 1024

_MAX_PIECES = 1024
"""Many tiny writes: one joined piece costs less than thousands of small ones."""
_HEADER_SIZE = 8
_BMP_END = 0xFFFF


class Capture:
    """Keeps the first and the last bytes of a stream and counts what fell between.

    Memory stays within twice the limit, whatever is written.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._head_limit = limit_bytes // 2
        self._tail_limit = limit_bytes - self._head_limit
        self._head = bytearray()
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0

    @property
    def total_bytes(self) -> int:
        """Everything written so far, kept or not."""
        return len(self._head) + self._tail_size + self._dropped

    def write(self, data: bytes) -> None:
        """Take in more of the stream."""
        room = self._head_limit - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        if excess := max(0, len(data) - self._tail_limit):
            self._dropped += excess
            data = data[excess:]
        if not data:
            return
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail and self._tail_size - len(self._tail[0]) >= self._tail_limit:
            self._tail_size -= len(self._tail[0])
            self._dropped += len(self._tail.popleft())
        if len(self._tail) > _MAX_PIECES:
            self._tail = deque([b"".join(self._tail)])

    def captured(self) -> Captured:
        """Return what was kept."""
        tail = b"".join(self._tail)
        excess = max(0, len(tail) - self._tail_limit)
        return Captured(
            head=bytes(self._head), tail=tail[excess:], dropped_bytes=self._dropped + excess
        )


class FramingError(ValueError):
    """The engine's stream is not framed as it should be."""


class Demultiplexer:
    """Splits the engine's framed byte stream into its standard output and standard error.

    A frame is one byte for the stream, three zero bytes, a big-endian length, and the payload.
    Payload is handed on as it arrives; only an unfinished header is ever held back.
    """

    def __init__(self) -> None:
        self._header = b""
        self._stream = 0
        self._left = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield `(stream, payload)` for everything that is complete in `data`.

        Raises:
            FramingError: If a header does not look like one.
        """
        position = 0
        while position < len(data):
            if self._left:
                piece = data[position : position + self._left]
                position += len(piece)
                self._left -= len(piece)
                yield self._stream, piece
                continue
            needed = _HEADER_SIZE - len(self._header)
            self._header += data[position : position + needed]
            position += needed
            if len(self._header) == _HEADER_SIZE:
                self._stream, self._left = self._parse(self._header)
                self._header = b""

    @staticmethod
    def _parse(header: bytes) -> tuple[int, int]:
        stream, zeros, length = struct.unpack(">B3sL", header)
        if stream not in (0, STDOUT, STDERR) or zeros != b"\0\0\0":
            raise FramingError(f"unexpected frame header {header!r} from the engine")
        return stream, length


# Introducers of CSI; of OSC, DCS, APC, PM and SOS (which run to a terminator); of everything else.
_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]?"
    r"|\x1b[\]P_^X][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]?"
    r"|\x9b[0-?]*[ -/]*[@-~]?"
    r"|[\x9d\x90\x9f\x9e\x98][^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
)
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
# Formats, line and paragraph separators, lone surrogates: invisible, or able to reorder a line.
_INVISIBLE_CATEGORIES = frozenset({"Cf", "Zl", "Zp", "Cs"})


def display_safe(
    text: str | bytes, *, line_limit: int = LINE_LIMIT, block_limit: int = BLOCK_LIMIT
) -> str:
    r"""Return untrusted output as text that cannot drive a terminal.

    Bytes that are not UTF-8 become backslash escapes; control characters other than `\n` and `\t`
    and escape sequences are dropped; bidirectional and zero-width characters are written as
    `\uXXXX`. Long lines are cut, a long block keeps its head and its tail round a counted gap.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    text = _CONTROLS.sub("", _ESCAPES.sub("", text.replace("\r\n", "\n")))
    if not text.isascii():
        text = "".join(map(_visible, text))
    lines = [_shorten(line, line_limit) for line in text.split("\n")]
    return _cut_block("\n".join(lines), block_limit)


def _visible(character: str) -> str:
    if unicodedata.category(character) not in _INVISIBLE_CATEGORIES:
        return character
    code = ord(character)
    return f"\\u{code:04x}" if code <= _BMP_END else f"\\U{code:08x}"


def _shorten(line: str, limit: int) -> str:
    if len(line) <= limit:
        return line
    return f"{line[:limit]}[... {len(line) - limit} characters cut ...]"


def _cut_block(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    half = limit // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half} characters cut ...]\n{text[-half:]}"
