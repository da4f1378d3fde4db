"""Runs programs on the host that end with the task that waits for them.

A thread cannot be cancelled, but what it waits for can be ended: a task that is cancelled while
`in_thread` runs something for it ends the programs that this has started, and lets it start no
others. Each has a process group of its own, which ends as a whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import ParamSpec, TypeVar
from weakref import WeakSet

from sandbox.box.contract import SandboxError

_P = ParamSpec("_P")
_T = TypeVar("_T")


class StoppedError(SandboxError):
    """The task that wanted this work was cancelled."""


class _Group:
    """The programs that one job has started; none is started any more once it was ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: set[subprocess.Popen[bytes]] = set()
        self._ended = False

    def start(self, start: Callable[[], subprocess.Popen[bytes]]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._ended:
                raise StoppedError("stopped")
            process = start()
            self._running.add(process)
            return process

    def finished(self, process: subprocess.Popen[bytes]) -> None:
        """Forget a program that has ended.

        Raises:
            StoppedError: If it was ended from outside.
        """
        with self._lock:
            self._running.discard(process)
            if self._ended:
                raise StoppedError("stopped")

    def end(self) -> None:
        with self._lock:
            self._ended = True
            for process in self._running:
                kill_group(process)


_OF_PROCESS = _Group()
_groups: WeakSet[_Group] = WeakSet((_OF_PROCESS,))
_group: ContextVar[_Group] = ContextVar("children", default=_OF_PROCESS)


async def in_thread(function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Run a function as `asyncio.to_thread` does; a cancellation also ends its programs."""
    group = _Group()
    _groups.add(group)

    def call() -> _T:
        _group.set(group)
        return function(*args, **kwargs)

    try:
        return await asyncio.to_thread(call)
    except asyncio.CancelledError:
        group.end()
        raise


def end_all() -> None:
    """End every program that this process waits for, and let none be started any more."""
    for group in list(_groups):
        group.end()


@contextlib.contextmanager
def opened(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stderr: int = subprocess.PIPE,
    pass_fds: Sequence[int] = (),
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a program with pipes; leaving the context by an exception ends it.

    Raises:
        StoppedError: If it was ended, or not started, since nobody waits for it any more.
        OSError: If it cannot be started.
    """
    group = _group.get()
    process = group.start(
        lambda: subprocess.Popen(
            argv,
            cwd=cwd,
            env=None if env is None else dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            pass_fds=pass_fds,
            process_group=0,
        )
    )
    with process:
        try:
            yield process
        except BaseException:  # an interruption, too: nothing of it may outlive this
            kill_group(process)
            process.wait()
            group.finished(process)
            raise
    group.finished(process)


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes = b"",
    timeout_s: float | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; the caller judges its exit code.

    Raises:
        StoppedError: As `opened`.
        OSError: If it cannot be started.
        subprocess.TimeoutExpired: If it takes longer.
    """
    with opened(argv, cwd=cwd, env=env, pass_fds=pass_fds) as process:
        out, err = process.communicate(stdin, timeout=timeout_s)
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a program that has a group of its own, and whatever it started."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
