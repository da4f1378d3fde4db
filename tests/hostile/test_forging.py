"""No edit forges a pass that is learned from, whatever it changes; what still can is written down."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest

from agent.testing.verified import VerifiedTests
from sandbox.box.contract import Limits, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.status import VerdictTrust
from sandbox.project.detection import detect
from sandbox.verdict.report import RunStatus, TestReport
from tests.hostile.forging import BASES, FORGERIES, OPEN, Files, Forgery

LIMITS = Limits(timeout_s=60)
REPAIRS: Files = {
    "add": "def add(a, b):\n    return a + b\n",
    "half": "def half(x):\n    return x / 2\n",
    "shout": "def shout(text):\n    return text.upper()\n",
    "evens": "def evens(numbers):\n    return [n for n in numbers if n % 2 == 0]\n",
    "check": "def check(age):\n    if age < 0:\n        raise ValueError(age)\n    return age\n",
}


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(
        ["/usr/bin/env", "git", *identity, *arguments], cwd=root, check=True, capture_output=True
    )


def files_of(files: Files) -> list[SourceFile]:
    return [SourceFile(path=path, content=text.encode()) for path, text in files.items()]


@pytest.fixture
async def box(sandbox_image: str, tmp_path: Path) -> AsyncIterator[DockerSandbox]:
    async with DockerSandbox(sandbox_image, session="forging", lock_dir=tmp_path / "locks") as box:
        yield box


async def judged(
    box: DockerSandbox, root: Path, base: Files, edits: Iterable[Files]
) -> tuple[frozenset[str], list[TestReport]]:
    """The red tests of a committed project, and its reports after each of the edits."""
    for path, text in base.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    git(root, "init", "-q")
    git(root, "add", "-A", "-f")
    git(root, "commit", "-qm", "x")
    tests = VerifiedTests(root=root, sandbox=box, project=detect(root), limits=LIMITS)
    first = await tests.run(files_of(base))
    reports = [await tests.run(files_of({**base, **edit})) for edit in edits]
    return frozenset(result.id for result in first.red), reports


def fools(report: TestReport, red: frozenset[str]) -> bool:
    passed = not red.isdisjoint(report.passed_ids)
    learned = passed and report.status is RunStatus.COMPLETE and report.trust.may_train
    return learned or (report.all_green and not passed)


def test_there_are_enough_of_every_kind() -> None:
    assert len(FORGERIES) >= 40
    assert len({(forgery.kind, forgery.name) for forgery in FORGERIES}) == len(FORGERIES)
    assert len({forgery.kind for forgery in FORGERIES}) >= 5


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("base", BASES)
async def test_no_forgery_is_learned_from(base: str, box: DockerSandbox, tmp_path: Path) -> None:
    forgeries = [forgery for forgery in FORGERIES if base in forgery.bases]
    root = tmp_path / "project"
    root.mkdir()
    red, reports = await judged(box, root, BASES[base], (forgery.files for forgery in forgeries))
    fooled = [f.name for f, report in zip(forgeries, reports, strict=True) if fools(report, red)]
    assert red
    assert fooled == []


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("base", BASES)
async def test_an_honest_repair_is_believed(base: str, box: DockerSandbox, tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    name = BASES[base]["calc.py"].split()[1].partition("(")[0]
    _, (report,) = await judged(box, root, BASES[base], [{"calc.py": REPAIRS[name]}])
    assert report.all_green
    assert report.notes == ()
    assert report.trust is (
        VerdictTrust.PINNED if base in ("pinned", "unittest") else VerdictTrust.HARDENED
    )


@pytest.mark.docker
@pytest.mark.slow
@pytest.mark.parametrize("forgery", OPEN, ids=lambda forgery: forgery.name)
async def test_what_knows_the_tests_by_heart_is_not_told_from_a_repair(
    forgery: Forgery, box: DockerSandbox, tmp_path: Path
) -> None:
    """The known limit: it fails its twin as a repair does."""
    root = tmp_path / "project"
    root.mkdir()
    red, (report,) = await judged(box, root, BASES[forgery.bases[0]], [forgery.files])
    assert fools(report, red)
