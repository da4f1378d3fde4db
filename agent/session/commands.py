"""Runs a command of the person in the sandbox, and brings back the files that it declares."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence

from agent.approval import Approver
from agent.events import OutputChunk, TurnEnding, TurnFinished
from agent.session.edits import SessionEdits
from agent.streaming import Emit
from agent.testing.execution import ending_in_words, exit_code_of
from agent.workspace.bringing import bring_back, declare
from sandbox.host.children import in_thread


async def run_command(
    edits: SessionEdits,
    approver: Approver,
    command: str | Sequence[str],
    bring: Sequence[str],
    emit: Emit,
) -> None:
    """Run a shell's text, or arguments, on a copy of the files; see `Assistant.run_command`.

    Raises:
        SandboxError: If the sandbox gives no answer.
        SourceFileError: If a declared file cannot be read or written.
        TransferError: If what comes out of the box is too much, or never comes out of one.
    """
    workspace = edits.workspace
    entering = await in_thread(workspace.list_files)
    declared = await in_thread(declare, edits.root, entering, bring)
    project = await edits.resources.project(emit, None)
    execution = await project.run_command(
        command,
        on_output=lambda data: emit(OutputChunk(data.decode("utf-8", "replace"))),
        collect=[item.path for item in declared],
    )
    left: tuple[str, ...] = ()
    if declared and execution.succeeded:
        shown = command if isinstance(command, str) else shlex.join(command)
        async with edits.step(f"files of {shown[:60]}", emit):
            for item in declared:
                await asyncio.to_thread(workspace.will_write, item.target)
            found = execution.collected
            left = await bring_back(declared, found, decide=approver.decide, emit=emit)
    complete = execution.succeeded and not left
    message = f"did not come back: {', '.join(left)}" if left else ending_in_words(execution)
    ending = TurnEnding.DONE if complete else TurnEnding.FAILED
    emit(TurnFinished(message, ending, exit_code_of(execution) or int(bool(left))))
