"""Tasks are found in a real git history, tried, remembered, and split in time."""

from __future__ import annotations

import itertools
import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from agent.events import Event, Notice
from agent.mining.finding import find_tasks
from agent.mining.split import held_out, older_part, overlaps
from agent.mining.tasks import RepositoryTask, TaskFile
from agent.mining.trees import CommitTrees, open_trees
from learning.records import Experience
from sandbox.verdict.report import RunStatus, TestReport
from tests.fakes.experiences import make_action, make_experience
from tests.fakes.history import ReadingRunners, build_history, commit, files_of, id_of, module
from tests.fakes.sandbox import FakeTestRunner, report


@dataclass
class _Place:
    root: Path
    runners: ReadingRunners
    trees: CommitTrees
    events: list[Event] = field(default_factory=list)

    def known(self) -> TaskFile:
        return TaskFile(self.root.parent / "state" / "tasks.jsonl")

    async def find(self, failures: Sequence[Experience] = (), **changes: object) -> TaskFile:
        known = self.known()
        arguments: dict[str, object] = {"budget_s": 600.0, **changes}
        await find_tasks(
            self.root,
            environ=os.environ,
            trees=self.trees,
            known=known,
            emit=self.events.append,
            failures=failures,
            **arguments,  # type: ignore[arg-type]
        )
        return known


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[_Place]:
    root, runners = tmp_path / "project", ReadingRunners()
    root.mkdir()
    async with open_trees(root, os.environ, runners) as trees:
        yield _Place(root, runners, trees)


def _functions(tasks: Sequence[RepositoryTask]) -> list[str]:
    return [task.function for task in tasks]


async def test_each_function_becomes_a_task_at_the_commit_that_made_it(place: _Place) -> None:
    build_history(place.root, 3)
    found = (await place.find()).in_time
    assert _functions(found) == ["plus1", "plus2", "plus3"]
    assert {task.kind for task in found} == {"stub"}
    assert found[1].broken == module(2).replace("return x + 2", "raise NotImplementedError")
    assert found[1].red_ids == (id_of(2),)
    assert found[1].green == (id_of(1),)
    assert [task.committed_at for task in found] == sorted(task.committed_at for task in found)


async def test_a_changed_function_gets_its_older_body_back(place: _Place) -> None:
    commit(place.root, files_of(1, added=7), at=1)
    commit(place.root, files_of(1), at=2)
    (task,) = (await place.find()).in_time
    assert task.kind == "older"
    assert task.broken == module(1, added=7)


async def test_a_test_that_comes_later_makes_the_task_then(place: _Place) -> None:
    commit(place.root, {**files_of(1), "plus2.py": module(2)}, at=1)
    commit(place.root, files_of(2), at=2)
    found = (await place.find()).in_time
    assert [(task.function, task.committed_at % 10) for task in found] == [
        ("plus1", 1),
        ("plus2", 2),
    ]


async def test_what_no_test_notices_is_no_task(place: _Place) -> None:
    commit(place.root, {**files_of(1), "other.py": "def other(x):\n    return x\n"}, at=1)
    known = await place.find()
    assert _functions(known.in_time) == ["plus1"]
    assert len(known.tried) == 2


async def test_nothing_is_tried_twice(place: _Place) -> None:
    build_history(place.root, 3)
    first = await place.find()
    runs = len(place.runners.started)
    assert (await place.find()).in_time == first.in_time
    assert len(place.runners.started) == runs
    commit(place.root, files_of(4), at=4)
    grown = (await place.find()).in_time
    assert grown[:3] == first.in_time
    assert _functions(grown) == ["plus1", "plus2", "plus3", "plus4"]


async def test_a_search_that_runs_out_of_time_goes_on_later(place: _Place) -> None:
    build_history(place.root, 4)
    ticks = itertools.count()
    known = await place.find(budget_s=8.0, clock=lambda: float(next(ticks)))
    assert 0 < len(known.in_time) < 4
    assert any(isinstance(e, Notice) and "ran out of time" in e.text for e in place.events)
    assert _functions((await place.find()).in_time) == [f"plus{n}" for n in range(1, 5)]


