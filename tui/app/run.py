"""Starts the full-screen app, with what an earlier session held where one is resumed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tui.app.app import ElagentApp
from tui.app.entries import Entry

if TYPE_CHECKING:
    from agent.approval import Mode
    from tui.app.contract import OpenAgent
    from tui.wiring import Context


async def run_app(where: Context, mode: Mode, open_agent: OpenAgent) -> int:
    """Show the app until the person leaves; the exit code.

    Raises:
        SessionError: If the session to be resumed cannot be read.
    """
    earlier: Sequence[Entry] = ()
    if where.resume:
        from agent.session import read_session
        from tui.app.earlier import entries_of

        earlier = entries_of(read_session(where.repository.sessions, where.resume))
    app = ElagentApp(where, mode, open_agent, earlier=earlier)
    try:
        return await app.run_async() or app.return_code or 0
    finally:
        await app.close()
