"""Finds our own running model server, or starts one; holds a lease on it while it is used.

Servers are shared: the first session of a model starts one, others find it by its state file, and
it ends itself some time after the last lease was given back.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent.errors import ConfigError, ModelError, ServerStartError, ServerUnreachableError
from agent.locks import try_lock
from agent.model.http_client import OK, Endpoint, ServerClient
from agent.model.openai_api import api_root, is_loopback
from agent.model.values import as_mapping, as_number, as_text, harmless
from agent.paths import Paths, make_private

if TYPE_CHECKING:
    import httpx

OnProgress = Callable[[str, float], None]
"""Told what is waited for and how many seconds it took so far."""

_LARGEST_LOG_BYTES = 1_000_000
_LOOK_EVERY_S = 0.1
_HEALTH_TIMEOUT_S = 20.0
_STOP_S = 15.0
_NOT_FOR_SERVERS = frozenset(
    {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "ELAGENT_MODEL_API_KEY", "ELAGENT_MODEL_BASE_URL"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedServer:
    """A wanted server, and the way to start it."""

    model: str
    engine: Literal["auto", "llama", "torch", "vllm"]
    context_length: int | None
    idle_s: int
    launcher: Sequence[str]
    """The command line in front of `serve`."""
    environ: Mapping[str, str]
    start_timeout_s: float = 600.0

    @property
    def key(self) -> str:
        """The same for requests that one server can answer."""
        exact = f"{self.model}\n{self.engine}\n{self.context_length}"
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", Path(self.model).name)[:40]
        return f"{readable}-{hashlib.sha256(exact.encode()).hexdigest()[:8]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """A running server's description of itself in its state file."""

    url: str
    token: str = field(repr=False)
    pid: int
    model: str
    context_length: int


def log_of(paths: Paths, wanted: WantedServer) -> Path:
    return paths.logs / f"serve-{wanted.key}.log"


async def find_or_start(paths: Paths, wanted: WantedServer, on_progress: OnProgress) -> ServerState:
    """A server that answers, whoever started it. Of two sessions only one starts a server.

    Raises:
        ServerStartError: If it ended before it was ready, quoting its last words, or took too long.
    """
    make_private(paths.servers)
    make_private(paths.logs)
    state_file = paths.servers / f"{wanted.key}.json"
    lock_file = paths.servers / f"{wanted.key}.lock"
    started = time.monotonic()
    while True:
        if state := await _running(state_file):
            return state
        lock = try_lock(lock_file)
        if lock is not None:
            break
        on_progress("waiting for another session to start the model", time.monotonic() - started)
        await asyncio.sleep(_LOOK_EVERY_S)
    try:
        # Another session may have finished between the look and the lock.
        if state := await _running(state_file):
            return state
        state_file.unlink(missing_ok=True)
        return await _start(state_file, log_of(paths, wanted), wanted, on_progress)
    finally:
        os.close(lock)


@contextlib.asynccontextmanager
async def lease(server: ServerClient) -> AsyncIterator[None]:
    """Keep the server from ending itself while in the context.

    Raises:
        ServerUnreachableError: If it is gone or going.
    """
    import httpx

    try:
        request = server.http.build_request("GET", "/v1/lease")
        async with asyncio.timeout(_HEALTH_TIMEOUT_S):
            response = await server.http.send(request, stream=True)
    except (httpx.TransportError, TimeoutError) as err:
        raise server.unreachable(err) from err
    try:
        if response.status_code != OK:
            reason = f"HTTP {response.status_code} for a lease"
            raise server.unreachable(ServerUnreachableError(reason))
        reading = asyncio.create_task(_read_on(response))
        try:
            yield
        finally:
            reading.cancel()
            await asyncio.wait([reading])
    finally:
        await response.aclose()


async def _read_on(response: httpx.Response) -> None:
    import httpx

    # The end of the server shows in the next request, which can say so.
    with contextlib.suppress(httpx.HTTPError):
        async for _ in response.aiter_raw():
            pass


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundServer:
    """A state file of a model server, and whether the server behind it answers."""

    state: ServerState
    answers: bool


async def servers(paths: Paths) -> tuple[FoundServer, ...]:
    """Every server of this user that has a state file, and that answers or at least still runs."""
    states = map(_read_state, sorted(paths.servers.glob("*.json")))
    found = [FoundServer(state=state, answers=await _answers(state)) for state in states if state]
    return tuple(item for item in found if item.answers or _is_server(item.state.pid))


async def stop(found: FoundServer) -> None:
    """End a server, asked by its API; one that does not answer gets a signal. Waits for its end.

    Raises:
        ServerUnreachableError: If its process is still there some seconds later.
    """
    state = found.state
    asked = 0
    if found.answers:
        async with _client(state) as server:
            asked, _, _ = await server.call("POST", "/v1/stop")
    if asked != OK:
        with contextlib.suppress(ProcessLookupError):
            os.kill(state.pid, signal.SIGTERM)
    for _ in range(int(_STOP_S / _LOOK_EVERY_S)):
        if not _lives(state.pid):
            return
        await asyncio.sleep(_LOOK_EVERY_S)
    raise ServerUnreachableError(
        f"the model server for {state.model} (process {state.pid}) does not end; "
        f"end it with: kill -9 {state.pid}"
    )


