"""Length-prefixed frames on file descriptors: four bytes, big-endian, then as many bytes."""

from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

LENGTH = struct.Struct(">I")
MAX_FRAME = 8 * 1024 * 1024
"""Limit for untrusted code, in one frame and in all frames of one program together."""


SETTLED = b"settled"
"""The first frame of a process: all that is ours is done, whatever follows may be the program's."""


class FrameError(Exception):
    """The other side sent what is not a frame, or one that is too large."""


def write_frame(fd: int, payload: bytes) -> None:
    """Write one frame, blocking until it is out."""
    data = memoryview(LENGTH.pack(len(payload)) + payload)
    while data:
        data = data[os.write(fd, data) :]


def read_frame(fd: int, limit: int = MAX_FRAME) -> bytes | None:
    """Read one frame, blocking; None at the end of the stream.

    Raises:
        FrameError: If the stream ends within a frame, or the frame is longer than the limit.
    """
    header = _read(fd, LENGTH.size)
    if not header:
        return None
    if len(header) < LENGTH.size:
        raise FrameError("the stream ended within a frame")
    (length,) = LENGTH.unpack(header)
    if length > limit:
        raise FrameError(f"a frame of {length} bytes is too large")
    payload = _read(fd, length)
    if len(payload) < length:
        raise FrameError("the stream ended within a frame")
    return payload


def _read(fd: int, size: int) -> bytes:
    pieces = bytearray()
    while len(pieces) < size:
        piece = os.read(fd, min(size - len(pieces), 1 << 20))
        if not piece:
            break
        pieces += piece
    return bytes(pieces)


class FrameBuffer:
    """Takes a stream in pieces and gives its frames."""

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._data = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Give the frames that are complete now; those before a broken one come first.

        Raises:
            FrameError: If a frame is announced that is longer than the limit.
        """
        self._data += data
        while len(self._data) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._data)
            if length > self._limit:
                raise FrameError(f"a frame of {length} bytes is too large")
            if len(self._data) < LENGTH.size + length:
                break
            frame = bytes(self._data[LENGTH.size : LENGTH.size + length])
            del self._data[: LENGTH.size + length]
            yield frame
