"""The life of one box, in the thread that calls: create, copy in, run, collect, remove.

Everything here blocks; `box` wraps it for the event loop.
"""

from __future__ import annotations

import secrets
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sandbox.box.contract import (
    Ending,
    Execution,
    Job,
    Limits,
    SandboxError,
    SourceFile,
    TransferError,
)
from sandbox.box.engine import connect, engine_errors
from sandbox.box.execs import Command, Ended, StreamEnd, execute, hijacked
from sandbox.box.leftovers import remove_box
from sandbox.box.policy import (
    HARNESS_DIR,
    JOB_USER,
    KEEPER_USER,
    WORK_DIR,
    BoxSpec,
    container_options,
)
from sandbox.box.streams import STDERR, Capture
from sandbox.files.transfer import read_members, tar_chunks
from sandbox.warm.inside.kernel import OOM_COUNTERS, oom_kills

if TYPE_CHECKING:
    from docker import APIClient

_COPY_TIMEOUT_S = 60.0
_PROBE_TIMEOUT_S = 3.0
_END_SEEN_S = 1.0
_LOOK_AGAIN_S = 0.05
_ENDED_OUTSIDE = "the box was ended from outside, under its command"
_SIGNAL_BASE = 128
_COLLECT_LIMIT_BYTES = 128 * 1024 * 1024

Relay = Callable[[int, bytes], None]
"""Takes `(stream, bytes)` in the worker thread."""


def run_job(
    url: str,
    job: Job,
    spec: BoxSpec,
    *,
    relay: Relay = lambda _stream, _data: None,
    stopped: Callable[[], bool] = lambda: False,
) -> Execution:
    """Run one command in a fresh box, blocking until the box is gone.

    `relay` is called in this thread with each piece of output.

    Raises:
        SandboxError: If no answer can be given.
    """
    with connect(url) as client, running_box(client, job.limits, spec) as container_id:
        for files, directory, user in (
            (job.harness, HARNESS_DIR, "0:0"),
            (job.files, WORK_DIR, JOB_USER),
        ):
            if files and not stopped():
                copy_in(client, container_id, files, directory=directory, user=user)
        run = _BoxLife(client, container_id, job, relay=relay, stopped=stopped)
        return run.execution(spec.image_id)


@contextmanager
def running_box(client: APIClient, limits: Limits, spec: BoxSpec) -> Iterator[str]:
    """Create and start the container, hold its dead-man's switch, and remove it in every case."""
    with attached_box(client, limits, spec, streams=("stdin",)) as (container_id, _, _):
        yield container_id


@contextmanager
def attached_box(
    client: APIClient, limits: Limits, spec: BoxSpec, *, streams: Sequence[str]
) -> Iterator[tuple[str, socket.socket, bytes]]:
    """Open a box as `running_box`, with the main process's connection and its output so far."""
    name = f"elagent-{spec.labels.get('kind', 'box')}-{secrets.token_hex(8)}"
    options = container_options(limits, spec, now=time.time())
    with ExitStack() as stack:
        # by name, since a create call that timed out may still have made it
        stack.callback(remove_box, client, name)
        with engine_errors("the box could not be created"):
            container_id = _create(client, options, name)
            params = {"stream": 1, **dict.fromkeys(streams, 1)}
            keeper = client.attach_socket(container_id, params=params)
        connection, early = stack.enter_context(hijacked(keeper))
        # removal comes first, so that the switch is still held while it happens
        stack.callback(remove_box, client, name)
        with engine_errors("the box could not be started"):
            client.start(container_id)
        yield container_id, connection, early


def _create(client: APIClient, options: dict[str, Any], name: str) -> str:
    created: dict[str, Any] = client.create_container_from_config(options, name)  # type: ignore[no-untyped-call]
    return str(created["Id"])


def copy_in(
    client: APIClient,
    container_id: str,
    files: Sequence[SourceFile],
    *,
    directory: str,
    user: str,
) -> None:
    """Unpack the files in a directory of the box, owned by `user`.

    Raises:
        TransferError: If a file may not be copied or does not fit.
    """
    output = Capture(4096)
    ended = execute(
        client,
        container_id,
        Command(
            argv=["tar", "-x", "-f", "-", "-C", directory, "--no-same-owner"],
            user=user,
            stdin=tar_chunks(files),
        ),
        lambda _, data: _write(output, data),
        deadline=time.monotonic() + _COPY_TIMEOUT_S,
    )
    if ended.exit_code != 0:
        said = output.captured().text.strip().splitlines()
        reason = said[0] if said else f"tar ended with {ended.exit_code}"
        if "No space left" in output.captured().text:
            reason = "they do not fit into its work directory"
        raise TransferError(f"the files could not be copied into the box: {reason}")


def _ignore(_stream: int, _data: bytes) -> bool:
    return True


def _write(capture: Capture, data: bytes) -> bool:
    capture.write(data)
    return True


