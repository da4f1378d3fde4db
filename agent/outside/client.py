"""Asks one MCP server for its tools, or calls one; each time the server starts and ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import AgentError
from agent.outside.transport import BoundedStdio
from agent.settings.servers import OutsideServer
from agent.text import display_safe

if TYPE_CHECKING:
    from mcp import Client

_INHERITED = ("HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "USER")
_MOST_TOOLS = 200
_MOST_PAGES = 20
_WORDS = 200
_OUTPUT = 8_000


class OutsideError(AgentError):
    """An MCP server gave no answer, or none that can be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideTool:
    """A tool as its server describes it, with no control characters."""

    name: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutsideOutput:
    """The answer of a tool: at most 8,000 characters, none of them a control character."""

    text: str
    failed: bool
    """True if the tool itself says so."""


async def tools_of(server: OutsideServer, environ: Mapping[str, str]) -> tuple[OutsideTool, ...]:
    """The tools that a server offers, at most 200.

    Raises:
        OutsideError: If it does not start, ends, floods, or does not answer in its time.
    """
    found: list[OutsideTool] = []
    async with _session(server, environ) as client:
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            page = await client.list_tools(cursor=cursor)
            found += [
                OutsideTool(name=_line(tool.name), what=_line(tool.description or ""))
                for tool in page.tools
            ]
            cursor = page.next_cursor
            if cursor is None or len(found) >= _MOST_TOOLS:
                break
    return tuple(found[:_MOST_TOOLS])


async def call(
    server: OutsideServer, tool: str, arguments: Mapping[str, object], environ: Mapping[str, str]
) -> OutsideOutput:
    """Call a tool; texts of its result are kept, anything else is named.

    Raises:
        OutsideError: If the server does not start, ends, floods, or does not answer in its time.
    """
    async with _session(server, environ) as client:
        result = await client.call_tool(tool, dict(arguments))
    parts = [
        item.text if item.type == "text" else f"[{item.type}: not shown]" for item in result.content
    ]
    text = display_safe("\n".join(parts))
    more = len(text) - _OUTPUT
    shown = f"{text[:_OUTPUT]}\n[{more} more characters are not shown]" if more > 0 else text
    return OutsideOutput(text=shown, failed=bool(result.is_error))


@asynccontextmanager
async def _session(server: OutsideServer, environ: Mapping[str, str]) -> AsyncIterator[Client]:
    """A session with a server of its own, which ends with it.

    It starts in the person's home, never in the repository: many programs load code from the folder
    that they start in.
    """
    try:
        from mcp import Client, MCPError
    except ModuleNotFoundError as err:
        message = 'MCP servers need one more package: pip install "elagent[mcp]"'
        raise OutsideError(message) from err
    names = (*_INHERITED, *server.env)
    stdio = BoundedStdio(
        command=server.command,
        env={name: environ[name] for name in names if name in environ},
        cwd=_home(environ),
    )
    try:
        async with asyncio.timeout(server.timeout_s), Client(stdio.open(), mode="legacy") as client:
            yield client
    except (BaseExceptionGroup, MCPError, OSError, RuntimeError, ValueError) as raised:
        error = _first(raised)
        if not isinstance(error, MCPError | OSError | RuntimeError | ValueError):
            raise
        raise OutsideError(_sentence(server, stdio, error)) from error


def _sentence(server: OutsideServer, stdio: BoundedStdio, error: BaseException) -> str:
    who = f"the MCP server {server.name}"
    if isinstance(error, TimeoutError):
        longer = f"mcp.servers.{server.name}.timeout_s gives it longer"
        return f"{who} did not answer within {server.timeout_s:g} s and was ended; {longer}"
    if isinstance(error, OSError):
        where = f"see mcp.servers.{server.name}.command in your settings"
        return f"{who} does not start: {error.strerror}; {where}"
    if stdio.fate.flooded:
        return f"{who} said more than can be read, and was ended; ask it for less"
    if stdio.fate.exit_code is not None:
        code = stdio.fate.exit_code
        return f"{who} ended with {code} before it answered; run its command to see why"
    return f"{who} refused: {_line(str(error))}"


def _first(error: BaseException) -> BaseException:
    """The error itself, or the first one in a group of them."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _home(environ: Mapping[str, str]) -> Path:
    home = Path(environ.get("HOME") or "/")
    return home if home.is_absolute() and home.is_dir() else Path("/")


def _line(text: str) -> str:
    """A text of a server as one short line."""
    return " ".join(display_safe(text[: 4 * _WORDS]).split())[:_WORDS]
