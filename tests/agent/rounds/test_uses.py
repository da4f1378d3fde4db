"""Uses of library APIs in a round: what failed is learned from the installed library, and asked for afterwards."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from agent.events import Event, Notice
from agent.mining.tasks import Kind, RepositoryTask, TaskFile
from agent.rounds.old_code import old_code_failures
from agent.rounds.options import LearnOptions
from agent.rounds.trial.use_tasks import uses
from agent.rounds.uses import LibraryUses
from agent.streaming import Emit
from learning.contexts.context import ApiContext, ContextFile
from learning.contexts.parts import can_be_asked
from learning.contexts.use import UseOrigin
from learning.evaluation.task import Generated, Task
from learning.experience.store import ExperienceStore
from learning.records import Experience, Origin
from learning.training.job import ExampleKind
from sandbox.box.contract import Sandbox, SandboxError
from sandbox.box.status import Status
from sandbox.verdict.report import TestOutcome, TestResult
from sandbox.warm.judge import CheckTask
from tests.fakes.experiences import make_evidence, make_experience
from tests.fakes.here_sandbox import HereSandbox
from tests.fakes.judge import FakeJudge

_STALE = "import numpy as np\n\ndef area(ys):\n    return float(np.trapz(ys))\n"
_FACT = make_evidence(exception="AttributeError", message="module 'numpy' has no attribute 'trapz'")


def _here(task: CheckTask) -> Status:
    """Run a program and its check in this process: the library is the one that is installed here."""
    names: dict[str, Any] = {}
    try:
        exec(task.source, names)  # noqa: S102 - the test's own programs
        exec(task.check, {"candidate": names[task.entry_point]})  # noqa: S102
    except AssertionError:
        return Status.FAIL
    except Exception:  # noqa: BLE001 - whatever a program raises is its verdict
        return Status.ERROR
    return Status.PASS


JUDGE = FakeJudge(verdict=_here)


@dataclass(frozen=True)
class _Project:
    sandbox: Sandbox
    requirements: Sequence[str] = ("numpy==2",)


@dataclass(frozen=True)
class _Place:
    store: ExperienceStore
    uses: LibraryUses
    said: list[Event]

    def words(self) -> str:
        return "\n".join(each.text for each in self.said if isinstance(each, Notice))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[_Place]:
    box = HereSandbox(tmp_path)

    async def project(_emit: Emit) -> _Project:
        return _Project(box)

    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        uses = LibraryUses(store=lambda: store, project=project, folder=tmp_path / "contexts")
        yield _Place(store=store, uses=uses, said=[])


def _failure() -> Experience:
    return make_experience("failed", evidence=(_FACT,), after=_STALE)


async def test_what_failed_is_learned_and_other_uses_of_it_judge(place: _Place) -> None:
    failed = _failure()
    place.store.add(failed)

    rows = await place.uses.rows(LearnOptions(), place.said.append, model=failed.model)

    pairs = [row for row in rows if row.kind is ExampleKind.API_PAIR]
    anchors = [row for row in rows if row.kind is ExampleKind.API_ANCHOR]
    assert pairs
    assert anchors
    assert all("trapezoid" in row.chosen for row in pairs)
    assert all(row.use and "np.trapz" in row.use.stale for row in pairs)
    assert all(row.experience_ids == (failed.id,) for row in pairs)

    learned = {row.use.context for row in pairs if row.use}
    tasks = await place.uses.tasks(learned, JUDGE, place.said.append)
    assert tasks
    assert not learned & {task.id for task in tasks}
    assert [task.id for task in tasks] == sorted(task.id for task in tasks)


async def test_a_reply_is_right_by_the_api_that_runs_or_by_the_value_with_the_library(
    place: _Place,
) -> None:
    failed = _failure()
    place.store.add(failed)
    rows = await place.uses.rows(LearnOptions(), place.said.append, model=failed.model)
    learned = {row.use.context for row in rows if row.use}
    tasks = await place.uses.tasks(learned, JUDGE, place.said.append)

    async def verdict(task: Task, body: str) -> str:
        asked = task.prompt.messages[0].content
        head = next(line for line in asked.splitlines() if line.startswith("def "))
        text = f"```python\nimport numpy as np\n\n{head}\n    return {body}\n```"
        text = text.replace("GIVEN", head.partition("(")[2].partition(":")[0])
        return (await task.judge(Generated(text=text, finish="stop"))).verdict

    right = [t for t in tasks if await verdict(t, "np.trapezoid(GIVEN).item()") == "pass"]
    assert right
    assert await verdict(right[0], "np.trapz(GIVEN).item()") == "error"
    assert await verdict(right[0], "np.trapezoid(GIVEN, dx=7).item()") == "pass", (
        "an option is hidden"
    )
    assert await verdict(right[0], "np.trapezoid(GIVEN).tolist") != "pass", "another kind of value"
    assert await verdict(right[0], "-1") == "fail"
    without = "```python\ndef area(values):\n    return 4.0\n```"
    assert not (await right[0].judge(Generated(text=without, finish="stop"))).passed
    assert await verdict(right[0], "1 +") != "pass"


async def test_what_the_repository_s_older_code_fails_by_is_learned(tmp_path: Path) -> None:
    box = HereSandbox(tmp_path)

    async def project(_emit: Emit) -> _Project:
        return _Project(box)

    file = tmp_path / "tasks.jsonl"
    known = TaskFile(file)
    for number in range(6):
        known.add(_repaired(number))
    said: list[Event] = []
    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        uses = LibraryUses(
            store=lambda: store,
            project=project,
            folder=tmp_path / "contexts",
            old_code=lambda: old_code_failures(file),
        )
        assert not await uses.rows(LearnOptions(), said.append, model="m"), "it may yet judge"
        known.searched()
        rows = await uses.rows(LearnOptions(), said.append, model="m")
    pairs = [row for row in rows if row.kind is ExampleKind.API_PAIR]
    assert pairs
    assert all(row.use and row.use.api == "numpy.numpy.trapz -> trapezoid" for row in pairs)
    assert all(not row.experience_ids for row in pairs)


def test_functions_that_judge_or_were_emptied_are_no_older_code(tmp_path: Path) -> None:
    file = tmp_path / "tasks.jsonl"
    known = TaskFile(file)
    for number in range(6):
        known.add(_repaired(number, kind="stub" if number == 1 else "older"))
    known.searched()
    assert [each.code for each in old_code_failures(file)] == [_repaired(0).broken]
    assert old_code_failures(tmp_path / "none.jsonl") == ()


def _repaired(number: int, *, kind: Kind = "older") -> RepositoryTask:
    """A function that a commit has repaired after an upgrade; the lower the number, the older."""
    said = "module 'numpy' has no attribute 'trapz'"
    failing = TestResult(
        id=f"t{number}", outcome=TestOutcome.FAILED, message=said, exception="AttributeError"
    )
    return RepositoryTask(
        id=f"task-{number}",
        commit=str(number),
        committed_at=number,
        path="area.py",
        function=f"area_{number}",
        kind=kind,
        broken=f"import numpy as np\n\ndef area_{number}(ys):\n    return float(np.trapz(ys))\n",
        green=(),
        failing=(failing,),
        duration_s=1.0,
        real=f"def area_{number}(ys):\n    return float(np.trapezoid(ys))\n",
    )


@pytest.mark.parametrize(
    ("body", "is_use"),
    [
        ("df.map(str)", True),
        ("list(map(str, values))", False),
        ("df.apply(str, map=1)", False),
        ("df['map']", False),
    ],
)
def test_the_api_counts_in_its_own_role_only(body: str, is_use: bool) -> None:
    code = "import pandas as pd\n\ndef f(df):\n    return df.map(str)\n"
    start = code.index("map")
    context = ApiContext(
        api="pandas.DataFrame.applymap -> map",
        library="pandas",
        version="3",
        origin=UseOrigin.DOCSTRING,
        request="Apply it.",
        head="def f(df):",
        code=code,
        call="f([1])",
        value="['1']",
        line="df.map(str)",
        names=((start, start + 3),),
    )

    assert uses(f"import pandas as pd\n\ndef f(df):\n    return {body}\n", context) == is_use


async def test_nothing_is_opened_where_nothing_failed_by_an_api(tmp_path: Path) -> None:
    async def project(_emit: Emit) -> _Project:
        raise AssertionError("the sandbox is not to be opened")

    with ExperienceStore.open(tmp_path / "e.sqlite3") as store:
        store.add(make_experience("e1"))
        uses = LibraryUses(store=lambda: store, project=project, folder=tmp_path / "contexts")

        said: list[Event] = []
        assert not await uses.rows(LearnOptions(), said.append, model=make_experience("e1").model)


@pytest.mark.parametrize(
    "options",
    [
        LearnOptions(kinds=frozenset({ExampleKind.HINDSIGHT})),
        LearnOptions(leave_out=frozenset({Origin.FIX})),
        LearnOptions(dry_run=True),
    ],
)
async def test_a_dry_run_or_a_round_about_something_else_builds_nothing(
    place: _Place, options: LearnOptions
) -> None:
    failed = _failure()
    place.store.add(failed)

    assert not await place.uses.rows(options, place.said.append, model=failed.model)
    assert ("1 API that is not there" in place.words()) == options.dry_run
    assert not list(place.uses.folder.glob("*.jsonl"))


async def test_without_a_sandbox_the_round_goes_on_and_says_what_it_leaves_out(
    place: _Place,
) -> None:
    failed = _failure()
    place.store.add(failed)

    async def no_project(_emit: Emit) -> _Project:
        raise SandboxError("Docker does not answer")

    uses = replace(place.uses, project=no_project)

    assert not await uses.rows(LearnOptions(), place.said.append, model=failed.model)
    assert "not learned in this round: Docker does not answer" in place.words()


async def test_a_use_that_gives_another_value_today_does_not_judge(place: _Place) -> None:
    failed = _failure()
    place.store.add(failed)
    rows = await place.uses.rows(LearnOptions(), place.said.append, model=failed.model)
    learned = {row.use.context for row in rows if row.use}
    before = await place.uses.tasks(learned, JUDGE, place.said.append)
    (path,) = place.uses.folder.glob("*.jsonl")
    lines = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(_other_value(line) for line in lines) + "\n", encoding="utf-8")

    assert before
    assert not await place.uses.tasks(learned, JUDGE, place.said.append)


def _other_value(line: str) -> str:
    return json.dumps({**json.loads(line), "value": "-12345"})


async def test_a_value_that_is_no_plain_data_does_not_judge(place: _Place) -> None:
    failed = _failure()
    place.store.add(failed)
    await place.uses.rows(LearnOptions(), place.said.append, model=failed.model)
    (path,) = place.uses.folder.glob("*.jsonl")
    every = list(ContextFile(path).read().values())

    assert any(can_be_asked(each) for each in every)
    assert not any(can_be_asked(replace(each, value="np.float64(4.0)")) for each in every)
