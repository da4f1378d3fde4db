"""Starts a conversation: one task with `-p`, else the full-screen app or the line loop."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, cast

import click

from agent.session.context import Context
from tui.piped import piped_text
from tui.ringing import Bell, ringing
from tui.wiring import place_to_work

if TYPE_CHECKING:  # the app opens the assistant only after its first paint
    from agent.approval import Approver, Mode
    from agent.assistant import Assistant

_LAST = "last"


def talk(
    *,
    task: str | None,
    as_json: bool,
    mode: str | None,
    model_name: str | None,
    base_url: str | None,
    repl: bool = False,
    memory: str | None = None,
    resume: str | None = None,
    commit: bool = False,
    hooks: bool = False,
    here: bool = False,
) -> int:
    """Run the conversation and return its exit code."""
    if hooks and not commit:
        raise click.UsageError("--hooks belongs to --commit")
    given = {"model.name": model_name, "model.base_url": base_url, "agent.memory": memory}
    where = place_to_work(None, given, here=here, may_ask=not as_json)
    session = _session(where, resume) if resume else None
    begin = cast("Mode", mode) if mode else _last_mode(where, session)
    where = replace(where, resume=session, mode=begin, commit=commit, hooks=hooks)
    if task is None and sys.stdin.isatty():
        if as_json:
            raise click.UsageError("--json needs a task: add -p TASK")
        if not repl and _has_screen():
            from tui.app.app import run_app

            opened = partial(_opened, where)
            return asyncio.run(run_app(where, begin, opened))
        from tui.lines.repl import run_repl
        from tui.running import run_async

        return run_async(run_repl(where, begin))
    is_task = task in (None, "-")
    text = sys.stdin.read() if is_task else str(task)
    attached = "" if is_task else piped_text()
    if not text.strip():
        raise click.UsageError("the task is empty; give it with -p TASK or on standard input")
    from tui.running import run_async

    work = _one_task(where, text, begin, as_json=as_json, attached=attached)
    return run_async(work)


def _session(where: Context, given: str) -> str:
    """Return the id of the session to resume: the named one, or the last one."""
    from agent.session.session import SessionError, last_conversation

    found = last_conversation(where.repository.sessions) if given == _LAST else given
    if found is None:
        raise SessionError("there is no conversation to resume in this repository")
    return found


def _last_mode(where: Context, session: str | None) -> Mode:
    """Return the mode in which a session to resume ended, else the usual one."""
    from agent.session.session import last_mode, read_session

    records = read_session(where.repository.sessions, session) if session else ()
    return last_mode(records) or "auto"


def _has_screen() -> bool:
    """True if this terminal can show the full-screen app."""
    return sys.stdout.isatty() and os.environ.get("TERM", "dumb") not in ("dumb", "unknown", "")


def _opened(where: Context, approver: Approver) -> Assistant:
    from tui.running import open_assistant

    return open_assistant(where, approver)


async def _one_task(where: Context, text: str, mode: Mode, *, as_json: bool, attached: str) -> int:
    from agent.events import TurnEnding, TurnFinished
    from tui.lines.asking import terminal_approver
    from tui.running import open_assistant
    from tui.show.plain import make_presenter, show_all
    from tui.slash import shell_command

    bell = Bell(after_s=where.settings.session.bell)
    bell.begin()
    presenter = make_presenter(as_json=as_json)
    settled = where.settings.approval
    approver = terminal_approver(presenter, as_json=as_json, mode=mode, settled=settled)
    try:
        async with open_assistant(where, approver) as assistant:
            command = shell_command(text)
            work = (
                assistant.run_command(command)
                if command
                else assistant.turn(text, attached=attached)
            )
            last = await show_all(work, presenter)
    finally:
        presenter.close()
    if bell.is_due and not as_json and sys.stdout.isatty():
        click.echo(ringing("elagent: the task has ended", os.environ), nl=False)
    if isinstance(last, TurnFinished) and last.exit_code is not None:
        return last.exit_code
    return 0 if isinstance(last, TurnFinished) and last.ending is TurnEnding.DONE else 1
