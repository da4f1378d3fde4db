"""Forked processes that answer once, and stems: processes that stop on their way and fork there.

Standard library only. A stem runs the red tests of the unchanged project up to some point, such as
the import of one file, and stays there. Each change then begins at that point, in a fork of it.
"""

from __future__ import annotations

import array
import gc
import json
import os
import select
import signal
import socket
import struct
import threading
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_READ_BYTES = 1 << 16
_MOST_ANSWER_BYTES = 32 << 20
_SIZE = struct.Struct("!Q")
_READY = b"R"


class Child:
    """One forked process and the pipe on which it answers once, as JSON."""

    def __init__(self, pid: int, fd: int) -> None:
        """`fd` is the pipe's end to read from."""
        self.fd = fd
        self.ends_at = 0.0
        self._pid = pid
        self._data = b""

    @classmethod
    def forked(cls, work: Callable[[], dict[str, Any]]) -> Child:
        """Fork this process; the new one answers what `work` returns."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            os.setsid()
            _silence()
            _answer_with(work, lambda: writing)
        os.close(writing)
        return cls(pid, reading)

    def late(self, now: float) -> bool:
        """Tell whether its time is over."""
        return bool(self.ends_at) and now > self.ends_at

    def read(self) -> bool:
        """Take what is there; False at the end, with the process gone."""
        data = os.read(self.fd, _READ_BYTES)
        self._data += data
        if data and len(self._data) <= _MOST_ANSWER_BYTES:
            return True
        self.end()
        return False

    def answer(self) -> dict[str, Any] | None:
        """Return what it answered; None if that is no answer."""
        try:
            value = json.loads(self._data)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def end(self) -> None:
        """End it with all that it started, and let go of it."""
        _end(self._pid)
        with suppress(OSError):
            os.close(self.fd)


class Stem:
    """A process that has stopped on its way through the red tests; `fork` begins a child there."""

    def __init__(self, work: Callable[[Pause], dict[str, Any]], *, ready_s: float) -> None:
        """`work` runs in the new process, and goes on in forks of it when its pause returns."""
        self._socket, other = socket.socketpair()
        self._pid = os.fork()
        if self._pid == 0:
            self._socket.close()
            os.setsid()
            _silence()
            pause = Pause(other)
            _answer_with(lambda: work(pause), lambda: pause.writing)
        other.close()
        self._socket.settimeout(ready_s)
        self.alive = True
        if self._received(1) != _READY:
            self.end()

    def fork(self, request: dict[str, Any]) -> Child | None:
        """Begin a child with a request, such as a change; None if the stem is gone."""
        data = json.dumps(request).encode()
        reading, writing = os.pipe()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writing]))]
        try:
            self._socket.sendmsg([_SIZE.pack(len(data))], rights)
            self._socket.sendall(data)
            answer = self._received(_SIZE.size)
        except OSError:
            answer = b""
        finally:
            os.close(writing)
        if len(answer) == _SIZE.size:
            return Child(_SIZE.unpack(answer)[0], reading)
        os.close(reading)
        self.end()
        return None

    def end(self) -> None:
        """End it and let go of it; children that it forked go on."""
        if self.alive:
            self.alive = False
            self._socket.close()
            _end(self._pid)

    def _received(self, size: int) -> bytes:
        with suppress(OSError):
            return _exactly(self._socket, size)
        return b""


class Pause:
    """The point at which a stem stays. `wait` returns in its children only."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link
        self._forked: list[int] = []
        self.writing = -1
        """The pipe on which a child answers; -1 in the stem."""

    def wait(self) -> dict[str, Any]:
        """Stay here and fork for each request; return the request in the forked process.

        A process with threads is no stem: they would be missing in its forks.
        """
        if threading.active_count() > 1:
            os._exit(0)
        gc.collect()
        gc.freeze()  # the children share what nobody looks through
        self._link.sendall(_READY)
        while True:
            request, writing = self._request()
            pid = _fork()
            if pid == 0:
                os.setsid()
                self._link.close()
                self.writing = writing
                return request
            os.close(writing)
            self._forked = [pid for pid in [*self._forked, pid] if not _gone(pid)]
            self._link.sendall(_SIZE.pack(pid))

    def answer(self, said: dict[str, Any]) -> None:
        """Answer in a child, and be gone."""
        answer(self.writing, said)

    def _request(self) -> tuple[dict[str, Any], int]:
        fds = array.array("i")
        data, rights, _, _ = self._link.recvmsg(_SIZE.size, socket.CMSG_LEN(fds.itemsize))
        if len(data) != _SIZE.size or not rights:
            os._exit(0)  # the search is over
        fds.frombytes(rights[0][2][: fds.itemsize])
        request: dict[str, Any] = json.loads(_exactly(self._link, _SIZE.unpack(data)[0]))
        return request, fds[0]


def ready(fds: list[int], wait_s: float) -> list[int]:
    """Return the files that have something to read, waiting so long for one."""
    return select.select(fds, [], [], wait_s)[0] if fds else []


def answer(writing: int, said: dict[str, Any]) -> None:
    """Write an answer and be gone; nothing is written where there is no pipe yet."""
    try:
        data = json.dumps(said).encode() if writing >= 0 else b""
        while data:
            data = data[os.write(writing, data) :]
    finally:
        os._exit(0)


def _answer_with(work: Callable[[], dict[str, Any]], writing: Callable[[], int]) -> None:
    """Do the work and answer what it returns; never returns."""
    said: dict[str, Any] = {}
    try:
        said = work()
    except BaseException as error:  # noqa: BLE001  (whatever the project does)
        said = {"fault": f"{type(error).__name__}: {error}"[:500]}
    finally:
        answer(writing(), said)


def _silence() -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return os.fork()


def _gone(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except OSError:
        return True


def _end(pid: int) -> None:
    with suppress(OSError):
        os.killpg(pid, signal.SIGKILL)
    with suppress(OSError):
        os.kill(pid, signal.SIGKILL)
    with suppress(OSError):
        os.waitpid(pid, 0)


def _exactly(link: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = link.recv(min(_READ_BYTES, size - len(data)))
        if not piece:
            break
        data += piece
    return data
