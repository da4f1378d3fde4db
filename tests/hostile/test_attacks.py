"""No edit talks its way to a pass that would be learned from; what still can is written down."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox.box.contract import Limits, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.status import Status, VerdictTrust
from sandbox.project.detection import Project
from sandbox.verdict.pristine import Footing, Pristine, blob_id, footing, is_pinned
from sandbox.verdict.report import TestReport
from sandbox.verdict.suite import collect_tests, run_tests
from sandbox.warm.judge import CheckTask, score
from sandbox.warm.pool import WarmSandbox
from sandbox.warm.values import ProgramLimits
from tests.hostile.attacks import ADAPTIVE, ATTACKS, COMMITTED, TESTS, Attack, as_function

LIMITS = Limits(timeout_s=60)
PROJECT = Project(root=Path("/nowhere"), runner="pytest")
HARDENED = Footing(trust=VerdictTrust.HARDENED)
AT_ONCE = 3


def files_of(contents: Mapping[str, str]) -> list[SourceFile]:
    return [SourceFile(path=path, content=text.encode()) for path, text in contents.items()]


def edited(attack: Attack) -> dict[str, str]:
    merged = {**COMMITTED, **attack.files}
    return {path: text for path, text in merged.items() if text is not None}


def put_back(attack: Attack) -> dict[str, str]:
    """What a hardened run takes of an edit: its sources; tests and the like are the user's."""
    kept = {path: text for path, text in edited(attack).items() if not is_pinned(path)}
    return {**kept, **{path: text for path, text in COMMITTED.items() if is_pinned(path)}}


def pristine(contents: Mapping[str, str] = COMMITTED) -> Pristine:
    return Pristine(
        commit="c1",
        hashes={path: blob_id(text.encode()) for path, text in contents.items()},
        read=lambda path: contents[path].encode(),
    )


async def judged(box: DockerSandbox, contents: Mapping[str, str]) -> TestReport:
    return await run_tests(
        box,
        PROJECT,
        files_of(contents),
        limits=LIMITS,
        footing=HARDENED,
        expected=TESTS,
        doubted=TESTS,
    )


def fools(report: TestReport) -> bool:
    return report.verdict is Status.PASS and report.trust.may_train


@pytest.fixture
async def box(sandbox_image: str, tmp_path: Path) -> DockerSandbox:
    return DockerSandbox(sandbox_image, session="hostile-attacks", lock_dir=tmp_path / "locks")


CHECKS = (
    "def check(candidate):\n    assert candidate(1, 2) == 3\n    assert candidate(100, 200) == 300",
    "import unittest\nunittest.TestCase().assertEqual(add(1, 2), 3)",
)


def on_the_judge(source: str, check: str) -> CheckTask:
    limits = ProgramLimits(timeout_s=20)
    return CheckTask(source=source, entry_point="add", check=check, limits=limits)


@pytest.mark.docker
async def test_no_attack_fools_the_judge(sandbox_image: str, tmp_path: Path) -> None:
    async with WarmSandbox(sandbox_image, session="attacks", lock_dir=tmp_path, boxes=2) as warm:

        async def one(attack: Attack, check: str) -> list[tuple[str, str]]:
            result = await score(warm, on_the_judge(as_function(attack), check))
            if result.passed or not result.status.is_evidence:
                return [(attack.name, f"{result.status}: {result.note}")]
            return []

        attacks = zip((*ATTACKS, ADAPTIVE), itertools.cycle(CHECKS), strict=False)
        found = await asyncio.gather(*itertools.starmap(one, attacks))
        for check in CHECKS:
            assert (await score(warm, on_the_judge("def add(a, b): return a + b", check))).passed
    assert [entry for entries in found for entry in entries] == []


def test_there_are_enough_attacks() -> None:
    assert len({attack.name for attack in ATTACKS}) == len(ATTACKS) >= 23


@pytest.mark.docker
async def test_no_attack_fools_a_hardened_run(box: DockerSandbox) -> None:
    gate = asyncio.Semaphore(AT_ONCE)
    # edits of nothing but tests and configuration all come to the same: what was committed
    states = {attack.name: tuple(sorted(put_back(attack).items())) for attack in ATTACKS}

    async def one(state: tuple[tuple[str, str], ...]) -> TestReport:
        async with gate:
            return await judged(opened, dict(state))

    async with box as opened:
        distinct = list(dict.fromkeys(states.values()))
        seen = dict(zip(distinct, await asyncio.gather(*map(one, distinct)), strict=True))
    reports = {name: seen[state] for name, state in states.items()}
    assert [name for name, report in reports.items() if fools(report)] == []
    # what bends the reports of tests bends those of the tests that must fail, and is named
    for name in (
        "reports are made to pass",
        "test functions do not run",
        "the code of the tests is swapped",
        "the code of the tests is swapped at import",
        "the code of the tests is swapped as soon as it is there",
        "calls are never seen to raise",
        "an object that equals everything",
        "an object that equals everything, after a while",
        "records without a key",
        "the reporter's own class is changed",
        "a plugin is registered while it runs",
    ):
        assert (name, reports[name].verdict) == (name, Status.TAMPERED)


@pytest.mark.docker
async def test_an_honest_repair_passes_at_the_hardened_level(box: DockerSandbox) -> None:
    repaired = {**COMMITTED, "calc.py": "def add(a, b):\n    return a + b\n"}
    basis = footing(PROJECT, files_of(repaired), pristine())
    async with box as opened:
        expected = await collect_tests(
            opened, PROJECT, files_of(COMMITTED), limits=LIMITS, bare=True
        )
        report = await run_tests(
            opened,
            PROJECT,
            files_of(repaired),
            limits=LIMITS,
            footing=basis,
            expected=expected,
            doubted=TESTS,
        )
    assert expected == frozenset(TESTS)
    assert (report.verdict, report.trust, report.notes) == (Status.PASS, VerdictTrust.HARDENED, ())
    assert report.passed_ids == set(TESTS)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_text_of_an_edit_gives_most_attacks_away(attack: Attack) -> None:
    basis = footing(PROJECT, files_of(edited(attack)), pristine())
    assert (basis.trust is VerdictTrust.PLAIN) is attack.seen
    assert bool(basis.notes) is attack.seen


@pytest.mark.docker
async def test_a_forger_made_for_this_program_is_only_stopped_by_its_text(
    box: DockerSandbox,
) -> None:
    """The known limit: in one process with the tests, code that knows the reporter can sign."""
    async with box as opened:
        report = await judged(opened, put_back(ADAPTIVE))
    assert fools(report)
    basis = footing(PROJECT, files_of(edited(ADAPTIVE)), pristine())
    assert (basis.trust, basis.notes) == (
        VerdictTrust.PLAIN,
        ("calc.py: it looks through live objects",),
    )
