"""One attempt to repair one failing test: ask, read, check, apply, keep or put back.

Whatever happens after a file was written, cancellation included, it either stays because the
tests say so, or is put back byte for byte.
"""

from __future__ import annotations

import ast
import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from agent.advice.existing import AskNames
from agent.advice.gathering import Advice
from agent.editing.edits import (
    Accepted,
    Applied,
    Refused,
    apply_edit,
    check_edit,
    revert_edit,
)
from agent.editing.python_source import parse_python
from agent.editing.source_files import SourceFileError
from agent.events import (
    EditApplied,
    EditProposed,
    EditReverted,
    Notice,
    ReplyUnusable,
    StageStarted,
)
from agent.fixing.context import (
    OPTIONAL_TOKENS,
    FixPrompt,
    build_fix_messages,
    estimate_tokens,
)
from agent.fixing.judging import Judgement, judge
from agent.fixing.sources import Sources
from agent.fixing.targets import locate_test, project_facts
from agent.fixing.verify import State, TestRunner
from agent.model.protocol import ContextLengthError, Model, ReplyRefusedError
from agent.reply.parse import parse_reply
from agent.reply.parsed import FileEdits, Unusable
from agent.streaming import Emit
from agent.testing.failures import evidence_of
from agent.turn.asking import ONLY_THOUGHT, ReplyProgress, ask, unsaid
from agent.workspace.host_files import MayWrite
from learning.records import Action, Message, Sampling, Verdict
from sandbox.box.contract import SandboxError
from sandbox.verdict.report import TestResult

_REPLY_MARGIN_TOKENS = 160

Reword = Callable[[tuple[Message, ...]], tuple[Message, ...]]
"""Changes the messages of a prompt."""

Advise = Callable[[TestResult, Sources], Awaitable[Advice]]
"""Facts and hints about a red test."""


class Judging(Protocol):
    """A note of an edit that is being judged."""

    def done(self) -> None:
        """Forget the note: the edit was judged, or put back."""


WillJudge = Callable[[Path, bytes], Judging]
"""Takes the file and what will be in it; blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The tools and limits of an attempt."""

    sources: Sources
    runner: TestRunner
    model: Model
    emit: Emit
    advise: Advise | None = None
    """Help beside the failure itself; None for none."""
    names: AskNames | None = None
    """Asks which names exist in the place of one that does not; None if nobody may ask."""
    may_write: MayWrite | None = None
    """Decides about each edit before it is written; None allows all."""
    allow_test_edits: bool = False
    max_reply_tokens: int = 2048
    least_reply_tokens: int = 0
    largest_file_tokens: int = 4096
    will_judge: WillJudge | None = None
    """Notes an edit before it is written, so that a kill leaves none unjudged; None where nothing
    of the user's is edited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The subject of one attempt: the red test, the file, and how the model is asked."""

    result: TestResult
    path: str
    note: str = ""
    temperature: float = 0.0
    seed: int = 0
    advice: Advice = field(default_factory=Advice)
    think: bool = False
    """True if the model is to name the fault first: another way out when it repeats itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A prompt and the action that answered it."""

    messages: tuple[Message, ...]
    action: Action
    before: str | None
    """The file as it stood in the prompt; None if it did not exist."""
    only_thought: str = ""
    """The model's reasoning, if it gave no answer."""


async def fitting_prompt(parts: Parts, plan: Plan, source: str) -> tuple[FixPrompt, int] | str:
    """A prompt with the number of tokens left for the reply; a sentence if nothing fits.

    What is optional in the prompt goes before anything is refused, and that is said.
    """
    size = estimate_tokens(source)
    if size > parts.largest_file_tokens:
        return (
            f"{plan.path} is not written anew as a whole: it has about {size} tokens, and"
            f" fix.largest_file_tokens is {parts.largest_file_tokens}"
        )
    needed = size + _REPLY_MARGIN_TOKENS
    used = 0
    for optional_tokens in (OPTIONAL_TOKENS, 0):
        prompt = _prompt(parts, plan, source, optional_tokens=optional_tokens)
        used = await parts.model.count_tokens(prompt.messages)
        room = parts.model.context_length - used
        if room >= needed:
            _say_what_is_in(parts, plan, prompt, hinted=bool(optional_tokens))
            usual = max(needed, min(2 * needed, parts.max_reply_tokens))
            return prompt, min(room, max(usual, parts.least_reply_tokens))
    return (
        f"{plan.path} is too large for {parts.model.name}: the prompt has {used} tokens and the"
        f" reply needs about {needed}, but the context has {parts.model.context_length};"
        " use a model with a larger context"
    )


def _say_what_is_in(parts: Parts, plan: Plan, prompt: FixPrompt, *, hinted: bool) -> None:
    for sentence in prompt.left_out:
        parts.emit(Notice(sentence))
    if hinted and plan.advice.used:
        parts.emit(Notice(plan.advice.used))


