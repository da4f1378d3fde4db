"""Notes that the model's last action was wrong, as the person said."""

from __future__ import annotations

import asyncio

from agent.events import Notice
from agent.session.resources import Resources
from agent.streaming import Emit
from agent.turn.conversation import Conversation


async def note_wrong(
    resources: Resources, conversation: Conversation, why: str, emit: Emit
) -> None:
    """Keep what is wrong with the last action; say so where there is none, or nothing is recorded."""
    if conversation.holds_outside:
        emit(Notice("nothing is recorded while an MCP server's output is in here", "warning"))
        return
    recorder = await resources.recorder(emit)
    if recorder is None:
        if not resources.context.settings.session.capture:
            emit(Notice("nothing is recorded: session.capture is off", "warning"))
    elif (event := await asyncio.to_thread(recorder.wrong, why)) is None:
        emit(Notice("nothing was done yet that could be wrong", "warning"))
    else:
        emit(event)
        emit(Notice(f"the last action is noted as wrong ({event.id})"))
