"""A shell in a box, on the terminal of the person who asked for it.

What runs in there speaks to the terminal directly, control sequences included: that is what a
terminal is for, and why no other command of ours does it.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import socket
import termios
import time
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.box.contract import Limits, SandboxError, SourceFile
from sandbox.box.engine import connect, engine_errors, engine_url
from sandbox.box.execs import hijacked
from sandbox.box.guardian import session_lock
from sandbox.box.oneshot import copy_in, running_box
from sandbox.box.policy import JOB_USER, WORK_DIR, BoxSpec

if TYPE_CHECKING:
    from docker import APIClient

_READ_BYTES = 64 * 1024
_POLL_MS = 1000
_SHELL = "command -v bash >/dev/null && exec bash --norc -i; exec sh -i"
_PROMPT = r"box:\w$ "


def run_shell(
    image_id: str,
    files: Sequence[SourceFile],
    *,
    limits: Limits,
    session: str,
    lock_dir: Path,
    runtime: str | None = None,
    terminal: int = 0,
) -> int:
    """Give the terminal with that file descriptor to a shell in a fresh box until it ends.

    Returns the exit code of the shell; 124 if it was ended at `limits.timeout_s`. The box and all
    that was changed in it are gone afterwards.

    Raises:
        SandboxError: If there is no terminal, or the box cannot be made.
    """
    if not os.isatty(terminal):
        raise SandboxError("a shell needs a terminal: run it in one, or use `elagent -p`")
    with session_lock(lock_dir, session) as lock, connect(engine_url()) as client:
        spec = BoxSpec(
            image_id=image_id,
            runtime=runtime,
            labels={"session": session, "lock": str(lock), "kind": "shell"},
        )
        with running_box(client, limits, spec) as container_id:
            copy_in(client, container_id, files, directory=WORK_DIR, user=JOB_USER)
            return _attached(client, container_id, terminal, limits.timeout_s)


def _attached(client: APIClient, container_id: str, terminal: int, timeout_s: float) -> int:
    with engine_errors("the shell could not be started in the box"):
        created: dict[str, Any] = client.exec_create(
            container_id,
            ["sh", "-c", _SHELL],
            user=JOB_USER,
            workdir=WORK_DIR,
            environment={"TERM": os.environ.get("TERM", "dumb"), "PS1": _PROMPT},
            stdin=True,
            tty=True,
        )
        exec_id: str = created["Id"]
        raw: Any = client.exec_start(exec_id, socket=True, tty=True)

    def resize() -> None:
        size = shutil.get_terminal_size()
        with suppress(SandboxError), engine_errors("the size of the terminal"):
            client.exec_resize(exec_id, height=size.lines, width=size.columns)

    resize()
    with hijacked(raw) as (connection, early), _raw(terminal), _on_resize() as resized:
        os.write(terminal, early)
        in_time = _pump(connection, terminal, resized, resize, time.monotonic() + timeout_s)
    if not in_time:
        return 124
    with engine_errors("the shell's end"):
        return int(client.exec_inspect(exec_id).get("ExitCode") or 0)


@contextmanager
def _raw(terminal: int) -> Iterator[None]:
    """Hand every key on as it is, Ctrl-C included, and restore the terminal in every case."""
    saved = termios.tcgetattr(terminal)
    try:
        tty.setraw(terminal)
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, saved)


@contextmanager
def _on_resize() -> Iterator[int]:
    """Give a descriptor that becomes readable when the size of the terminal changes."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    def wake(*_: object) -> None:
        with suppress(BlockingIOError):
            os.write(writer, b"x")

    before = signal.signal(signal.SIGWINCH, wake)
    try:
        yield reader
    finally:
        signal.signal(signal.SIGWINCH, before)
        os.close(reader)
        os.close(writer)


def _pump(
    connection: socket.socket,
    terminal: int,
    resized: int,
    resize: Callable[[], None],
    deadline: float,
) -> bool:
    """Carry bytes both ways until the shell hangs up; False at the deadline."""
    poll = select.poll()
    for descriptor in (connection.fileno(), terminal, resized):
        poll.register(descriptor, select.POLLIN)
    while time.monotonic() < deadline:
        ready = {descriptor for descriptor, _ in poll.poll(_POLL_MS)}
        if resized in ready:
            os.read(resized, _READ_BYTES)
            resize()
        if connection.fileno() in ready and not _show(connection, terminal):
            return True
        if terminal in ready and not _type(terminal, connection):
            return True
    return False


def _show(connection: socket.socket, terminal: int) -> bool:
    """Pass on what the shell says; False when it has hung up."""
    try:
        data = connection.recv(_READ_BYTES)
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    _write_all(terminal, data)
    return bool(data)


def _type(terminal: int, connection: socket.socket) -> bool:
    """Pass on what the person types; False when the terminal is gone."""
    typed = os.read(terminal, _READ_BYTES)
    connection.setblocking(True)
    try:
        with suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(typed)
    finally:
        connection.setblocking(False)
    return bool(typed)


def _write_all(terminal: int, data: bytes) -> None:
    while data:
        data = data[os.write(terminal, data) :]
