"""One command inside a running container: bytes in, framed bytes out, an exit code at the end.

Closing the connection does not end the command (the engine has no call for that): whoever needs
it gone removes the container.
"""

from __future__ import annotations

import select
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from sandbox.box.contract import SandboxError
from sandbox.box.engine import engine_errors
from sandbox.box.streams import Demultiplexer

if TYPE_CHECKING:
    from docker import APIClient

_READ_SIZE = 256 * 1024
_POLL_S = 0.05
_ASK_EVERY_S = 0.5
_EXIT_WAIT_S = 5.0
_WOULD_BLOCK = (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class StreamEnd(Enum):
    """Reason why reading stopped."""

    FINISHED = auto()
    DEADLINE = auto()
    STOPPED = auto()
    REFUSED = auto()
    """The sink wanted no more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Command to execute in the container, and its user."""

    argv: Sequence[str]
    user: str
    workdir: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    stdin: Iterable[bytes] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """End of a command, or of reading its output."""

    why: StreamEnd
    exit_code: int | None


Sink = Callable[[int, bytes], bool]
"""Takes `(stream, bytes)`; False means: no more."""


def execute(
    client: APIClient,
    container_id: str,
    command: Command,
    sink: Sink,
    *,
    deadline: float,
    stopped: Callable[[], bool] = lambda: False,
) -> Ended:
    """Run a command in a container until it ends, the deadline (monotonic) passes, or a stop.

    Raises:
        SandboxError: If the engine fails, or the container ended under the command.
    """
    with engine_errors("the command could not be started in the box"):
        created: dict[str, Any] = client.exec_create(
            container_id,
            list(command.argv),
            user=command.user,
            workdir=command.workdir,
            environment=dict(command.env),
            stdin=True,
        )
        exec_id: str = created["Id"]
        raw: Any = client.exec_start(exec_id, socket=True)
    with hijacked(raw) as (connection, early), engine_errors("the box stopped answering"):
        why = _Exchange(connection, early, iter(command.stdin), sink).run(
            deadline, stopped, ended=lambda: _exit_code(client, exec_id) is not None
        )
    if why is not StreamEnd.FINISHED:
        return Ended(why=why, exit_code=None)
    return Ended(why=why, exit_code=_await_exit(client, exec_id))


@contextmanager
def hijacked(raw: Any) -> Iterator[tuple[socket.socket, bytes]]:  # noqa: ANN401  (the SDK's)
    """Open the two-way connection behind what the SDK returned, and close all of it at the end.

    The SDK hands out the unbuffered socket, although the first frames may already sit in the
    buffer that the response header was read through: those bytes come as the second value.
    """
    response = getattr(raw, "_response", None)
    connection: socket.socket = getattr(raw, "_sock", raw)
    connection.setblocking(False)
    early = b""
    try:
        if response is not None:
            buffered = response.raw._fp.fp  # noqa: SLF001
            if buffered is not None and hasattr(buffered, "peek"):
                early = bytes(buffered.peek() or b"")
        yield connection, early
    finally:
        if response is not None:
            response.close()
        raw.close()
        connection.close()


def _exit_code(client: APIClient, exec_id: str) -> int | None:
    """Return the exit code, None while it runs."""
    answer = client.exec_inspect(exec_id)
    code = answer.get("ExitCode")
    return None if answer.get("Running") or code is None else int(code)


def _await_exit(client: APIClient, exec_id: str) -> int:
    """Ask until the engine has noticed the end that the closed stream announced."""
    give_up = time.monotonic() + _EXIT_WAIT_S
    with engine_errors("the box ended under its command"):
        while (code := _exit_code(client, exec_id)) is None:
            if time.monotonic() > give_up:
                raise SandboxError("the engine does not say how the command in the box ended")
            time.sleep(_POLL_S)
    return code


class _Exchange:
    """The two directions of one connection, served by one thread."""

    def __init__(
        self, connection: socket.socket, early: bytes, stdin: Iterator[bytes], sink: Sink
    ) -> None:
        self._connection = connection
        self._early = early
        self._stdin = stdin
        self._pending = memoryview(b"")
        self._sending = True
        self._sink = sink
        self._demultiplexer = Demultiplexer()

    def run(
        self, deadline: float, stopped: Callable[[], bool], *, ended: Callable[[], bool]
    ) -> StreamEnd:
        """Serve both directions until one of the reasons to stop.

        `ended` is asked now and then, for commands whose forgotten children hold the stream open.
        """
        if self._early and not self._deliver(self._early):
            return StreamEnd.REFUSED
        poll = select.poll()
        ask_at = time.monotonic() + _ASK_EVERY_S
        while (now := time.monotonic()) < deadline:
            if stopped():
                return StreamEnd.STOPPED
            poll.register(
                self._connection, select.POLLIN | (select.POLLOUT if self._sending else 0)
            )
            poll.poll(_POLL_S * 1000)
            self._send()
            data = self._receive()
            if data == b"":
                return StreamEnd.FINISHED
            if data and not self._deliver(data):
                return StreamEnd.REFUSED
            if data is None and now > ask_at:
                if ended():
                    return self._drain()
                ask_at = now + _ASK_EVERY_S
        return StreamEnd.DEADLINE

    def _drain(self) -> StreamEnd:
        """Take what has arrived after the command's end, and leave the stream to its other holders."""
        while data := self._receive():
            if not self._deliver(data):
                return StreamEnd.REFUSED
        return StreamEnd.FINISHED

    def _deliver(self, data: bytes) -> bool:
        return all(self._sink(stream, piece) for stream, piece in self._demultiplexer.feed(data))

    def _receive(self) -> bytes | None:
        """Return what arrived, None if nothing did, empty at the end of the stream."""
        try:
            return self._connection.recv(_READ_SIZE)
        except _WOULD_BLOCK:
            return None
        except ConnectionResetError:
            return b""

    def _send(self) -> None:
        if not self._sending:
            return
        try:
            if not self._pending:
                piece = next(self._stdin, None)
                if piece is None:
                    self._sending = False
                    self._connection.shutdown(socket.SHUT_WR)
                    return
                self._pending = memoryview(piece)
            self._pending = self._pending[self._connection.send(self._pending[:_READ_SIZE]) :]
        except _WOULD_BLOCK:
            return
        except (BrokenPipeError, ConnectionResetError):
            self._sending = False  # the command does not read its input: its right
        except OSError as error:
            if self._sending:
                raise SandboxError(f"the box stopped taking input: {error}") from error
