"""One rollout of a model on a repository task: prompt, checks and judgement of the fix loop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.events import Event, ReplyFinished, TestsFinished
from agent.fixing.attempts import (
    Asked,
    Parts,
    Plan,
    Reword,
    ask_for_file,
    read_edit,
    try_edit,
)
from agent.fixing.judging import Judgement, evidence_after
from agent.fixing.sources import Sources
from agent.fixing.verify import State
from agent.mining.tasks import RepositoryTask, text_digest
from agent.mining.trees import CommitTree
from agent.model.protocol import Model
from agent.prompt_files import prompt
from learning.evaluation.samples import Sample
from learning.records import Evidence, Verdict
from sandbox.box.status import Status
from sandbox.box.streams import display_safe

_NOTE_CHARACTERS = 300
_MOST_REPLY_TOKENS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRollout:
    """One completion of a task, with all that an experience of it needs."""

    sample: Sample
    asked: Asked | None = None
    """None if the prompt could not be sent or answered."""
    after: str = ""
    """The file in the reply; empty without one."""
    evidence: tuple[Evidence, ...] = ()
    """Evidence of its failure."""
    judgement: Judgement | None = None


def prompts_digest() -> str:
    """Digest of the prompts that every task is asked with."""
    return text_digest(prompt("fix_system") + prompt("fix_user"))


async def roll_out(
    task: RepositoryTask,
    *,
    tree: CommitTree,
    model: Model,
    note: str = "",
    temperature: float = 0.0,
    seed: int = 0,
    reword: Reword = lambda messages: messages,
) -> RepositoryRollout:
    """Let a model try a task once. A pass makes all red tests green and no other test red.

    The prompt holds no facts and no hints: both depend on the session.

    Raises:
        SandboxError: If the sandbox gives no answer.
        ModelError: If the model gives none.
    """
    spent = _Spent()
    with tree.instead(task.path, task.broken):
        parts = Parts(
            sources=Sources(tree.folder, tree.files),
            runner=tree.runner,
            model=model,
            emit=spent.take,
            max_reply_tokens=_MOST_REPLY_TOKENS,
        )
        plan = Plan(
            result=task.failing[0],
            path=task.path,
            note=note,
            temperature=temperature,
            seed=seed,
        )
        asked = await ask_for_file(parts, plan, task.broken, reword=reword)
        if isinstance(asked, str):
            return RepositoryRollout(sample=_sample(task, Status.ERROR, asked, spent))
        edit = read_edit(parts, asked, task.path)
        if isinstance(edit, str):
            sample = _sample(task, Status.ERROR, edit, spent, reply=asked.action.text)
            return RepositoryRollout(sample=sample, asked=asked)
        judgement = await try_edit(parts, edit, _state(task), task.failing[0].id)
    status, why = _status(judgement)
    sample = _sample(task, status, why, spent, reply=asked.action.text, code=edit.after)
    return RepositoryRollout(
        sample=replace(sample, finish=asked.action.finish),
        asked=asked,
        after=edit.after,
        evidence=evidence_after(judgement),
        judgement=judgement,
    )


def _state(task: RepositoryTask) -> State:
    return State(report=task.report, green=frozenset(task.green), red=task.failing)


def _status(judgement: Judgement) -> tuple[Status, str]:
    if judgement.verdict is Verdict.UNKNOWN:
        return Status.ERROR, judgement.reason
    if judgement.verdict is Verdict.FAIL or judgement.state is None:
        return Status.FAIL, judgement.reason
    if not judgement.trust.may_train:
        return Status.TAMPERED, "what it wrote could have forged the verdict"
    left = [result.id for result in judgement.state.red]
    return (Status.FAIL, f"{left[0]} still fails") if left else (Status.PASS, "")


class _Spent:
    """Costs of the reply and of the test runs."""

    def __init__(self) -> None:
        self.reply: ReplyFinished | None = None
        self.sandbox_s = 0.0

    def take(self, event: Event) -> None:
        """Add the costs that an event reports."""
        if isinstance(event, ReplyFinished):
            self.reply = event
        elif isinstance(event, TestsFinished):
            self.sandbox_s += event.report.duration_s


def _sample(
    task: RepositoryTask,
    status: Status,
    why: str,
    spent: _Spent,
    *,
    reply: str = "",
    code: str = "",
) -> Sample:
    made: Sequence[int] = (0, 0)
    seconds = 0.0
    if spent.reply is not None:
        made = (spent.reply.prompt_tokens, spent.reply.completion_tokens)
        seconds = spent.reply.duration_s
    return Sample(
        task_id=task.id,
        index=0,
        reply=reply,
        raw=code,
        sanitised=code,
        raw_verdict=status.value,
        sanitised_verdict=status.value,
        message=display_safe(why)[:_NOTE_CHARACTERS],
        prompt_tokens=made[0],
        completion_tokens=made[1],
        generation_s=seconds,
        sandbox_s=spent.sandbox_s,
    )
