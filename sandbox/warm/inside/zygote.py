"""The process that all programs are forked from. It never sees a program, an input or a secret.

Programs are copies of its memory, so nothing may be in there that they should not read: it is
asked for a process by a few numbers and some open files, and the copy reads its orders itself.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import socket
from typing import TYPE_CHECKING, Any

from sandbox.warm.inside import frames

if TYPE_CHECKING:
    from collections.abc import Callable

CONTROL_FD = 60
LINE_FD = 61
"""File descriptors of a program's connection to the server, and to its judge if there is one."""
_MESSAGE = 4096
_MIB = 1024 * 1024
_SPARE = 32 * _MIB
"""Between the soft and the hard limit of memory: what reporting a MemoryError may take."""
_PRELOADED = (
    "abc bisect cmath collections contextlib copy ctypes dataclasses datetime decimal enum fractions"
    " functools hashlib heapq io itertools json linecache math operator os pathlib queue random re"
    " statistics string struct sys threading time traceback types typing unittest"
)


def serve(connection: socket.socket, run: Callable[[], None]) -> None:
    """Fork a process for each request, and tell of each one that ended.

    `run` is what a new process does once it is fenced in; it must not return.
    """
    import ctypes
    import gc

    for name in _PRELOADED.split():
        __import__(name)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # daemons of programs become ours to reap
    reading, writing = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    gc.collect()
    gc.freeze()
    connection.sendall(b"ready\n")
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    poll.register(reading, select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == reading:
                os.read(reading, _MESSAGE)
                _reap(connection)
            elif not _request(connection, libc, run):
                return


def _reap(connection: socket.socket) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        connection.sendall(b"%d %d\n" % (pid, status))


def _request(connection: socket.socket, libc: Any, run: Callable[[], None]) -> bool:  # noqa: ANN401
    message, fds, _, _ = socket.recv_fds(connection, _MESSAGE, 8)
    if not message:
        return False
    pid = os.fork()
    if pid == 0:
        try:
            _become(json.loads(message), fds, libc)
            run()
        except BaseException as error:  # noqa: BLE001  (nothing may return into the zygote)
            _confess(error)
        finally:
            os._exit(70)
    for fd in fds:
        os.close(fd)
    connection.sendall(b"%d started\n" % pid)
    return True


def _confess(error: BaseException) -> None:
    """Tell the server that our own part failed, where that is still possible."""
    text = json.dumps({"fault": f"{type(error).__name__}: {error}"[:500]})
    frames.write_frame(CONTROL_FD, text.encode())


_PR_SET_DUMPABLE = 4
_PR_SET_CHILD_SUBREAPER = 36


def _become(order: dict[str, Any], fds: list[int], libc: Any) -> None:  # noqa: ANN401
    """Turn this copy of the zygote into a process without any right, file or tie it had."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    _place(fds)
    os.setsid()
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as score:  # noqa: PTH123
        score.write("1000")
    memory = order["memory_mib"] * _MIB
    for name, soft, hard in (
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_AS, memory, memory + _SPARE),
        (resource.RLIMIT_CPU, order["cpu_s"], order["cpu_s"] + 1),
        (resource.RLIMIT_FSIZE, order["file_mib"] * _MIB, order["file_mib"] * _MIB),
        (resource.RLIMIT_NOFILE, order["open_files"], order["open_files"]),
        (resource.RLIMIT_NPROC, order["processes"], order["processes"]),
    ):
        ceiling = _at_most(hard, resource.getrlimit(name)[1])
        resource.setrlimit(name, (_at_most(soft, ceiling), ceiling))
    uid = order["uid"]
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
    libc.prctl(_PR_SET_DUMPABLE, 1 if order["open"] else 0, 0, 0, 0)
    os.umask(0o022)
    os.mkdir(order["directory"], 0o700)  # noqa: PTH102
    os.chdir(order["directory"])


def _place(fds: list[int]) -> None:
    """Give the files the numbers that the program expects, and close all others."""
    high = [os.dup2(fd, 100 + index, inheritable=False) for index, fd in enumerate(fds)]
    targets = (0, 1, 2, CONTROL_FD, LINE_FD)
    for source, target in zip(high, targets, strict=False):
        os.dup2(source, target, inheritable=target < CONTROL_FD)
    os.closerange(3, CONTROL_FD)
    os.closerange(CONTROL_FD + len(fds) - 3, 1024)


def _at_most(value: int, ceiling: int) -> int:
    return value if ceiling == resource.RLIM_INFINITY else min(value, ceiling)
