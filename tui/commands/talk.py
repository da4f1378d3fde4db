"""A conversation: one task with `-p`, else the line loop."""

from __future__ import annotations

import sys
from typing import Literal, cast

import click

from agent.approval import ModeApprover
from agent.events import TurnFinished
from tui.plain import make_presenter, show_all
from tui.running import open_assistant, run_async
from tui.wiring import Context, context

Mode = Literal["ask", "auto", "plan"]


def talk(
    *, task: str | None, as_json: bool, mode: str, model_name: str | None, base_url: str | None
) -> int:
    """Run the conversation to its exit code."""
    where = context(None, {"model.name": model_name, "model.base_url": base_url})
    if task is None and sys.stdin.isatty():
        if as_json:
            raise click.UsageError("--json needs a task: add -p TASK")
        from tui.repl import run_repl

        return run_async(run_repl(where, cast(Mode, mode)))
    text = sys.stdin.read() if task in (None, "-") else str(task)
    if not text.strip():
        raise click.UsageError("the task is empty; give it with -p TASK or on standard input")
    return run_async(_one_task(where, text, cast(Mode, mode), as_json=as_json))


async def _one_task(where: Context, text: str, mode: Mode, *, as_json: bool) -> int:
    presenter = make_presenter(as_json=as_json)
    try:
        async with open_assistant(where, ModeApprover(mode)) as assistant:
            last = await show_all(assistant.turn(text), presenter)
    finally:
        presenter.close()
    return 0 if isinstance(last, TurnFinished) and last.reason == "done" else 1
