"""The connection to a warm box's server: frames out, frames in, each with a deadline."""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable

from sandbox.box.contract import SandboxError
from sandbox.box.streams import STDERR, Capture, Demultiplexer, FramingError
from sandbox.warm.inside.frames import LENGTH, FrameBuffer, FrameError

_READ_SIZE = 256 * 1024
_POLL_MS = 50
_COMPLAINT_BYTES = 4096
_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Link:
    """Speaks with the main process of one container, in one thread at a time."""

    def __init__(self, connection: socket.socket, early: bytes) -> None:
        self._connection = connection
        self._demultiplexer = Demultiplexer()
        self._buffer = FrameBuffer()
        self._frames: deque[bytes] = deque()
        self._complaint = Capture(_COMPLAINT_BYTES)
        self._take(early)

    def send(self, payload: bytes, *, deadline: float) -> None:
        """Send one frame.

        Raises:
            SandboxError: If the box does not take it until the deadline (monotonic).
        """
        pending = memoryview(LENGTH.pack(len(payload)) + payload)
        while pending:
            try:
                pending = pending[self._connection.send(pending[:_READ_SIZE]) :]
            except _WOULD_BLOCK:
                self._wait(select.POLLOUT, deadline)
            except OSError as error:
                raise self._gone() from error

    def receive(self, *, deadline: float, stopped: Callable[[], bool]) -> bytes | None:
        """Return the next frame, or None once `stopped` says so.

        Raises:
            SandboxError: If the box is gone, talks nonsense, or says nothing until the deadline.
        """
        while not self._frames:
            if stopped():
                return None
            self._wait(select.POLLIN, deadline)
            try:
                data = self._connection.recv(_READ_SIZE)
            except _WOULD_BLOCK:
                continue
            except OSError as error:
                raise self._gone() from error
            if not data:
                raise self._gone()
            self._take(data)
        return self._frames.popleft()

    def _take(self, data: bytes) -> None:
        try:
            for stream, piece in self._demultiplexer.feed(data):
                if stream == STDERR:
                    self._complaint.write(piece)
                else:
                    self._frames.extend(self._buffer.feed(piece))
        except (FramingError, FrameError) as error:
            raise SandboxError(f"the warm box sent no valid answer: {error}") from error

    def _wait(self, events: int, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise SandboxError("the warm box does not answer")
        poll = select.poll()
        poll.register(self._connection, events)
        poll.poll(_POLL_MS)

    def _gone(self) -> SandboxError:
        said = self._complaint.captured().text.strip().splitlines()
        why = f": {said[-1]}" if said else ""
        return SandboxError(f"the warm box is gone{why}")
