"""Answers the agent's questions: by the mode, or by asking the person on the screen."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tui.app.messages import QuestionAsked

if TYPE_CHECKING:
    from agent.approval import Decision, Mode, Question
    from tui.app.messages import ApprovalAnswer, Post


class ScreenApprover:
    """The `Approver` of the agent; remembers that the rest of a turn is accepted."""

    def __init__(self, mode: Mode, post: Post) -> None:
        self.mode = mode
        self._post = post
        self._accepts_rest = False

    def begin(self) -> None:
        """A new turn begins: nothing of it is accepted yet."""
        self._accepts_rest = False

    async def decide(self, question: Question) -> Decision:
        """Decide by the mode; where the mode says so, ask the person."""
        from agent.approval import ModeApprover

        mode = "auto" if self._accepts_rest and question.kind == "edit" else self.mode
        return await ModeApprover(mode, self._ask).decide(question)

    async def _ask(self, question: Question) -> Decision:
        """Ask on the screen; if the job is stopped meanwhile, the question goes away with it."""
        from agent.approval import Decision

        answered: asyncio.Future[ApprovalAnswer] = asyncio.get_running_loop().create_future()
        self._post(QuestionAsked(question, answered))
        answer = await answered
        self._accepts_rest = self._accepts_rest or answer.rest
        return Decision(allowed=answer.allowed, reason=answer.reason, kept=answer.kept)
