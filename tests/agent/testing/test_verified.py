"""Test runs of a real repository: how far each verdict is believed, and why."""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from agent.testing.verified import VerifiedTests
from agent.workspace.committed import read_commit
from sandbox.box.contract import Limits, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.status import Status, VerdictTrust
from sandbox.files.transfer import collect_files
from sandbox.project.detection import detect
from sandbox.verdict.report import RunStatus, TestReport

WRONG = "def add(a, b):\n    return a - b\n"
RIGHT = "def add(a, b):\n    return a + b\n"
TEST = "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n"


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    subprocess.run(
        ["/usr/bin/env", "git", *identity, *arguments], cwd=root, check=True, capture_output=True
    )


def write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    write(folder, {"calc.py": WRONG, "tests/test_calc.py": TEST})
    git(folder, "init", "-q")
    return folder


def commit(root: Path) -> None:
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "x")


@pytest.fixture
async def box(sandbox_image: str, tmp_path: Path) -> AsyncIterator[DockerSandbox]:
    lock_dir = tmp_path / "locks"
    async with DockerSandbox(sandbox_image, session="verified", lock_dir=lock_dir) as opened:
        yield opened


def runs_of(root: Path, box: DockerSandbox) -> VerifiedTests:
    return VerifiedTests(root=root, sandbox=box, project=detect(root), limits=Limits(timeout_s=30))


def files_of(root: Path) -> list[SourceFile]:
    paths = [path for path in root.rglob("*") if path.is_file() and ".git" not in path.parts]
    names = [str(path.relative_to(root)) for path in paths]
    return collect_files(root, names, max_bytes=2**24)[0]


async def run(tests: VerifiedTests, root: Path) -> TestReport:
    return await tests.run(files_of(root))


def test_the_last_commit_is_read_and_nothing_else(root: Path) -> None:
    assert read_commit(root) is None
    commit(root)
    write(root, {"calc.py": RIGHT, "new.py": ""})
    found = read_commit(root)
    assert found is not None
    assert set(found.hashes) == {"calc.py", "tests/test_calc.py"}
    assert found.read("calc.py") == WRONG.encode()
    below = read_commit(root / "tests")
    assert below is not None
    assert set(below.hashes) == {"test_calc.py"}
    assert read_commit(root.parent) is None


@pytest.mark.docker
async def test_a_repair_of_a_committed_project_is_believed(root: Path, box: DockerSandbox) -> None:
    commit(root)
    tests = runs_of(root, box)
    before = await run(tests, root)
    write(root, {"calc.py": RIGHT})
    after = await run(tests, root)
    assert (before.verdict, before.trust) == (Status.FAIL, VerdictTrust.HARDENED)
    assert (after.verdict, after.trust, after.notes) == (Status.PASS, VerdictTrust.HARDENED, ())


@pytest.mark.docker
async def test_a_project_with_a_conftest_is_pinned_until_somebody_touches_it(
    root: Path, box: DockerSandbox
) -> None:
    conftest = "import pytest\n\n@pytest.fixture\ndef three(): return 3\n"
    uses = TEST.replace("def test_add():", "def test_add(three):").replace("== 3", "== three")
    write(root, {"tests/conftest.py": conftest, "tests/test_calc.py": uses})
    commit(root)
    tests = runs_of(root, box)
    await run(tests, root)
    write(root, {"calc.py": RIGHT})
    pinned = await run(tests, root)
    assert (pinned.verdict, pinned.trust) == (Status.PASS, VerdictTrust.PINNED)
    write(root, {"tests/conftest.py": conftest.replace("3", "-1"), "calc.py": WRONG})
    touched = await run(tests, root)
    assert (touched.verdict, touched.trust) == (Status.PASS, VerdictTrust.PLAIN)
    assert touched.notes == ("tests/conftest.py differs from the last commit",)


@pytest.mark.docker
async def test_a_conftest_that_bends_verdicts_is_found_out_even_so(
    root: Path, box: DockerSandbox
) -> None:
    commit(root)
    tests = runs_of(root, box)
    await run(tests, root)
    bend = (
        "import pytest\n\n@pytest.hookimpl(hookwrapper=True)\n"
        "def pytest_runtest_makereport():\n    outcome = yield\n"
        "    outcome.get_result().outcome = 'passed'\n"
    )
    write(root, {"conftest.py": bend})
    report = await run(tests, root)
    assert (report.status, report.verdict) == (RunStatus.TAMPERED, Status.TAMPERED)
    assert "that must fail passed" in report.notes[0]
    assert not report.all_green


@pytest.mark.docker
async def test_without_a_commit_a_pass_is_plain(root: Path, box: DockerSandbox) -> None:
    write(root, {"calc.py": RIGHT})
    report = await run(runs_of(root, box), root)
    assert (report.verdict, report.trust) == (Status.PASS, VerdictTrust.PLAIN)
    assert report.notes == ("there is no commit to take the tests from",)


@pytest.mark.docker
async def test_a_pass_of_whatever_the_test_demands_is_not_believed(
    root: Path, box: DockerSandbox
) -> None:
    commit(root)
    tests = runs_of(root, box)
    await run(tests, root)
    equal = "class N(int):\n    def __eq__(self, other): return isinstance(other, int)\n"
    equal += "    __hash__ = int.__hash__\n\n\ndef add(a, b):\n    return N(a - b)\n"
    write(root, {"calc.py": equal})
    report = await run(tests, root)
    assert (report.verdict, report.trust) == (Status.PASS, VerdictTrust.PLAIN)
    assert report.notes == (
        "not believed: tests/test_calc.py::test_add passed, too, when something else was expected",
    )
    assert "nothing is learned from this pass" in report.remarks[0]


@pytest.mark.docker
async def test_a_red_test_that_is_skipped_or_wants_a_network_stays_red(
    root: Path, box: DockerSandbox
) -> None:
    commit(root)
    tests = runs_of(root, box)
    await run(tests, root)
    for raised in ("OSError(101, 'Network is unreachable')", "unittest.SkipTest('later')"):
        write(root, {"calc.py": f"import unittest\n\n\ndef add(a, b):\n    raise {raised}\n"})
        report = await run(tests, root)
        assert [result.outcome.value for result in report.results] == ["failed"]
        assert "it was red before, and now it" in report.results[0].message
        assert not report.all_green


@pytest.mark.docker
async def test_skipped_tests_alone_are_not_green(root: Path, box: DockerSandbox) -> None:
    write(
        root,
        {"tests/test_calc.py": f"import pytest\n{TEST}".replace("def", "@pytest.mark.skip\ndef")},
    )
    commit(root)
    report = await run(runs_of(root, box), root)
    assert (report.verdict, report.all_green, report.red) == (Status.ERROR, False, ())
