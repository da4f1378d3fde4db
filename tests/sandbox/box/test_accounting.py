"""Runs are accounted for, and a dead engine ends the session instead of the caution."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.box.accounting import AccountedSandbox
from sandbox.box.contract import (
    Captured,
    Ending,
    EngineUnavailableError,
    Execution,
    Job,
    Limits,
    SandboxError,
    TransferError,
)
from sandbox.box.guardian import session_lock
from sandbox.box.ledger import RunLedger
from sandbox.box.status import Status
from sandbox.project.detection import Project, Runner
from sandbox.verdict.suite import run_tests

JOB = Job(argv=["true"])


class ScriptedSandbox:
    """Answers with what it was given, in turn, and then with success."""

    def __init__(self, answers: Sequence[Exception | Ending] = ()) -> None:
        self._answers = list(answers)
        self.runs = 0

    async def run(
        self,
        job: Job,
        *,
        on_output: Callable[[bytes], None] | None = None,
        on_stderr: Callable[[bytes], None] | None = None,
    ) -> Execution:
        self.runs += 1
        answer = self._answers.pop(0) if self._answers else Ending.EXITED
        if isinstance(answer, Exception):
            raise answer
        return Execution(
            argv=tuple(job.argv),
            ending=answer,
            exit_code=0,
            stdout=Captured(head=b""),
            stderr=Captured(head=b""),
            duration_s=0.0,
            image_id="",
        )


async def test_three_failures_of_the_engine_stop_everything(tmp_path: Path) -> None:
    dead = ScriptedSandbox([EngineUnavailableError("gone")] * 9)
    with RunLedger(tmp_path / "runs.sqlite3") as ledger:
        box = AccountedSandbox(dead, ledger, session="s")
        for _ in range(3):
            with pytest.raises(EngineUnavailableError, match="gone"):
                await box.run(JOB)
        for _ in range(2):
            with pytest.raises(EngineUnavailableError, match="failed 3 times in a row, so nothing"):
                await box.run(JOB)
    assert dead.runs == 3


async def test_other_failures_and_successes_between_do_not_add_up(tmp_path: Path) -> None:
    gone, refused = EngineUnavailableError("gone"), TransferError("too large")
    flaky = ScriptedSandbox([gone, gone, Ending.TIMEOUT, gone, refused, refused, refused, gone])
    with RunLedger(tmp_path / "runs.sqlite3") as ledger:
        box = AccountedSandbox(flaky, ledger, session="s")
        states = []
        for step in range(1, 10):
            with suppress(SandboxError):
                await box.run(JOB)
            states.append(ledger.state("s", step))
    assert states == [
        *("sandbox_error", "sandbox_error", "timeout", "sandbox_error"),
        *("sandbox_error", "sandbox_error", "sandbox_error", "sandbox_error"),
        "pass",
    ]


async def test_a_cancelled_run_is_noted_as_that(tmp_path: Path) -> None:
    class Endless(ScriptedSandbox):
        async def run(
            self,
            job: Job,
            *,
            on_output: Callable[[bytes], None] | None = None,
            on_stderr: Callable[[bytes], None] | None = None,
        ) -> Execution:
            await asyncio.Event().wait()
            raise AssertionError

    with RunLedger(tmp_path / "runs.sqlite3") as ledger:
        run = asyncio.ensure_future(AccountedSandbox(Endless(), ledger, session="s").run(JOB))
        await asyncio.sleep(0)
        assert ledger.state("s", 1) == "running"
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
        assert ledger.state("s", 1) == "cancelled"


def test_what_a_dead_session_left_open_is_evidence_of_nothing(tmp_path: Path) -> None:
    with RunLedger(tmp_path / "runs.sqlite3") as ledger, session_lock(tmp_path, "alive"):
        for session in ("dead", "alive"):
            for step in range(3):
                ledger.create(session, step)
            ledger.start(session, 1)
            ledger.finish(session, 2, status=Status.PASS)
        assert ledger.settle(tmp_path) == 2
        assert [ledger.state("dead", step) for step in range(3)] == [
            "sandbox_error",
            "sandbox_error",
            "pass",
        ]
        assert ledger.state("alive", 1) == "running"
        assert ledger.settle(tmp_path) == 0


def test_a_replayed_step_finds_its_row_and_a_final_state_stays(tmp_path: Path) -> None:
    with RunLedger(tmp_path / "runs.sqlite3") as ledger:
        assert ledger.create("s", 1) == "created"
        assert ledger.start("s", 1)
        assert ledger.finish("s", 1, status=Status.PASS)
        assert ledger.create("s", 1) == "pass"
        assert not ledger.start("s", 1)
        assert not ledger.finish("s", 1, status=Status.TIMEOUT)
        assert (ledger.state("s", 1), ledger.state("s", 2)) == ("pass", None)


async def test_a_resumed_session_repeats_no_step(tmp_path: Path) -> None:
    with RunLedger(tmp_path / "runs.sqlite3") as ledger:
        await AccountedSandbox(ScriptedSandbox(), ledger, session="s").run(JOB)
        failing = ScriptedSandbox([Ending.TIMEOUT])
        await AccountedSandbox(failing, ledger, session="s").run(JOB)
        assert [ledger.state("s", step) for step in (1, 2, 3)] == ["pass", "timeout", None]
        assert (ledger.last_step("s"), ledger.last_step("another")) == (2, 0)


async def test_what_is_judged_is_open_until_its_verdict(tmp_path: Path) -> None:
    with RunLedger(tmp_path / "runs.sqlite3") as ledger:
        box = AccountedSandbox(ScriptedSandbox(), ledger, session="s")
        execution = await box.run(replace(JOB, judged=True))
        assert execution.succeeded
        assert ledger.state("s", 1) == "running"
        execution.note(Status.TAMPERED)
        assert ledger.state("s", 1) == "tampered"
        await box.run(replace(JOB, judged=True))
        assert ledger.settle(tmp_path) == 1  # a session that died before it had read the verdict
        assert ledger.state("s", 2) == "sandbox_error"


@pytest.mark.parametrize(
    ("runner", "ending", "noted"),
    [
        ("command", Ending.EXITED, "pass"),
        ("command", Ending.TIMEOUT, "timeout"),
        ("pytest", Ending.EXITED, "error"),  # exit code 0, and no test has said anything
        ("pytest", Ending.OOM, "oom"),
    ],
)
async def test_the_verdict_on_a_suite_is_what_the_ledger_keeps(
    tmp_path: Path, runner: Runner, ending: Ending, noted: str
) -> None:
    project = Project(root=tmp_path, runner=runner, command="true")
    with RunLedger(tmp_path / "runs.sqlite3") as ledger:
        box = AccountedSandbox(ScriptedSandbox([ending]), ledger, session="s")
        report = await run_tests(box, project, [], limits=Limits())
        assert (report.verdict, ledger.state("s", 1)) == (noted, noted)


def test_a_ledger_that_is_no_database_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "runs.sqlite3").write_text("something else " * 100)
    with pytest.raises(SandboxError, match=r"runs.sqlite3 is damaged \(file is not a"):
        RunLedger(tmp_path / "runs.sqlite3")


def test_a_list_of_an_older_version_is_read_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "runs.sqlite3"
    with closing(sqlite3.connect(path)) as old, old:
        old.execute(
            "CREATE TABLE steps (session TEXT NOT NULL, step INTEGER NOT NULL, state TEXT NOT NULL,"
            " changed_at REAL NOT NULL, PRIMARY KEY (session, step)) WITHOUT ROWID"
        )
        old.execute("INSERT INTO steps VALUES ('a', 1, 'pass', 5.0)")
    with RunLedger(path) as ledger:
        ledger.create("b", 1, label="tests")
        new, before = ledger.last_runs(5)
    assert (new.session, new.label, new.state) == ("b", "tests", "created")
    assert (before.session, before.label, before.began_at) == ("a", "", 0)
