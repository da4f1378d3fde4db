"""Measures if the model can use the evidence of tools: it repeats failing steps with evidence added.

The bare model answers each stored failing step twice, greedily: at its own prompt with a note of the
tools' evidence, and with a control note of the same form and no content. The tests judge both. Only kinds
of evidence that help are learned from (`learning.promotion.capability`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.events import Notice, Progress, StageStarted
from agent.fixing.context import estimate_tokens
from agent.mining.rollout import roll_out
from agent.mining.tasks import RepositoryTask, TaskFile
from agent.rounds.trial.bench import Bench
from agent.rounds.trial.replay import MeasuredRepository
from agent.streaming import Emit
from learning.evaluation.samples import Sample, SampleFile
from learning.evaluation.statistics import pair
from learning.model.catalog import ModelIdentity
from learning.promotion.capability import Capability, judge_capability, keep_capability
from learning.records import Evidence, EvidenceKind, Experience, Message, Verdict
from learning.training.teacher_context import control_notes, evidence_notes, with_note

MOST_TASKS = 40
_NOTE_TOKENS = 256
_ARMS = ("control", "evidence")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingTask:
    """A failing step to repeat, with its two notes."""

    id: str
    kind: EvidenceKind
    step: Experience
    task: RepositoryTask
    notes: tuple[str, str]
    """The control note, then the note with evidence."""


def reading_tasks(
    experiences: Sequence[Experience], known: TaskFile, *, model: str
) -> Iterator[ReadingTask]:
    """The steps to repeat, newest first; one for each task and kind of evidence.

    A step counts if the state of its file is a task that the tests still judge.
    """
    by_state = {(task.path, task.broken): task for task in known.tasks.values()}
    failed = [each for each in experiences if each.model == model and each.verdict is Verdict.FAIL]
    everything = [fact for each in failed for fact in each.evidence]
    taken: set[tuple[str, EvidenceKind]] = set()
    for step in failed:
        task = by_state.get((step.path, step.before))
        if task is None:
            continue
        for kind in dict.fromkeys(fact.kind for fact in step.evidence):
            notes = _notes(step, kind, everything)
            if notes and (task.id, kind) not in taken:
                taken.add((task.id, kind))
                yield ReadingTask(
                    id=f"{step.id}:{kind.value}", kind=kind, step=step, task=task, notes=notes
                )


def _notes(
    step: Experience, kind: EvidenceKind, others: Sequence[Evidence]
) -> tuple[str, str] | None:
    own = [fact for fact in step.evidence if fact.kind is kind]
    tried = step.action.text
    evidence = evidence_notes(
        own, completion=tried, budget=_NOTE_TOKENS, count=estimate_tokens, forms=1
    )
    control = control_notes(
        own, others, completion=tried, budget=_NOTE_TOKENS, count=estimate_tokens, controls=1
    )
    return (control[0], evidence[0]) if evidence and control else None


async def measure_capabilities(
    place: MeasuredRepository,
    *,
    base: ModelIdentity,
    model: str,
    folder: Path,
    emit: Emit,
    budget_s: float,
    clock: Callable[[], float] = time.monotonic,
) -> Sequence[Capability]:
    """Measure each stored kind of evidence, and keep the results in `folder`.

    Stored answers are reused. A kind is judged only when all its answers are there.

    Raises:
        AgentError, LearningError, SandboxError: If something is missing or gives no answer.
    """
    found: list[Capability] = []
    async with place.bench(emit) as (bench, trees):
        known = await place.find(trees, emit, budget_s=budget_s)
        end = clock() + budget_s
        wanted = list(reading_tasks(place.store.list(), known, model=model))
        for kind in dict.fromkeys(each.kind for each in wanted):
            chosen = [each for each in wanted if each.kind is kind][:MOST_TASKS]
            measured = await _measured(bench, chosen, emit, lambda: clock() > end)
            if measured is None:
                emit(Notice("the time is used up; the same command goes on", "warning"))
                break
            keep_capability(folder, base, measured)
            found.append(measured)
    return found


async def _measured(
    bench: Bench, chosen: Sequence[ReadingTask], emit: Emit, late: Callable[[], bool]
) -> Capability | None:
    kind = chosen[0].kind
    emit(StageStarted(f"asking {len(chosen)} failed steps again ({kind.value})"))
    files = [bench.arm("capability", arm) for arm in _ARMS]
    scores: list[dict[str, float]] = [{}, {}]
    for number, reading in enumerate(chosen, 1):
        for side, file in enumerate(files):
            if late():
                return None
            sample = await _answer(bench, reading, file, reading.notes[side])
            scores[side][reading.id] = float(sample.passed)
        emit(Progress(number, len(chosen), "steps"))
    return judge_capability(kind, pair(*scores))


async def _answer(bench: Bench, reading: ReadingTask, file: SampleFile, note: str) -> Sample:
    known = file.read()
    if (reading.id, 0) in known:
        return known[reading.id, 0]

    def noted(_: tuple[Message, ...]) -> tuple[Message, ...]:
        return with_note(reading.step.messages, note)

    made = await roll_out(
        reading.task,
        tree=await bench.tree(reading.task),
        model=await bench.model(None),
        reword=noted,
    )
    sample = replace(made.sample, task_id=reading.id, told=note)
    file.append([sample])
    return sample
