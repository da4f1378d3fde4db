"""After a change in a project whose tests take long, those that reach it run, and the line says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from agent.approval import ModeApprover
from agent.events import Event, Notice, TurnFinished
from agent.fixing.options import FixOptions
from agent.session.after import AfterCheck
from agent.session.change import TurnChange
from agent.session.mending import Mending
from agent.testing.project import ProjectTests
from agent.turn.conversation import Conversation
from agent.workspace.workspace import Workspace
from sandbox.verdict.report import RunStatus, TestOutcome, TestReport
from tests.fakes.sandbox import failed, only_of, report

FILES = {
    "ops.py": "A = 1\n",
    "users.py": "B = 1\n",
    "test_ops.py": "import ops\n",
    "test_users.py": "import users\n",
}


@dataclass
class Files:
    """A workspace in which one file was changed by the turn."""

    changed_files: list[str]
    restored: list[str] = field(default_factory=list)

    def written(self) -> tuple[str, ...]:
        return tuple(self.changed_files)

    def list_files(self) -> list[str]:
        return list(FILES)

    def changed(self, _before: str) -> list[str]:
        return [path for path in self.changed_files if path not in self.restored]

    def held(self, _state: str, paths: Sequence[str]) -> dict[str, bytes | None]:
        return {path: FILES[path].encode() for path in paths}

    def restore(self, _before: str, *, only: tuple[str, ...]) -> None:
        self.restored += only


@dataclass
class Tests:
    """Answers every run with one report, of the tests that were asked for."""

    __test__ = False

    reports: list[TestReport]
    asked: list[tuple[str, ...]] = field(default_factory=list)

    async def run(self, *, only: Sequence[str] = (), on_entered: object = None) -> TestReport:
        self.asked.append(tuple(only))
        if callable(on_entered):
            on_entered()
        whole = self.reports[min(len(self.asked), len(self.reports)) - 1]
        return replace(only_of(whole, only), duration_s=whole.duration_s, exit_code=0)


def passed(*ids: str, seconds: float = 9.0) -> TestReport:
    results = (failed(name, "", outcome=TestOutcome.PASSED) for name in ids)
    return report(*results, duration_s=seconds)


OPS, USERS = "test_ops.py::test_a", "test_users.py::test_b"
GREEN = passed(OPS, USERS)


async def closed(
    root: Path,
    tests: Tests,
    *,
    changed: Sequence[str] = ("ops.py",),
    searched: list[frozenset[str]] | None = None,
) -> tuple[str, list[TestReport], Files]:
    """The last words of a turn, what was kept as a verdict, and the files."""
    for path, text in FILES.items():
        (root / path).write_text(text)
    events: list[Event] = []
    kept: list[TestReport] = []
    files = Files(list(changed))

    async def project() -> ProjectTests:
        return cast("ProjectTests", tests)

    async def fix(options: FixOptions) -> None:
        if searched is not None:
            searched.append(options.only)

    async def judged(item: TestReport) -> None:
        kept.append(item)

    async def put_back() -> None:
        return None

    async def work() -> TurnFinished:
        return TurnFinished("done")

    change = TurnChange(
        before="state",
        root=root,
        workspace=cast("Workspace", files),
        conversation=Conversation(),
        project=project,
        emit=events.append,
        judged=judged,
        put_back=put_back,
    )
    mending = Mending(change=change, fix=fix, approver=ModeApprover("auto"))
    check = AfterCheck(mending=mending)
    await check.checked(work)
    return [event.text for event in events if isinstance(event, Notice)][-1], kept, files


async def test_only_the_tests_that_reach_a_change_run_where_all_take_long(tmp_path: Path) -> None:
    tests = Tests([GREEN])
    line, kept, _ = await closed(tmp_path, tests)
    assert tests.asked == [(), ("test_ops.py",)]
    assert "1 of 2 tests reach the change: all pass; /test runs all" in line
    assert kept == []


async def test_all_tests_run_where_that_takes_less_than_five_seconds(tmp_path: Path) -> None:
    tests = Tests([passed(OPS, USERS, seconds=4.0)])
    line, kept, _ = await closed(tmp_path, tests)
    assert tests.asked == [(), ()]
    assert "reach the change" not in line
    assert len(kept) == 1


@pytest.mark.parametrize("changed", [["data.json"], ["ops.py", "users.py"]])
async def test_all_tests_run_where_any_may_reach_the_change(
    tmp_path: Path, changed: list[str]
) -> None:
    (tmp_path / "data.json").write_text("{}")
    tests = Tests([GREEN])
    await closed(tmp_path, tests, changed=changed)
    assert tests.asked == [(), ()]


async def test_a_part_that_did_not_come_to_its_end_is_followed_by_all_tests(
    tmp_path: Path,
) -> None:
    tests = Tests([GREEN, replace(GREEN, status=RunStatus.TIMEOUT), GREEN])
    line, kept, _ = await closed(tmp_path, tests)
    assert tests.asked == [(), ("test_ops.py",), ()]
    assert "now: 2 passed" in line
    assert len(kept) == 1


async def test_a_red_test_of_the_part_takes_the_change_back(tmp_path: Path) -> None:
    tests = Tests([GREEN, report(failed(OPS), duration_s=9.0)])
    line, _, files = await closed(tmp_path, tests)
    assert files.restored == ["ops.py"]
    assert f"{OPS} became red" in line


NEW = failed("test_ops.py::test_new", "TypeError: no", exception="TypeError")


@pytest.mark.parametrize(
    ("changed", "searched"),
    [
        (["ops.py", "test_ops.py"], [frozenset([NEW.id])]),
        (["test_ops.py"], []),
    ],
)
async def test_no_code_is_changed_for_a_new_test_where_the_turn_wrote_tests_alone(
    tmp_path: Path, changed: list[str], searched: list[frozenset[str]]
) -> None:
    green = passed(OPS, USERS, seconds=1.0)
    tests = Tests([green, report(*green.results, NEW, duration_s=1.0)])
    asked: list[frozenset[str]] = []
    line, _, _ = await closed(tmp_path, tests, changed=changed, searched=asked)
    assert asked == searched
    assert "taken back" in line
