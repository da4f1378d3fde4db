"""A repository over time: the later part is measured, the older part becomes experience."""

from __future__ import annotations

import dataclasses
import itertools
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.events import Event, Notice
from agent.mining.finding import find_tasks
from agent.mining.tasks import TaskFile
from agent.mining.trees import CommitTrees, open_trees
from agent.rounds.trial.bench import Bench, BenchConditions
from agent.rounds.trial.capability import measure_capabilities
from agent.rounds.trial.replay import gather, replay
from agent.session.capture import Recorder
from agent.streaming import Emit
from learning.evaluation.samples import Sample, SampleFile, read_manifest
from learning.experience.store import ExperienceStore
from learning.model.catalog import ModelIdentity
from learning.promotion.adapters import AdapterStore
from learning.promotion.capability import Capability, known_capabilities
from learning.records import EvidenceKind, Message, Verdict
from sandbox.box.status import Status
from tests.fakes.answering import Answer, AnsweringSystems
from tests.fakes.experiences import make_action, make_evidence
from tests.fakes.history import ReadingRunners, build_history, id_of, module
from tests.fakes.judge import FakeJudge


@dataclass
class _Place:
    root: Path
    store: ExperienceStore
    systems: AnsweringSystems
    events: list[Event] = field(default_factory=list)
    in_use: str | None = None

    @property
    def adapters(self) -> AdapterStore:
        return AdapterStore(self.root.parent / "adapters")

    @asynccontextmanager
    async def bench(self, _emit: Emit) -> AsyncIterator[tuple[Bench, CommitTrees]]:
        async with open_trees(self.root, os.environ, ReadingRunners()) as trees:
            bench = Bench(
                systems=self.systems,
                trees=trees,
                judge=FakeJudge(verdict=lambda _: Status.PASS),
                folder=self.root.parent / "answers",
                about=BenchConditions(model="scripted", weights_sha256="w", image_id="i"),
            )
            yield bench, trees

    async def find(self, trees: CommitTrees, emit: Emit, *, budget_s: float) -> TaskFile:
        known = TaskFile(self.root.parent / "tasks.jsonl")
        await find_tasks(
            self.root, environ=os.environ, trees=trees, known=known, emit=emit, budget_s=budget_s
        )
        return known


def _second_time(asked: str) -> str:
    """Right once the prompt says that something was tried before."""
    number = next(n for n in range(1, 9) if f"The file plus{n}.py" in asked)
    added = number if "An earlier correction" in asked or number % 2 else 0
    return f"```python\n{module(number, added)}```"


@pytest.fixture
def place(tmp_path: Path) -> Iterator[_Place]:
    root = tmp_path / "project"
    root.mkdir()
    build_history(root, 6)
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        yield _Place(root, store, AnsweringSystems({None: _second_time}))


async def test_the_later_part_is_answered_once_and_kept_for_comparisons(place: _Place) -> None:
    seen: list[tuple[Sample, int, int]] = []

    async def again() -> tuple[SampleFile, Sequence[Sample]]:
        return await replay(
            place,
            emit=place.events.append,
            budget_s=60,
            on_sample=lambda *item: seen.append(item),
        )

    await again()
    file, samples = await again()
    assert [(s.task_id.partition("@")[0], s.passed) for s in samples] == [
        ("plus3.py::plus3", True),
        ("plus4.py::plus4", False),
        ("plus5.py::plus5", True),
        ("plus6.py::plus6", False),
    ]
    assert place.systems.replies == {None: 4}
    assert [done for _, done, _ in seen] == [1, 2, 3, 4, 1, 2, 3, 4]
    assert read_manifest(file.folder).suite == "repo"
    assert len(file.read()) == 4


async def test_a_replay_that_is_out_of_time_says_so(place: _Place) -> None:
    ticks = itertools.count()
    _, samples = await replay(
        place, emit=place.events.append, budget_s=60, part="all", clock=lambda: 25.0 * next(ticks)
    )
    assert len(samples) == 2
    assert Notice("the time is used up; the same command goes on", "warning") in place.events