class _BoxLife:
    """Runs the command: streams, time limit, output limit, and the reason of its end."""

    def __init__(
        self,
        client: APIClient,
        container_id: str,
        job: Job,
        *,
        relay: Relay,
        stopped: Callable[[], bool],
    ) -> None:
        self._client = client
        self._container_id = container_id
        self._job = job
        self._relay = relay
        self._stopped = stopped
        self._stdout = Capture(job.limits.output_kib * 1024)
        self._stderr = Capture(job.limits.output_kib * 1024)

    def execution(self, image_id: str) -> Execution:
        """Run the command and say how it went."""
        started = time.monotonic()
        ended = execute(
            self._client,
            self._container_id,
            Command(
                # env, because a program that is missing must end with 127, not with an API error
                argv=["env", *self._job.argv],
                user=JOB_USER,
                workdir=WORK_DIR,
                env=self._job.env,
                stdin=[self._job.stdin] if self._job.stdin else (),
            ),
            self._sink,
            deadline=started + self._job.limits.timeout_s,
            stopped=self._stopped,
        )
        duration_s = time.monotonic() - started
        self._see_that_the_box_lives(ended)
        ending = self._ending(ended)
        return Execution(
            argv=tuple(self._job.argv),
            ending=ending,
            exit_code=_exit_code(ended.exit_code) if ending is Ending.EXITED else None,
            stdout=self._stdout.captured(),
            stderr=self._stderr.captured(),
            duration_s=duration_s,
            image_id=image_id,
            collected=MappingProxyType(self._collect() if ending is Ending.EXITED else {}),
        )

    def _sink(self, stream: int, data: bytes) -> bool:
        (self._stderr if stream == STDERR else self._stdout).write(data)
        total = self._stdout.total_bytes + self._stderr.total_bytes
        if total > self._job.limits.output_limit_mib * 1024 * 1024:
            return False
        self._relay(stream, data)
        return True

    def _see_that_the_box_lives(self, ended: Ended) -> None:
        """Raise an error if the box was ended from outside: then its command proves nothing.

        The job's user cannot signal the box's own process, so only the engine ends it early. The
        engine may call a box running for a moment after its end, but nothing runs in it any more.

        Raises:
            SandboxError: If the box is gone.
        """
        if ended.exit_code != _SIGNAL_BASE + signal.SIGKILL or self._answers():
            return
        last_look = time.monotonic() + _END_SEEN_S
        with engine_errors(_ENDED_OUTSIDE):
            while self._client.inspect_container(self._container_id)["State"].get("Running"):
                if time.monotonic() > last_look:
                    return  # full, or too slow to answer, and there
                time.sleep(_LOOK_AGAIN_S)
        raise SandboxError(_ENDED_OUTSIDE)

    def _answers(self) -> bool:
        """Tell if a command can still be run in the box."""
        with suppress(SandboxError):
            probe = Command(argv=["true"], user=KEEPER_USER)
            deadline = time.monotonic() + _PROBE_TIMEOUT_S
            ended = execute(self._client, self._container_id, probe, _ignore, deadline=deadline)
            return ended.exit_code == 0
        return False

    def _ending(self, ended: Ended) -> Ending:
        match ended.why:
            case StreamEnd.DEADLINE:
                return Ending.TIMEOUT
            case StreamEnd.STOPPED:
                return Ending.CANCELLED
            case StreamEnd.REFUSED:
                return Ending.OUTPUT_LIMIT
            case StreamEnd.FINISHED:
                killed = ended.exit_code != 0 and self._oom_kills() > 0
                return Ending.OOM if killed else Ending.EXITED

    def _oom_kills(self) -> int:
        """Read the kernel's count: the engine does not see an exec's end."""
        output = Capture(4096)
        with suppress(SandboxError):  # a box too full to answer is not known to be out of memory
            execute(
                self._client,
                self._container_id,
                Command(argv=["cat", *OOM_COUNTERS], user=KEEPER_USER),
                lambda stream, data: stream == STDERR or _write(output, data),
                deadline=time.monotonic() + _PROBE_TIMEOUT_S,
            )
        return oom_kills(output.captured().text.splitlines())

    def _collect(self) -> dict[str, bytes]:
        """Bring back the declared files that exist and are regular."""
        wanted = list(self._job.collect)
        if not wanted:
            return {}
        chunks: list[bytes] = []
        output = _Bounded(chunks, _COLLECT_LIMIT_BYTES)
        ended = execute(
            self._client,
            self._container_id,
            Command(
                argv=["tar", "-c", "-f", "-", "--no-recursion", "--", *wanted],
                user=JOB_USER,
                workdir=WORK_DIR,
            ),
            output.take,
            deadline=time.monotonic() + _COPY_TIMEOUT_S,
        )
        if ended.why is not StreamEnd.FINISHED:
            raise TransferError("the results are too large, or too slow, to be copied out")
        return read_members(chunks, wanted, max_bytes=_COLLECT_LIMIT_BYTES)


class _Bounded:
    """Standard output of a command in memory, up to a limit."""

    def __init__(self, chunks: list[bytes], limit_bytes: int) -> None:
        self._chunks = chunks
        self._left = limit_bytes

    def take(self, stream: int, data: bytes) -> bool:
        """Keep it, or refuse it once the limit is reached."""
        if stream == STDERR:
            return True
        self._left -= len(data)
        self._chunks.append(data)
        return self._left >= 0


def _exit_code(code: int | None) -> int | None:
    """Return -n for a death by signal n, as Python does; the engine reports 128 + n."""
    if code is not None and _SIGNAL_BASE < code < _SIGNAL_BASE + signal.NSIG:
        return _SIGNAL_BASE - code
    return code
