"""Opens the assistant for a command and runs its work until it ends or is interrupted."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from agent.approval import Approver, ModeApprover
from agent.assistant import Assistant
from agent.session.resources import Parts
from tui.leaving import Threads
from tui.wiring import Context

_T = TypeVar("_T")


def open_assistant(where: Context, approver: Approver | None = None) -> Assistant:
    """The assistant for a repository; without an approver it does whatever can be undone."""
    from elagent import command

    parts = Parts(
        root=where.root,
        settings=where.settings,
        paths=where.paths,
        environ=os.environ,
        launcher=command(),
        instructions=where.instructions,
        resume=where.resume,
        commit=where.commit,
        hooks=where.hooks,
        focus=where.focus,
    )
    return Assistant(parts, approver or ModeApprover("auto"))


def run_async(main: Coroutine[Any, Any, _T]) -> _T:
    """Run to the end; SIGINT, SIGTERM and SIGHUP cancel it, so that its clean-up runs, then interrupt.

    Raises:
        KeyboardInterrupt: If a signal ended it.
    """

    async def guarded() -> _T:
        task = asyncio.ensure_future(main)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(Threads())
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup has it
                loop.add_signal_handler(number, task.cancel)
        return await task

    try:
        return asyncio.run(guarded())
    except asyncio.CancelledError as err:
        raise KeyboardInterrupt from err