async def test_the_older_part_becomes_experience_with_what_fixed_it(place: _Place) -> None:
    recorder = Recorder(place.store, repository="project", session="repo-1")
    assert await gather(place, recorder, emit=place.events.append, budget_s=60) == 2
    fixed, failed, first_try = place.store.list()
    assert [each.verdict for each in (first_try, failed, fixed)] == [
        Verdict.PASS,
        Verdict.FAIL,
        Verdict.PASS,
    ]
    assert first_try.targets == (id_of(1),)
    assert failed.targets == (id_of(2),)
    assert failed.evidence[0].exception == "AssertionError"
    assert (failed.after, fixed.after) == (module(2, added=0), module(2))
    assert fixed.fixes == failed.id
    assert fixed.trust.may_train


_BASE = ModelIdentity(weights_sha256="w" * 64, tokenizer_sha256="t" * 64, template_sha256="c" * 64)


async def _failures(place: _Place, count: int) -> None:
    """Failing steps at the tasks of a longer history, as sessions would have left them."""
    build_history(place.root, count, first=7)
    async with place.bench(place.events.append) as (_, trees):
        known = await place.find(trees, place.events.append, budget_s=600)
    template = next(each for each in place.store.list() if each.verdict is Verdict.FAIL)
    for number, task in enumerate(known.in_time):
        place.store.add(
            dataclasses.replace(
                template,
                id=f"failed-{number}",
                messages=(Message(role="user", content=f"The file {task.path}: repair it."),),
                action=make_action(f"try {number}", model="scripted"),
                path=task.path,
                before=task.broken,
                targets=task.red_ids,
                evidence=(make_evidence(subject=task.red_ids[0], message=f"assert {number} == 9"),),
            )
        )


def _reads(asked: str) -> str:
    """Right wherever the note says what the tools said."""
    number = int(asked.partition("The file plus")[2].partition(".py")[0])
    return f"```python\n{module(number, number if 'assert ' in asked else 0)}```"


def _reads_nothing(asked: str) -> str:
    return _reads(asked.replace("assert ", ""))


async def _capability(place: _Place, answer: Answer, folder: Path) -> Capability:
    place.systems = AnsweringSystems({None: answer})
    await measure_capabilities(
        place,
        base=_BASE,
        model="scripted",
        folder=folder,
        emit=place.events.append,
        budget_s=600,
    )
    return known_capabilities(folder, _BASE)[EvidenceKind.TEST_FAILURE]


@pytest.mark.slow
async def test_evidence_that_helps_at_thirty_failed_steps_is_read(
    place: _Place, tmp_path: Path
) -> None:
    recorder = Recorder(place.store, repository="project", session="repo-1")
    await gather(place, recorder, emit=place.events.append, budget_s=60)
    await _failures(place, 26)
    found = await _capability(place, _reads, tmp_path / "learn")
    assert (found.state, found.tasks) == ("reads", 32)
    asked = place.systems.replies[None]
    assert asked == 64
    again = await _capability(place, _reads_nothing, tmp_path / "learn")
    assert (again.state, place.systems.replies) == ("reads", {}), "answers are kept"


async def test_a_model_that_makes_nothing_of_the_evidence_stays_undecided_on_few_steps(
    place: _Place, tmp_path: Path
) -> None:
    recorder = Recorder(place.store, repository="project", session="repo-1")
    await gather(place, recorder, emit=place.events.append, budget_s=60)
    found = await _capability(place, _reads_nothing, tmp_path / "learn")
    assert (found.state, found.tasks) == ("undecided", 1)
    control, evidence = (
        asked.partition("Review note")[2] for asked in place.systems.models[None].asked
    )
    assert "nothing more is known" in control or "not available" in control
    assert "AssertionError: assert 1 == 2" in evidence