async def test_a_line_that_a_crash_cut_off_does_not_count(place: _Place) -> None:
    build_history(place.root, 2)
    known = await place.find()
    data = known.path.read_bytes()
    torn = data + b'{"rules": "2", "tri'
    known.path.write_bytes(torn)
    assert place.known().in_time == known.in_time
    assert known.path.read_bytes() == torn, "reading writes nothing: another process may be adding"
    place.known().finish("a commit")
    lines = known.path.read_bytes().splitlines()
    assert lines[:-1] == data.splitlines()
    assert b"a commit" in lines[-1]


async def test_a_commit_whose_tests_do_not_run_gives_no_tasks(place: _Place) -> None:
    class _Broken(ReadingRunners):
        def at_commit(self, commit: str, folder: Path) -> FakeTestRunner:
            def judge(_: Sequence[str]) -> TestReport:
                return report(status=RunStatus.TIMEOUT)

            return FakeTestRunner(judge=judge)

    build_history(place.root, 7)
    async with open_trees(place.root, os.environ, _Broken()) as trees:
        assert (await replace(place, trees=trees).find()).in_time == []
    said = [e.text for e in place.events if isinstance(e, Notice)]
    assert sum("its tests do not run (timeout)" in text for text in said) == 5, "older ones neither"
    assert len((await place.find()).in_time) == 7, "another day they may"


async def test_without_git_there_is_nothing(place: _Place) -> None:
    (place.root / "plus1.py").write_text(module(1))
    assert (await place.find()).in_time == []


async def test_a_recorded_failure_is_a_task_once_the_file_is_right(place: _Place) -> None:
    build_history(place.root, 1)
    step = make_experience(path="plus1.py", before=module(1, added=9), targets=(id_of(1),))
    known = await place.find([step, step])
    tasks = [task for task in known.tasks.values() if task.kind == "failure"]
    assert [(task.function, task.broken) for task in tasks] == [("plus1", module(1, added=9))]
    runs = len(place.runners.started)
    await place.find([step])
    assert len(place.runners.started) == runs


async def test_the_older_third_is_for_experience_and_stays_so(place: _Place) -> None:
    build_history(place.root, 6)
    known = await place.find()
    assert _functions(older_part(known)) == ["plus1", "plus2"]
    assert _functions(held_out(known, ())) == ["plus3", "plus4", "plus5", "plus6"]
    build_history(place.root, 6, first=7)
    known = await place.find()
    assert _functions(older_part(known)) == ["plus1", "plus2"]
    assert len(held_out(known, ())) == 10


async def test_a_search_that_is_not_over_does_not_draw_the_line_for_good(place: _Place) -> None:
    build_history(place.root, 6)
    ticks = itertools.count()
    known = await place.find(budget_s=12.0, clock=lambda: float(next(ticks)))
    early = _functions(held_out(known, ()))
    assert 0 < len(known.in_time) < 6
    known = await place.find()
    assert set(early) < set(_functions(held_out(known, ())))
    assert _functions(older_part(known)) == ["plus1", "plus2"]


async def test_what_something_learned_is_about_is_never_held_out(place: _Place) -> None:
    build_history(place.root, 6)
    known = await place.find()
    same_test = make_experience("a", targets=(id_of(4),))
    same_function = make_experience(
        "b", path="plus5.py", before=module(5, added=0), after=module(5), targets=()
    )
    other = make_experience("c", path="plus6.py", before="", after="", targets=())
    assert _functions(held_out(known, [same_test, same_function, other])) == ["plus3", "plus6"]
    seen = make_experience("d", path="other.py", action=make_action(f"As in\n{module(3)}"))
    assert _functions(held_out(known, [seen])) == ["plus4", "plus5", "plus6"], "it shows the answer"
    assert overlaps(known.in_time[3], same_test)
    elsewhere = held_out(known, (), files={"plus3.py"}, tests={id_of(6)})
    assert _functions(elsewhere) == ["plus4", "plus5"], "somebody else's experience was about them"
