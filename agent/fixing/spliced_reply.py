"""Splices the reply of an attempt that failed because a name in it does not exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

from agent.advice.failure import failure_of_test
from agent.candidates.splicing import Failed, SpliceLimits, spliced
from agent.editing.edits import Accepted
from agent.events import Notice
from agent.fixing.attempts import Asked, Parts, Plan, read_edit
from agent.fixing.continuing import failed_with, voice_of
from agent.fixing.judging import Judgement

_LIMITS = SpliceLimits(cuts=4, tokens=1024)

JudgeEdit = Callable[[Asked, Accepted], Awaitable[Judgement | None]]
"""Judges and records what a spliced reply gives; None where it may not be written."""


async def splice_reply(
    parts: Parts, plan: Plan, asked: Asked, judgement: Judgement, judge: JudgeEdit
) -> None:
    """Cut the reply before what is absent and judge each continuation, until one is kept.

    Nothing happens where the failure names nothing absent, or the model's server cannot go on.

    Raises:
        ModelError: If the model does not answer.
        SandboxError: If the sandbox gives no answer.
    """
    voice = voice_of(parts.model, asked.messages, asked.action.sampling, parts.emit)
    failed = _failed(parts, judgement)
    if voice is None or failed is None:
        return

    async def judged(text: str) -> Failed | None:
        action = replace(asked.action, text=text, prompt_ids=(), token_ids=(), logprobs=None)
        now = replace(asked, action=action)
        edit = read_edit(parts, now, plan.path)
        judgement = None if isinstance(edit, str) else await judge(now, edit)
        if judgement is None:
            return Failed(message="", there=failed.there)
        return _failed(parts, judgement)

    made = await spliced(asked.action.text, failed, voice=voice, judge=judged, limits=_LIMITS)
    for words in made.done:
        parts.emit(Notice(f"the reply for {plan.path} was continued: {words}"))


def _failed(parts: Parts, judgement: Judgement) -> Failed | None:
    """The failure with a way to ask for names; None after a pass, or where nothing can be asked."""
    if judgement.state is not None or not judgement.failing or parts.names is None:
        return None
    result = judgement.failing[0]
    return failed_with(result.message, failure_of_test(result, parts.sources), parts.names)
