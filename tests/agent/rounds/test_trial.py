"""A trial of two systems on the same tasks, and what is kept of it."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.events import Event, Progress
from agent.mining.tasks import RepositoryTask
from agent.mining.trees import CommitTree, CommitTrees
from agent.rounds.process import LearnerSwitch
from agent.rounds.trial.bench import Bench, BenchConditions
from agent.rounds.trial.claimed import ClaimedTasks, library_tasks, repository_tasks
from agent.rounds.trial.ledger import LedgerError, TrialLedger, TrialPlan
from agent.rounds.trial.run import KeptTasks, TrialResources, expected_s, run_trial
from learning.evaluation.humaneval import Problem
from learning.evaluation.prompting import Prompt
from learning.evaluation.task import Generated, Judged, Task
from learning.promotion.claims import Claim
from learning.promotion.gate import GateDecision, decide
from learning.promotion.regression import regression_problems
from learning.records import Message
from sandbox.box.status import Status
from sandbox.warm.judge import CheckTask
from tests.fakes.answering import Answer, AnsweringSystems
from tests.fakes.history import ReadingRunners, checks_of, id_of, module
from tests.fakes.judge import FakeJudge
from tests.fakes.sandbox import failed

NEW = "el-shop-v0001-0123abcd"
_NUMBER = re.compile(r"The file plus(\d+)\.py|def guard(\d+)\(")


def _task(number: int) -> RepositoryTask:
    return RepositoryTask(
        id=f"plus{number}",
        commit=str(number),
        committed_at=number,
        path=f"plus{number}.py",
        function=f"plus{number}",
        kind="stub",
        broken=module(number).replace(f"return x + {number}", "raise NotImplementedError"),
        green=(),
        failing=(failed(id_of(number)),),
        duration_s=0.1,
        real=module(number),
    )


def _claimed(means: TrialResources, tasks: Sequence[RepositoryTask]) -> ClaimedTasks:
    return repository_tasks(
        means.bench, {task.id: task for task in tasks}, eligible=tasks, tokens_per_s=8.0
    )


def _use(number: int) -> Task:
    """A held-out use of an API; who knows the call `total<number>` passes."""

    async def judged(reply: Generated) -> Judged:
        right = f"total{number}(" in reply.text
        return Judged(
            raw=reply.text,
            clean=reply.text,
            raw_verdict="pass" if right else "fail",
            verdict="pass" if right else "fail",
        )

    asked = Message(role="user", content=f"The total of column {number}.")
    return Task(id=f"use-{number}", prompt=Prompt(messages=(asked,)), judge=judged)


def _general(number: int) -> Problem:
    return Problem(
        task_id=f"guard/{number}",
        prompt=f'def guard{number}(x):\n    """Return x plus {number}."""\n',
        entry_point=f"guard{number}",
        canonical_solution=f"    return x + {number}\n",
        test="",
    )


def _knows(repository: range, general: range = range(100)) -> Answer:
    """A system that solves the tasks of these numbers."""

    def answer(asked: str) -> str:
        own, guard = (_NUMBER.search(asked) or pytest.fail(asked)).groups()
        number = int(own or guard)
        added = number if number in (repository if own else general) else 0
        text = module(number, added)
        return f"```python\n{text if own else text.replace('plus', 'guard')}```"

    return answer


def _judged(task: CheckTask) -> Status:
    number = task.entry_point.removeprefix("guard")
    return Status.PASS if f"return x + {number}\n" in task.source else Status.FAIL


_WORSE: dict[str | None, Answer] = {None: _knows(range(70)), NEW: _knows(range(40))}


class _SmallTrees(CommitTrees):
    """The commit of each task has its module and nothing else."""

    def __init__(self, folder: Path) -> None:
        self._home = folder

    async def at(self, commit: str) -> CommitTree:
        folder, number = self._home / commit, int(commit)
        if not folder.exists():
            (folder / "tests").mkdir(parents=True)
            (folder / f"plus{number}.py").write_text(module(number))
            (folder / "tests" / f"test_plus{number}.py").write_text(checks_of(number))
        runner = ReadingRunners().at_commit(commit, folder)
        return CommitTree(commit=commit, folder=folder, files=[f"plus{number}.py"], runner=runner)


@dataclass
class _Place:
    home: Path
    systems: AnsweringSystems
    events: list[Event] = field(default_factory=list)
    clock: Callable[[], float] = lambda: 0.0
    switch: LearnerSwitch = field(default_factory=LearnerSwitch)
    budget_s: float = 1.0

    @property
    def ledger(self) -> TrialLedger:
        return TrialLedger(self.home / "trials")

    def means(self) -> TrialResources:
        bench = Bench(
            systems=self.systems,
            trees=_SmallTrees(self.home / "trees"),
            judge=FakeJudge(verdict=_judged),
            folder=self.home / "results",
            about=BenchConditions(model="scripted", weights_sha256="w", image_id="i"),
        )
        return TrialResources(
            bench=bench,
            ledger=self.ledger,
            emit=self.events.append,
            budget_s=self.budget_s,
            regression=[_general(number) for number in range(60)],
            switch=self.switch,
            clock=self.clock,
        )

    async def decide(self, count: int = 60, *, adapter: str = NEW) -> GateDecision:
        tasks = [_task(number) for number in range(1, count + 1)]
        plan = self.ledger.plan(adapter, None, [task.id for task in tasks])
        means = self.means()
        return decide(await run_trial(plan, _claimed(means, tasks), means))


@pytest.fixture
def place(tmp_path: Path) -> _Place:
    return _Place(
        tmp_path,
        AnsweringSystems({None: _knows(range(40)), NEW: _knows(range(70))}),
    )


async def test_a_better_adapter_is_promoted_on_fresh_tasks_too(place: _Place) -> None:
    place.systems.answers[None] = _knows(range(20))
    decision = await place.decide()
    assert decision.kind == "promoted", decision.reason
    assert [(gate.name, gate.outcome) for gate in decision.gates][-3:] == [
        ("tasks of this repository", "passed"),
        ("general tasks", "passed"),
        ("tasks never used before", "passed"),
    ]
    assert decision.reason.startswith("better than the incumbent: 30 wins, 0 losses on 30 tasks")


async def test_an_adapter_that_is_worse_is_rejected_before_anything_else_is_asked(
    place: _Place,
) -> None:
    place.systems.answers = _WORSE
    decision = await place.decide()
    assert decision.kind == "rejected"
    assert "0 wins" in decision.reason
    assert place.systems.replies == {None: 30, NEW: 30}
    assert not place.ledger.plan(NEW, None, []).looked


async def test_an_adapter_that_forgets_is_rejected_at_the_third_loss(place: _Place) -> None:
    place.systems.answers[NEW] = _knows(range(70), general=range(5, 100))
    decision = await place.decide()
    assert decision.kind == "rejected"
    assert decision.reason.startswith("it forgets: 3 losses")
    assert place.systems.replies[NEW] == 34  # 30 of the repository's, and four of the others


async def test_a_gain_that_does_not_hold_on_fresh_tasks_is_rejected(place: _Place) -> None:
    place.systems.answers[None] = _knows(range(40))
    decision = await place.decide()
    assert decision.gates[-1].name == "tasks never used before"
    assert decision.kind == "rejected"
    assert decision.reason.startswith("the gain did not hold on fresh tasks")


async def test_too_few_tasks_leave_it_in_shadow_and_cost_nothing(place: _Place) -> None:
    decision = await place.decide(29)
    assert decision.kind == "shadow"
    assert decision.reason == "kept in shadow: not enough held-out evidence (29 of 30)"
    assert place.systems.models == {}


async def test_without_enough_fresh_tasks_a_winner_waits(place: _Place) -> None:
    place.systems.answers[None] = _knows(range(5))
    decision = await place.decide(39)
    assert decision.kind == "shadow"
    assert "9 of 10 fresh tasks are there" in decision.reason


async def test_hard_coded_values_are_seen_in_the_replies(place: _Place) -> None:
    knows = _knows(range(70))

    def cheats(asked: str) -> str:
        return knows(asked).replace("    return", "    if x == 1:\n        return 2\n    return")

    place.systems.answers[NEW] = cheats
    decision = await place.decide()
    assert decision.kind == "rejected"
    assert "literal" in decision.reason


async def test_an_interrupted_trial_goes_on_where_it_was(place: _Place) -> None:
    place.systems.answers = _WORSE
    ticks = itertools.count()
    place.clock = lambda: float(next(ticks))
    place.budget_s = 25.0
    first = await place.decide()
    assert first.kind == "shadow"
    assert f"`elagent adapters try {NEW}` goes on" in first.reason
    before = sum(place.systems.replies.values())
    assert 0 < before < 60
    place.clock, place.budget_s = lambda: 0.0, 1.0
    second = await place.decide()
    assert second.kind == "rejected"
    assert place.systems.replies == {None: 30, NEW: 30}


async def test_what_is_in_use_is_measured_once_for_all_candidates(place: _Place) -> None:
    other = "el-shop-v0002-0123abcd"
    place.systems.answers = {
        None: _knows(range(70)),
        NEW: _knows(range(1)),
        other: _knows(range(1)),
    }
    await place.decide()
    await place.decide(adapter=other)
    assert place.systems.replies == {None: 30, NEW: 30, other: 30}


async def test_while_somebody_needs_the_machine_nothing_is_asked(place: _Place) -> None:
    place.systems.answers = _WORSE
    place.switch.pause()
    work = asyncio.create_task(place.decide())
    await asyncio.sleep(0.05)
    assert place.systems.models == {}
    place.switch.resume()
    assert (await work).kind == "rejected"


async def test_the_time_it_takes_is_said_and_shrinks(place: _Place) -> None:
    place.systems.answers = _WORSE
    tasks = [_task(number) for number in range(1, 61)]
    plan = place.ledger.plan(NEW, None, [task.id for task in tasks])
    means = place.means()
    claimed = _claimed(means, tasks)
    before = expected_s(plan, claimed, means)
    await run_trial(plan, claimed, means)
    assert 0.0 < expected_s(plan, claimed, means) < before
    assert any(
        isinstance(e, Progress) and e.total == 30 and e.unit == "tasks" for e in place.events
    )


def _uses(last: int, repairs: range = range(0)) -> Answer:
    """Knows the calls up to a number, and some repairs."""

    def answer(asked: str) -> str:
        if "column " not in asked:
            return _knows(repairs)(asked)
        number = int(asked.rpartition("column ")[2].split(".")[0])
        return f"total{number}(x)" if number <= last else "summed(x)"

    return answer


@pytest.mark.parametrize(
    ("repairs", "there", "kind", "words"),
    [
        (range(39), 40, "promoted", "better"),
        (range(30), 40, "rejected", "loses what the incumbent is in use for"),
        (range(40), 5, "shadow", "of which 5 of 10 are there"),
    ],
)
async def test_what_the_incumbent_is_in_use_for_must_not_be_lost(
    place: _Place, repairs: range, there: int, kind: str, words: str
) -> None:
    old = "el-shop-v0000-00000000"
    place.systems.answers = {old: _uses(10, range(41)), NEW: _uses(60, repairs)}
    means = place.means()
    uses = library_tasks(means.bench, [_use(n) for n in range(1, 61)], tokens_per_s=8.0)
    plan = place.ledger.plan(NEW, old, uses.eligible)
    repaired = _claimed(means, [_task(number) for number in range(1, there + 1)])
    kept = KeptTasks(tasks=repaired, words=Claim.REPAIRS.tasks)

    decision = decide(await run_trial(plan, uses, means, Claim.LIBRARY, kept=kept))

    assert decision.kind == kind, decision.reason
    assert words in decision.reason
    assert f"what is in use: {Claim.REPAIRS.tasks}" in [gate.name for gate in decision.gates]


async def test_knowledge_of_a_library_is_tried_on_its_held_out_uses(place: _Place) -> None:
    place.systems.answers = {None: _uses(10), NEW: _uses(60)}
    means = place.means()
    uses = library_tasks(means.bench, [_use(n) for n in range(1, 61)], tokens_per_s=8.0)
    plan = place.ledger.plan(NEW, None, uses.eligible)
    decision = decide(await run_trial(plan, uses, means, Claim.LIBRARY))
    assert decision.kind == "promoted", decision.reason
    assert "uses of learned APIs" in [gate.name for gate in decision.gates]
    assert len(means.bench.known("library", NEW)) == 60
    assert means.bench.known("repo", NEW) == {}
    again = place.means()  # what was answered is not asked again
    uses = library_tasks(again.bench, [_use(n) for n in range(1, 61)], tokens_per_s=8.0)
    assert uses.expected_s(again.bench, NEW, plan.held_out) == 0.0


async def test_a_claim_without_enough_held_out_uses_stays_in_shadow(place: _Place) -> None:
    means = place.means()
    uses = library_tasks(means.bench, [_use(n) for n in range(1, 20)], tokens_per_s=8.0)
    plan = place.ledger.plan(NEW, None, uses.eligible)
    decision = decide(await run_trial(plan, uses, means, Claim.LIBRARY))
    assert decision.kind == "shadow"
    assert "not enough held-out evidence (19 of 30)" in decision.reason


def _ids(numbers: range) -> list[str]:
    return [f"t{number:02d}" for number in numbers]


def test_a_plan_does_not_change_once_there_is_enough(tmp_path: Path) -> None:
    ledger = TrialLedger(tmp_path)
    small = ledger.plan(NEW, None, _ids(range(20)))
    assert (len(small.held_out), small.confirming) == (20, ())
    grown = ledger.plan(NEW, None, _ids(range(50)))
    assert (len(grown.held_out), len(grown.confirming)) == (30, 20)
    assert not set(grown.held_out) & set(grown.confirming)
    assert ledger.plan(NEW, None, _ids(range(90))) == grown


def test_what_confirmed_a_winner_is_never_fresh_again(tmp_path: Path) -> None:
    ledger = TrialLedger(tmp_path)
    first = ledger.plan(NEW, None, _ids(range(60)))
    ledger.look(first)
    second = ledger.plan("el-shop-v0002-0123abcd", NEW, _ids(range(75)))
    assert len(second.held_out) == 40
    assert set(second.held_out) <= first.used | set(first.confirming)
    assert second.confirming == tuple(reversed(_ids(range(60, 75))))


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    (tmp_path / f"{NEW}.json").write_text("{")
    with pytest.raises(LedgerError, match=NEW):
        TrialLedger(tmp_path).plan(NEW, None, [])


def test_the_general_tasks_are_sixty_functions_that_their_own_solutions_pass() -> None:
    problems = regression_problems()
    assert len({problem.entry_point for problem in problems}) == 60
    for problem in problems:
        scope: dict[str, object] = {}
        text = problem.prompt + problem.canonical_solution + problem.test
        exec(f"{text}\ncheck({problem.entry_point})\n", scope)  # noqa: S102 - our own lines


def test_a_plan_knows_what_it_uses_up() -> None:
    few = TrialPlan(adapter=NEW, incumbent=None, held_out=("a",), confirming=("b",))
    assert few.used == frozenset()


def test_a_planned_task_that_is_gone_gives_its_place_to_a_fresh_one(tmp_path: Path) -> None:
    ledger = TrialLedger(tmp_path)
    first = ledger.plan(NEW, None, _ids(range(50)))
    there = [each for each in _ids(range(60)) if each != first.held_out[3]]

    again = ledger.plan(NEW, None, there, there=there)

    assert len(again.held_out) == 30
    assert set(again.held_out) - set(first.held_out) <= set(there)
    assert [t for t in again.held_out if t in first.held_out] == [
        t for t in first.held_out if t in there
    ]
    assert not set(again.held_out) & set(again.confirming)
    assert ledger.plan(NEW, None, there, there=there) == again
