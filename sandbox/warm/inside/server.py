"""The fork-server: takes runs from the host on standard input, one at a time, and reports on them.

It starts the zygote before it has read anything, so that no program can find in its own memory
what the host has sent for another process. Programs never hold standard input or output of the
server; what they send is passed on as it is and read by the host.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import socket
import time
from contextlib import suppress
from typing import Any

from sandbox.warm.inside import child, frames, kernel, wipe, zygote

RESULT, STDOUT, STDERR, REPORT, READY = b"R", b"O", b"E", b"P", b"H"
"""First byte of each frame to the host."""
_READ = 64 * 1024
_SETTLE_S = 2.0
_PAUSE_S = 0.001
_MIB = 1024 * 1024


def main() -> None:
    """Start the zygote, then serve runs until standard input ends."""
    ours, theirs = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        try:
            zygote.serve(theirs, child.run)
        finally:
            os._exit(0)
    theirs.close()
    with suppress(OSError):  # where the engine took the mode of the image's directory
        os.chmod("/box", 0o1733)  # noqa: PTH101, S103
    server = _Server(ours)
    server.serve()
    os._exit(0)


def send(kind: bytes, payload: bytes) -> None:
    """Write one frame to the host."""
    frames.write_frame(1, kind + payload)


class _Server:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.buffer = frames.FrameBuffer(1 << 30)
        self.statuses: dict[int, int] = {}
        """Wait statuses of the processes that the zygote has reaped in this run, by process id."""
        self._lines = b""
        if connection.recv(64) != b"ready\n":
            raise RuntimeError("the zygote did not start")

    def serve(self) -> None:
        """Serve one run after the other."""
        hello = {"clean": wipe.wipe([]), "users": _users()}
        send(READY, json.dumps(hello).encode())
        while data := os.read(0, _READ):
            for frame in self.buffer.feed(data):
                if frame != b"cancel":  # one that came too late is for no run
                    _RolesAtWork(self, json.loads(frame)).serve()

    def fork(self, order: dict[str, Any], fds: list[int]) -> int:
        """Have the zygote start a process with these files; return its number."""
        socket.send_fds(self.connection, [json.dumps(order).encode()], fds)
        while (number := self.hear_zygote()) is None:
            pass
        return number

    def hear_zygote(self) -> int | None:
        """Note what the zygote reports of processes that ended; return one that was started."""
        data = self.connection.recv(4096)
        if not data:
            raise RuntimeError("the zygote is gone")
        *lines, self._lines = (self._lines + data).split(b"\n")
        started = None
        for number, word in (line.split() for line in lines):
            if word == b"started":
                started = int(number)
            else:
                self.statuses[int(number)] = int(word)
        return started


class _Process:
    """One process of a run, with our ends of its streams."""

    def __init__(
        self, server: _Server, run: dict[str, Any], role: dict[str, Any], line: int
    ) -> None:
        self.uid = role["uid"]
        control, theirs = socket.socketpair()
        self.control = control.detach()
        self.reports = 0
        files = [_input(role), *self._outputs(role["kind"]), theirs.detach()]
        if line >= 0:
            files.append(line)
        order = {**run["limits"], "uid": self.uid, "directory": _directory()}
        order["open"] = role["kind"] != "check"
        self.pid = server.fork(order, files)
        for fd in files:
            os.close(fd)
        self._orders = memoryview(_framed(role))
        os.set_blocking(self.control, False)

    def _outputs(self, kind: str) -> list[int]:
        self.out = self.err = -1
        if kind == "check":
            return [os.open(os.devnull, os.O_WRONLY) for _ in range(2)]
        self.out, out = os.pipe2(os.O_CLOEXEC)
        self.err, err = os.pipe2(os.O_CLOEXEC)
        for fd in (self.out, self.err):
            os.set_blocking(fd, False)
        return [out, err]

    @property
    def has_orders(self) -> bool:
        """True if some of the orders are still to be sent."""
        return bool(self._orders)

    def give_orders(self) -> None:
        """Send as much of its orders as it takes now."""
        try:
            self._orders = self._orders[os.write(self.control, self._orders[:_READ]) :]
        except BlockingIOError:
            pass
        except OSError:
            self._orders = memoryview(b"")


def _directory() -> str:
    """Return a name that a process beside it cannot take first."""
    return f"/box/{os.urandom(8).hex()}"


def _framed(role: dict[str, Any]) -> bytes:
    data = json.dumps(role).encode()
    return frames.LENGTH.pack(len(data)) + data


def _input(role: dict[str, Any]) -> int:
    import base64

    if not role.get("stdin"):
        return os.open(os.devnull, os.O_RDONLY)
    fd = os.memfd_create("stdin")
    data = memoryview(base64.b64decode(role.pop("stdin")))
    while data:
        data = data[os.write(fd, data) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


class _RolesAtWork:
    """One run: the candidate or program, and perhaps the judge's process."""

    def __init__(self, server: _Server, run: dict[str, Any]) -> None:
        self._server = server
        server.statuses.clear()
        self._started = time.monotonic()
        self._deadline = self._started + run["timeout_s"]
        self._output_left = run["output_limit_mib"] * _MIB
        self._ended = ""
        self._oom = _oom_kills()
        self._selector = selectors.DefaultSelector()
        self._processes: list[_Process] = []
        pair = socket.socketpair() if len(run["roles"]) > 1 else ()
        lines = [end.detach() for end in pair] or [-1]
        for role, line in zip(run["roles"], lines, strict=True):
            self._processes.append(_Process(server, run, role, line))

    def serve(self) -> None:
        """Wait until it is over, clean up after it, and report."""
        self._watch()
        self._look()
        while not self._ended:
            left = self._deadline - time.monotonic()
            if left <= 0:
                self._ended = "timeout"
                break
            for key, _ in self._selector.select(left):
                key.data()
        seconds = time.monotonic() - self._started
        statuses = dict(self._server.statuses)
        clean = self._clean_up()
        for number, status in self._server.statuses.items():
            if status != signal.SIGKILL:  # it was dying of its own before we ended it
                statuses.setdefault(number, status)
        result = {
            "ended": self._ended,
            "statuses": [statuses.get(process.pid) for process in self._processes],
            "oom_kills": _oom_kills() - self._oom,
            "seconds": seconds,
            "clean": clean,
        }
        send(RESULT, json.dumps(result).encode())

    def _watch(self) -> None:
        read = selectors.EVENT_READ
        self._selector.register(0, read, self._host)
        self._selector.register(self._server.connection, read, self._zygote)
        for index, process in enumerate(self._processes):
            # a candidate gets its orders once its judge is set up, so that it cannot disturb that
            first = process is self._processes[-1]
            self._watch_control(process, index, read | selectors.EVENT_WRITE if first else read)
            for fd, kind in ((process.out, STDOUT), (process.err, STDERR)):
                if fd >= 0:
                    self._selector.register(fd, read, lambda f=fd, k=kind: self._output(f, k))

    def _watch_control(self, process: _Process, index: int, events: int) -> None:
        self._forget(process.control)
        self._selector.register(process.control, events, lambda: self._control(process, index))

    def _host(self) -> None:
        data = os.read(0, _READ)
        if not data:
            os._exit(0)
        if b"cancel" in list(self._server.buffer.feed(data)):
            self._ended = "cancelled"

    def _zygote(self) -> None:
        self._server.hear_zygote()
        self._look()

    def _look(self) -> None:
        """End the run with its last process, which is the judge's if there is one."""
        if self._processes[-1].pid in self._server.statuses:
            self._ended = self._ended or "exited"

    def _control(self, process: _Process, index: int) -> bool:
        """Send orders and take a piece of a report; return True if there was one."""
        if process.has_orders and not self._ended:
            process.give_orders()
            if not process.has_orders:
                self._watch_control(process, index, selectors.EVENT_READ)
        data = _received(process.control)
        if data:
            if not process.reports and process is self._processes[-1]:
                self._let_candidates_begin()
            process.reports += len(data)
            if process.reports > frames.MAX_FRAME:
                self._ended = self._ended or "output_limit"
                return False
            send(REPORT, bytes([index]) + data)
        elif data is not None:
            self._forget(process.control)
        return bool(data)

    def _let_candidates_begin(self) -> None:
        for index, process in enumerate(self._processes[:-1]):
            self._watch_control(process, index, selectors.EVENT_READ | selectors.EVENT_WRITE)

    def _output(self, fd: int, kind: bytes) -> bool:
        """Pass on a piece of output; return True if there was one."""
        data = _received(fd)
        if data:
            self._output_left -= len(data)
            send(kind, data)
            if self._output_left < 0:
                self._ended = self._ended or "output_limit"
                return False
        elif data is not None:
            self._forget(fd)
        return bool(data)

    def _forget(self, fd: int) -> None:
        if fd in self._selector.get_map():
            self._selector.unregister(fd)

    def _clean_up(self) -> bool:
        """End what is left, pass on the last output, wipe; return True if nothing at all remained."""
        uids = [process.uid for process in self._processes]
        ended = self._end_all(uids)
        for index, process in enumerate(self._processes):
            while self._control(process, index):
                pass
            for fd, kind in ((process.out, STDOUT), (process.err, STDERR)):
                while fd >= 0 and self._output(fd, kind):
                    pass
            for fd in {process.control, process.out, process.err} - {-1}:
                self._forget(fd)
                os.close(fd)
        self._selector.close()
        return wipe.wipe(uids) and ended

    def _end_all(self, uids: list[int]) -> bool:
        """End every process of these users; return True if all are gone and the zygote reported ours."""
        give_up = time.monotonic() + _SETTLE_S
        wipe.kill_all(uids)
        while wipe.running(uids):
            if time.monotonic() > give_up:
                return False
            time.sleep(_PAUSE_S)
            wipe.kill_all(uids)
        while not all(process.pid in self._server.statuses for process in self._processes):
            self._server.hear_zygote()
        return True


def _users() -> int:
    with open(kernel.UID_MAP, encoding="ascii") as file:  # noqa: PTH123
        return kernel.users(file)


def _received(fd: int) -> bytes | None:
    """Return what has arrived, None if nothing has, empty at the end."""
    try:
        return os.read(fd, _READ)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _oom_kills() -> int:
    """Return how many processes of the box the kernel has killed for memory."""
    for path in kernel.OOM_COUNTERS:
        with suppress(OSError), open(path, encoding="ascii") as file:  # noqa: PTH123
            return kernel.oom_kills(file)
    return 0
