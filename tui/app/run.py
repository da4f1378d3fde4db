"""Starts the full-screen app, with what an earlier session held where one is resumed."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.app.app import ElagentApp
from tui.app.transcript.entries import Entry
from tui.leaving import Threads, at_once

if TYPE_CHECKING:
    from agent.approval import Mode
    from tui.app.backstage.contract import OpenAgent
    from tui.wiring import Context


async def run_app(where: Context, mode: Mode, open_agent: OpenAgent) -> int:
    """Show the app until the person leaves; the exit code.

    Raises:
        SessionError: If the session to be resumed cannot be read.
    """
    earlier: Sequence[Entry] = ()
    if where.resume:
        from agent.session.session import read_session
        from tui.app.transcript.earlier import entries_of

        earlier = entries_of(read_session(where.repository.sessions, where.resume))
    loop = asyncio.get_running_loop()
    loop.set_default_executor(Threads())
    app = ElagentApp(where, mode, open_agent, earlier=earlier)
    try:
        return await app.run_async() or app.return_code or 0
    finally:
        with contextlib.suppress(ValueError, RuntimeError):  # only the main thread takes signals
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, at_once, 128 + number)
        await app.close()