def _prompt(parts: Parts, plan: Plan, source: str, *, optional_tokens: int) -> FixPrompt:
    return build_fix_messages(
        path=plan.path,
        source=source,
        result=plan.result,
        evidence=evidence_of(plan.result),
        test=locate_test(plan.result, parts.sources),
        sources=parts.sources,
        facts=[
            *project_facts(plan.result, plan.path, parts.sources),
            *(fact.text for fact in plan.advice.facts),
        ],
        hints=plan.advice.hints.text if optional_tokens else "",
        note=plan.note,
        think=plan.think,
        optional_tokens=optional_tokens,
    )


async def ask_for_file(
    parts: Parts, plan: Plan, before: str | None, *, reword: Reword = lambda messages: messages
) -> Asked | str:
    """Ask the model once for the file anew; a sentence if the prompt cannot be sent or answered.

    `before` is the text of the file now, None if there is none.

    Raises:
        ModelError: If there is no answer.
    """
    fitting = await fitting_prompt(parts, plan, before or "")
    if isinstance(fitting, str):
        return fitting
    messages, room = reword(fitting[0].messages), fitting[1]
    sampling = Sampling(temperature=plan.temperature, seed=plan.seed, max_tokens=room)
    parts.emit(StageStarted(f"{parts.model.name} rewrites {plan.path}"))
    watch = ReplyProgress(parts.emit, expected_characters=len(before or ""))
    try:
        reply = await ask(
            parts.model, messages, sampling=sampling, emit=parts.emit, on_text=watch.add
        )
    except (ContextLengthError, ReplyRefusedError) as err:
        return str(err)
    return Asked(messages=messages, action=reply.action, before=before, only_thought=unsaid(reply))


def read_edit(parts: Parts, asked: Asked, path: str) -> Accepted | str:
    """The edit of `path` that the reply gives, checked; or why it cannot be used."""
    if asked.only_thought:
        return ONLY_THOUGHT
    reading = parse_reply(
        asked.action.text,
        known_paths=parts.sources.files | {path},
        default_path=path,
        finish=asked.action.finish,
    )
    if isinstance(reading, Unusable):
        return reading.reason
    if not isinstance(reading, FileEdits):
        return "The reply has no code block. Give the whole file in one fenced block."
    others = [edit.path for edit in reading.edits if edit.path != path]
    unasked = [f"the reply also gives {other}, which was not asked for" for other in others]
    wanted = next((edit for edit in reading.edits if edit.path == path), None)
    if wanted is None:
        return f"The reply is about {others[0]}. Give only the whole file {path}."
    for sentence in (*reading.notes, *unasked):
        parts.emit(Notice(sentence))
    root, allow = parts.sources.root, parts.allow_test_edits
    checked = check_edit(root, wanted.beside(asked.before), asked.before, allow_test_edits=allow)
    if isinstance(checked, Refused):
        return f"{checked.reason[:1].upper()}{checked.reason[1:]}."
    return checked


async def refusal_of(parts: Parts, edit: Accepted | str) -> str:
    """Ask about an edit if it has to be asked about; why it may not be written, empty if it may."""
    if isinstance(edit, str) or parts.may_write is None:
        return ""
    decision = await parts.may_write(edit.path, edit.diff)
    return "" if decision.allowed else f"{edit.path} is not written: {decision.reason}"


def what_it_gives(asked: Asked, edit: Accepted | str) -> str:
    """The edit of a reply as a program, comments and layout aside; of another reply its text."""
    if isinstance(edit, str):
        return asked.only_thought or asked.action.text.strip()
    tree = parse_python(edit.after) if edit.path.endswith(".py") else None
    return f"{edit.path}\n{ast.dump(tree) if tree is not None else edit.after.strip()}"


async def try_edit(parts: Parts, edit: Accepted, state: State, target: str) -> Judgement:
    """Apply an edit and judge it; it is on disk afterwards only if the judgement is a pass.

    Raises:
        SandboxError: If the sandbox gave no answer; the file is put back before.
    """
    parts.emit(EditProposed(edit.path, edit.diff))
    judging = None
    if parts.will_judge is not None:
        judging = await asyncio.to_thread(parts.will_judge, edit.target, edit.data)
    applied = _applied(edit, judging)
    reason = "interrupted before the tests could judge it"
    kept = False
    try:
        parts.emit(EditApplied(edit.path, edit.diff))
        judgement = await judge(parts.runner, parts.emit, state, target)
        kept, reason = judgement.verdict is Verdict.PASS, judgement.reason
    except SandboxError as err:
        reason = f"the sandbox gave no answer: {err}"
        raise
    finally:
        if not kept:
            _put_back(parts, applied, reason)
        if judging is not None:
            judging.done()
    return judgement


def _applied(edit: Accepted, judging: Judging | None) -> Applied:
    try:
        return apply_edit(edit)
    except SourceFileError:
        if judging is not None:
            judging.done()
        raise


def reply_problem(parts: Parts, reason: str) -> str:
    """Show that a reply was not used; the note for the next attempt."""
    parts.emit(ReplyUnusable(reason))
    return f"An earlier reply was not used. {reason}"


def _put_back(parts: Parts, applied: Applied, reason: str) -> None:
    if revert_edit(applied):
        parts.emit(EditReverted(applied.path, reason))
    else:
        text = f"{applied.path} was changed by somebody else meanwhile and is left as it is"
        parts.emit(Notice(text, "warning"))
