"""Asks the person at the terminal for a command that is no conversation."""

from __future__ import annotations

import sys

from agent.approval import NOTHING_SETTLED, Approver, Decision, Mode, ModeApprover, Question
from agent.settings.schema import ApprovalSettings
from agent.text import display_safe
from tui.show.plain import Presenter


def terminal_approver(
    presenter: Presenter,
    *,
    as_json: bool,
    mode: Mode = "auto",
    settled: ApprovalSettings = NOTHING_SETTLED,
) -> Approver:
    """Build an approver that decides by mode; without a terminal, each question is answered with no.

    `settled` is what the person allowed beforehand in mode `ask`.
    """
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return ModeApprover(mode, settled=settled)

    async def ask(question: Question) -> Decision:
        from prompt_toolkit import PromptSession

        presenter.close()  # a live progress line would draw over the question
        what = f"Allow the {question.kind} of {display_safe(question.subject)}?"
        session: PromptSession[str] = PromptSession()
        reason = question.host_use or question.unasked
        why = f"Asked because {reason}.\n" if reason else ""
        shown = f"{question.detail}\n{why}"
        answer = await session.prompt_async(f"{display_safe(shown)}{what} [y/N] ")
        allowed = answer.strip().lower() in ("y", "yes")
        return Decision(allowed=allowed, reason="" if allowed else "the user said no")

    return ModeApprover(mode, ask, settled)
