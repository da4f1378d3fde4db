"""One warm box: its container, the link to its server, and one run after the other.

Everything here blocks and belongs to one thread at a time; `pool` wraps it for the event loop.
"""

from __future__ import annotations

import base64
import json
import math
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Self

from sandbox.box.contract import Captured, Limits, SandboxError, SourceFile
from sandbox.box.engine import connect
from sandbox.box.oneshot import attached_box
from sandbox.box.policy import BoxSpec
from sandbox.box.streams import STDERR, STDOUT, Capture
from sandbox.files.transfer import check_path
from sandbox.warm.inside import server
from sandbox.warm.inside.frames import FrameBuffer, FrameError
from sandbox.warm.link import Link
from sandbox.warm.values import ProgramLimits

_START_S = 30.0
_GRACE_S = 15.0
"""Time for ending, wiping and reporting beyond the program's own time."""
_UIDS_PER_BOX = 1_000
_MANY_USERS = 2_000_000_000
_MODULES = ("frames", "codec", "kernel", "asking", "wipe", "zygote", "child", "server")

Relay = Callable[[int, bytes], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoxRun:
    """The server's account of one run; the code that ran may have written the reports."""

    ended: str
    """exited, timeout, output_limit or cancelled."""
    statuses: Sequence[int | None]
    """Exit code of each process as in `os.waitstatus_to_exitcode`; None if we ended the process."""
    oom_kills: int
    seconds: float
    clean: bool
    reports: Sequence[Sequence[bytes]]
    """The frames that each process sent; the first is ours, see `frames.SETTLED`."""
    stdout: Captured
    stderr: Captured


class WarmBox:
    """A started box. Use as a context manager; any SandboxError means that it is of no more use."""

    def __init__(self, url: str, spec: BoxSpec, limits: Limits, *, programs: int) -> None:
        self._url = url
        self._spec = spec
        self._limits = limits
        self._open = ExitStack()
        self._programs_left = programs
        self._clean = True
        self._ends_at = 0.0
        self._uid = 0
        self.container_id = ""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            client = stack.enter_context(connect(self._url))
            self._ends_at = time.monotonic() + self._limits.timeout_s
            self.container_id, connection, early = stack.enter_context(
                attached_box(
                    client, self._limits, self._spec, streams=("stdin", "stdout", "stderr")
                )
            )
            self._link = Link(connection, early)
            try:
                self._greet()
            except SandboxError as error:
                raise SandboxError(
                    f"the warm box did not start ({error}): its image needs python3 and timeout"
                ) from error
            self._open = stack.pop_all()
        return self

    def _greet(self) -> None:
        """Send the server its modules and take its first frame.

        Raises:
            SandboxError: If the box has not started as it should.
        """
        deadline = time.monotonic() + _START_S
        self._link.send(_modules(), deadline=deadline)
        hello = self._link.receive(deadline=deadline, stopped=_never)
        if hello is None or hello[:1] != server.READY:
            raise SandboxError("its first word is not the server's")
        said = json.loads(hello[1:])
        if not said["clean"]:
            raise SandboxError("its directories are not empty")
        self._uid = first_user(said["users"], secrets.randbelow)

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def serves(self, timeout_s: float) -> bool:
        """True if the box can take one more program of that length; else it must be replaced."""
        lives = time.monotonic() + timeout_s + _GRACE_S < self._ends_at
        return self._clean and self._programs_left > 0 and lives

    def run(
        self,
        roles: Sequence[Mapping[str, Any]],
        limits: ProgramLimits,
        *,
        relay: Relay | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> BoxRun:
        """Run one program, or a candidate and its judge, to the end.

        Raises:
            SandboxError: If the box failed.
        """
        self._clean = False  # until it says otherwise
        self._programs_left -= 1
        deadline = time.monotonic() + limits.timeout_s + _GRACE_S
        self._link.send(self._orders(roles, limits), deadline=deadline)
        gathered = _Gathered(len(roles), limits, relay)
        while True:
            frame = self._link.receive(deadline=deadline, stopped=stopped)
            if frame is None:
                self._link.send(b"cancel", deadline=deadline)
                stopped = _never
            elif frame[:1] == server.RESULT:
                run = gathered.run(frame[1:])
                self._clean = run.clean
                return run
            else:
                gathered.take(frame)

    def _orders(self, roles: Sequence[Mapping[str, Any]], limits: ProgramLimits) -> bytes:
        numbered = []
        for role in roles:
            self._uid += 1
            numbered.append({**role, "uid": self._uid})
        return json.dumps(
            {
                "roles": numbered,
                "timeout_s": limits.timeout_s,
                "output_limit_mib": limits.output_limit_mib,
                "limits": {
                    "memory_mib": limits.memory_mib,
                    # a last resort: the wall clock comes first, also for several busy threads
                    "cpu_s": math.ceil(limits.timeout_s * max(1.0, self._limits.cpus)) + 1,
                    "file_mib": limits.file_mib,
                    "open_files": limits.open_files,
                    "processes": limits.processes,
                },
            }
        ).encode()


def first_user(users: int, randbelow: Callable[[int], int]) -> int:
    """Return where a box's users begin: a range that other boxes are unlikely to use.

    Limits on processes are counted for a user across all boxes of the machine.
    """
    floor, ceiling = (1_000_000, _MANY_USERS) if users > _MANY_USERS else (1_000, 60_000)
    return floor + _UIDS_PER_BOX * randbelow((ceiling - floor) // _UIDS_PER_BOX)


def _never() -> bool:
    return False


class _Gathered:
    """Output and reports of one run that arrive before its result."""

    def __init__(self, roles: int, limits: ProgramLimits, relay: Relay | None) -> None:
        self._outputs = {
            server.STDOUT: (STDOUT, Capture(limits.output_kib * 1024)),
            server.STDERR: (STDERR, Capture(limits.output_kib * 1024)),
        }
        self._relay = relay
        self._buffers = [FrameBuffer() for _ in range(roles)]
        self._reports: list[list[bytes]] = [[] for _ in range(roles)]

    def take(self, frame: bytes) -> None:
        """Take in a piece of output or of a report."""
        kind = frame[:1]
        if kind in self._outputs:
            stream, capture = self._outputs[kind]
            capture.write(frame[1:])
            if self._relay is not None:
                self._relay(stream, frame[1:])
        elif kind == server.REPORT:
            index = frame[1]
            with suppress(FrameError):  # our own part sends only frames: the program sent this
                for report in self._buffers[index].feed(frame[2:]):
                    self._reports[index].append(report)
        else:
            raise SandboxError("the warm box sent no valid answer")

    def run(self, result: bytes) -> BoxRun:
        """Return all of it.

        Raises:
            SandboxError: If the result is none.
        """
        try:
            return self._run(json.loads(result))
        except (ValueError, TypeError, KeyError) as error:
            raise SandboxError("the warm box sent no valid answer") from error

    def _run(self, said: dict[str, Any]) -> BoxRun:
        return BoxRun(
            ended=said["ended"],
            statuses=[_exit_code(status) for status in said["statuses"]],
            oom_kills=said["oom_kills"],
            seconds=said["seconds"],
            clean=said["clean"],
            reports=self._reports,
            stdout=self._outputs[server.STDOUT][1].captured(),
            stderr=self._outputs[server.STDERR][1].captured(),
        )


def _exit_code(status: int | None) -> int | None:
    return None if status is None else os.waitstatus_to_exitcode(status)


def packed(files: Sequence[SourceFile]) -> list[tuple[str, str, bool]]:
    """Return files as the server takes them.

    Raises:
        TransferError: If one may not be copied into a box.
    """
    for file in files:
        check_path(file.path)
    return [(file.path, _content(file), file.executable) for file in files]


def _content(file: SourceFile) -> str:
    data = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
    return base64.b64encode(data).decode("ascii")


@cache
def server_source() -> str:
    """Return the program that a warm box starts with."""
    return _source("boot")


@cache
def _modules() -> bytes:
    prefix = "sandbox.warm.inside."
    return json.dumps([(prefix + name, _source(name)) for name in _MODULES]).encode()


def _source(name: str) -> str:
    return resources.files("sandbox.warm.inside").joinpath(f"{name}.py").read_text("utf-8")
