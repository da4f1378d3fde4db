"""Opens the assistant for a command, and runs a coroutine until it ends or a signal comes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

from agent.approval import Approver, ModeApprover
from agent.assistant import Assistant
from agent.session.context import Context
from tui.leaving import Threads

_T = TypeVar("_T")


def open_assistant(where: Context, approver: Approver | None = None) -> Assistant:
    """Build the assistant of a repository; without an approver, it may do what can be undone."""
    return Assistant(where, approver or ModeApprover("auto"))


def run_async(main: Coroutine[Any, Any, _T]) -> _T:
    """Run a coroutine to its end; SIGINT, SIGTERM and SIGHUP cancel it, so that its clean-up runs.

    Raises:
        KeyboardInterrupt: If a signal ended the coroutine.
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