def _lives(pid: int) -> bool:
    """True for a process that has not ended, or whose parent has not noticed yet that it has."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()
    except FileNotFoundError:
        return False
    except OSError:  # no /proc here
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
    return state[:1] != ["Z"]


def _is_server(pid: int) -> bool:
    """True if the process was started as a model server: its number may be another's by now."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return b"serve" in words and b"--state-file" in words


async def _running(state_file: Path) -> ServerState | None:
    """The server of a state file, if it is ours, alive and answers to its token."""
    state = _read_state(state_file)
    if state is None:
        return None
    return state if await _answers(state) else None


async def _answers(state: ServerState) -> bool:
    """True for a server that takes our token and whose engine lives."""
    try:
        async with _client(state) as server, asyncio.timeout(_HEALTH_TIMEOUT_S):
            health, _, _ = await server.call("GET", "/health")
            models, _, _ = await server.call("GET", "/v1/models")
    except (ModelError, TimeoutError):
        return False
    return (health, models) == (OK, OK)


@contextlib.asynccontextmanager
async def _client(state: ServerState) -> AsyncIterator[ServerClient]:
    endpoint = Endpoint(
        root=api_root(state.url), name=state.model, context_length=0, api_key=state.token
    )
    server = ServerClient(endpoint)
    try:
        yield server
    finally:
        await server.close()


def _read_state(path: Path) -> ServerState | None:
    try:
        status = path.lstat()
        private = not status.st_mode & 0o077 and status.st_uid == os.getuid()
        if not (stat.S_ISREG(status.st_mode) and private):
            return None
        data = as_mapping(json.loads(path.read_text("utf-8")))
        state = ServerState(
            url=as_text(data.get("url")),
            token=as_text(data.get("token")),
            pid=as_number(data.get("pid")),
            model=as_text(data.get("model")),
            context_length=as_number(data.get("context_length")),
        )
        if state.pid <= 0 or not is_loopback(api_root(state.url)):
            return None
        os.kill(state.pid, 0)
    except (OSError, ValueError, ConfigError, RecursionError):
        return None
    return state


async def _start(
    state_file: Path, log: Path, wanted: WantedServer, on_progress: OnProgress
) -> ServerState:
    process, log_start = _spawn(state_file, log, wanted)
    state, ended = None, False
    try:
        state = await _ready(state_file, process, wanted, on_progress)
        ended = process.returncode is not None
    finally:
        if state is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
    if state is None:
        limit = f"it was not ready after {wanted.start_timeout_s:.0f} s"
        reason = _last_line(log, log_start) if ended else limit
        raise ServerStartError(
            f"the model server for {wanted.model} did not start: "
            f"{reason or f'exit code {process.returncode}'} (log: {log})"
        )
    return state


async def _ready(
    state_file: Path,
    process: subprocess.Popen[bytes],
    wanted: WantedServer,
    on_progress: OnProgress,
) -> ServerState | None:
    """The state of the server once it answers; None if it ended before, or took too long."""
    started = time.monotonic()
    while (elapsed_s := time.monotonic() - started) < wanted.start_timeout_s:
        ended = process.returncode is not None
        state = await _running(state_file)
        if state or ended:
            return state
        on_progress(f"starting the model {wanted.model}", elapsed_s)
        await asyncio.sleep(_LOOK_EVERY_S)
    return None


def _spawn(
    state_file: Path, log: Path, wanted: WantedServer
) -> tuple[subprocess.Popen[bytes], int]:
    """Start the server in a session of its own; gives also where its part of the log begins."""
    context = ["--context-length", str(wanted.context_length)] if wanted.context_length else []
    command = [
        *wanted.launcher,
        "serve",
        *("--model", wanted.model, "--engine", wanted.engine, "--port", "0"),
        *("--idle", str(wanted.idle_s), "--state-file", str(state_file)),
        *context,
    ]
    environ = {k: v for k, v in wanted.environ.items() if k not in _NOT_FOR_SERVERS}
    if log.exists() and log.stat().st_size > _LARGEST_LOG_BYTES:
        log.replace(log.with_suffix(".old.log"))
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        begin = os.fstat(descriptor).st_size
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=descriptor,
            env=environ,
            cwd=state_file.parent,
            start_new_session=True,
        )
    except OSError as err:
        raise ServerStartError(f"cannot run {command[0]}: {err.strerror}") from err
    finally:
        os.close(descriptor)
    # The server outlives us, but while we live nobody else can take its exit code.
    threading.Thread(target=process.wait, daemon=True).start()
    return process, begin


def _last_line(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        lines = file.read().decode("utf-8", "replace").splitlines()
    return harmless(next((line for line in reversed(lines) if line.strip()), ""))
