"""Runs a command of the person in the sandbox, and brings back the files that it declares."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Callable, Sequence

from agent.approval import Approver
from agent.events import OutputChunk, StageStarted, TurnEnding, TurnFinished
from agent.session.edits import SessionEdits
from agent.streaming import Emit
from agent.turn.tools import command_digest
from agent.workspace.bringing import bring_back, declare
from sandbox.box.contract import Ending, Execution
from sandbox.host.children import in_thread

_EXIT_TIMEOUT = 124
_EXIT_KILLED = 137


async def run_command(
    edits: SessionEdits,
    approver: Approver,
    command: str | Sequence[str],
    bring: Sequence[str],
    emit: Emit,
    *,
    overhear: Callable[[str], object],
    announced: bool = False,
) -> None:
    """Run a shell's text, or arguments, on a copy of the files; see `Assistant.run_command`.

    `overhear` takes the outcome for the next request.

    Raises:
        SandboxError: If the sandbox gives no answer.
        SourceFileError: If a declared file cannot be read or written.
        TransferError: If what comes out of the box is too much, or never comes out of one.
    """
    workspace, edits.state_before = edits.workspace, ""
    shown = command if isinstance(command, str) else shlex.join(command)
    entering = await in_thread(workspace.list_files)
    declared = await in_thread(declare, edits.root, entering, bring)
    project = await edits.resources.project(emit, None)
    if announced:
        emit(StageStarted(f"running {shown}"))
    execution = await project.run_command(
        command,
        on_output=lambda data: emit(OutputChunk(data.decode("utf-8", "replace"))),
        collect=[item.path for item in declared],
    )
    overhear(command_digest(shown, execution))
    left: tuple[str, ...] = ()
    if declared and execution.succeeded:
        async with edits.step(f"files of {shown[:60]}", emit):
            for item in declared:
                await asyncio.to_thread(workspace.will_write, item.target)
            found = execution.collected
            left = await bring_back(declared, found, decide=approver.decide, emit=emit)
    complete = execution.succeeded and not left
    message = f"did not come back: {', '.join(left)}" if left else ending_in_words(execution)
    ending = TurnEnding.DONE if complete else TurnEnding.FAILED
    emit(TurnFinished(message, ending, exit_code_of(execution) or int(bool(left))))


def exit_code_of(execution: Execution) -> int:
    """The exit code that a shell would give for it: 128 and the signal, 124 after a time limit."""
    if execution.exit_code is None:
        return _EXIT_TIMEOUT if execution.ending is Ending.TIMEOUT else _EXIT_KILLED
    return execution.exit_code if execution.exit_code >= 0 else 128 - execution.exit_code


def ending_in_words(execution: Execution) -> str:
    """The end of a command in two or three words."""
    if execution.succeeded:
        return "done"
    if execution.exit_code is None:
        return f"ended: {execution.ending.value.replace('_', ' ')}"
    return f"exit code {execution.exit_code}"
