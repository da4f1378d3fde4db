"""Speaks with an MCP server over its standard streams, with an end to what it may say.

The SDK's own transport gathers a line of any length in memory, and so does not stand a server that
floods. The messages and the session are the SDK's.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import Process, SubprocessStreamProtocol
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.client._transport import TransportStreams
    from mcp.shared.message import SessionMessage

_LONGEST_LINE = 4_000_000
_MOST_BYTES = 16_000_000
_MOST_STRAY = 1_000
"""Lines that are no message, such as those of a log."""
_GRACE_S = 1.0


@dataclass(slots=True, kw_only=True)
class Fate:
    """The end that a server came to by itself."""

    flooded: bool = False
    exit_code: int | None = None
    """None while it runs, or when it was ended by us."""


@dataclass(kw_only=True)
class BoundedStdio:
    """One server process, for one session; `fate` says why the session broke."""

    command: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    fate: Fate = field(default_factory=Fate)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[TransportStreams]:
        """The streams of a session. The process and its group end with the context.

        Raises:
            OSError: If it cannot be started.
        """
        import anyio
        from mcp.shared.message import SessionMessage

        loop = asyncio.get_running_loop()
        transport, protocol = await loop.subprocess_exec(
            lambda: SubprocessStreamProtocol(limit=_LONGEST_LINE, loop=loop),
            *self.command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=dict(self.env),
            cwd=self.cwd,
            process_group=0,
        )
        process = Process(transport, protocol, loop)
        heard, to_read = anyio.create_memory_object_stream[SessionMessage | Exception](0)
        to_write, said = anyio.create_memory_object_stream[SessionMessage](0)
        tasks = [
            asyncio.ensure_future(self._read(process, heard)),
            asyncio.ensure_future(_write(process, said, heard)),
        ]
        try:
            yield to_read, to_write
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for stream in (heard, to_read, to_write, said):
                stream.close()
            try:
                await _end(process)
            finally:
                transport.close()  # a process that outlives its group may hold the pipes

    async def _read(
        self,
        process: Process,
        heard: MemoryObjectSendStream[SessionMessage | Exception],
    ) -> None:
        """Hand on what the server says, until it ends or says too much."""
        import anyio
        from mcp.shared.message import SessionMessage
        from mcp.types import jsonrpc_message_adapter

        assert process.stdout is not None  # noqa: S101 - it was opened with a pipe
        left, stray = _MOST_BYTES, 0
        with heard, contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                try:
                    line = await process.stdout.readline()
                except ValueError:  # longer than the limit
                    line = b"x" * (left + 1)
                left -= len(line)
                self.fate.flooded = left < 0 or stray > _MOST_STRAY
                if not line or self.fate.flooded:
                    break
                try:
                    message = jsonrpc_message_adapter.validate_json(line, by_name=False)
                except ValueError:
                    stray += 1
                    continue
                await heard.send(SessionMessage(message))
            if not self.fate.flooded:
                self.fate.exit_code = await process.wait()


async def _write(
    process: Process,
    said: MemoryObjectReceiveStream[SessionMessage],
    heard: MemoryObjectSendStream[SessionMessage | Exception],
) -> None:
    assert process.stdin is not None  # noqa: S101 - it was opened with a pipe
    try:
        async for item in said:
            text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(f"{text}\n".encode())
            await process.stdin.drain()
    except OSError:
        heard.close()


async def _end(process: Process) -> None:
    """Let a server go: its input closes, and a moment later its whole group is killed."""
    try:
        if process.stdin is not None:
            process.stdin.close()
        await _wait(process)
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    await _wait(process)


async def _wait(process: Process) -> None:
    """Wait a moment for the end of a process and of its pipes."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(process.wait(), _GRACE_S)
