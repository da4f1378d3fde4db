"""A test that does not end is ended by itself: it fails, says where it was, and the others still run."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.box.contract import Limits, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.project.detection import detect
from sandbox.verdict.report import RunStatus, TestReport, TestResult
from sandbox.verdict.suite import run_tests

pytestmark = pytest.mark.docker

CORE = """\
def count_down(number):
    while number:
        number = number - 2
    return number


def stubborn():
    while True:
        try:
            1 / 0
        except Exception:
            pass
"""
BODIES = {
    "test_a_ends": "pass",
    "test_b_counts": "core.count_down(3)",
    "test_c_swallows": "core.stubborn()",
    "test_d_sleeps": "time.sleep(100)",
    "test_e_stops_the_clock": "time.monotonic = time.time = lambda: 0.0; core.count_down(3)",
    "test_f_ends": "pass",
}
PYTEST = "import time\nimport core\n" + "".join(f"def {n}(): {b}\n" for n, b in BODIES.items())
UNITTEST = "import time\nimport unittest\nimport core\nclass T(unittest.TestCase):\n" + "".join(
    f"    def {name}(self): {body}\n" for name, body in BODIES.items()
)


async def run(box: DockerSandbox, root: Path, tests: str, *, test_s: float) -> TestReport:
    files = {"core.py": CORE, "test_core.py": tests}
    for path, text in files.items():
        (root / path).write_text(text)
    sources = [SourceFile(path=path, content=text.encode()) for path, text in files.items()]
    limits = Limits(timeout_s=100, test_s=test_s)
    return await run_tests(box, detect(root), sources, limits=limits)


def by_name(report: TestReport) -> dict[str, TestResult]:
    return {result.id.replace("::", ".").rpartition(".")[2]: result for result in report.results}


@pytest.mark.slow
@pytest.mark.parametrize(("runner", "tests"), [("pytest", PYTEST), ("unittest", UNITTEST)])
async def test_every_endless_test_fails_at_its_place_and_the_others_pass(
    box: DockerSandbox, tmp_path: Path, runner: str, tests: str
) -> None:
    report = await run(box, tmp_path, tests, test_s=1)
    results = by_name(report)
    assert (report.runner, report.status) == (runner, RunStatus.COMPLETE)
    ended = {name for name, result in results.items() if result.was_ended}
    assert ended == set(BODIES) - {"test_a_ends", "test_f_ends"}
    assert {result.id for result in report.red} == {results[name].id for name in ended}
    counting = results["test_b_counts"]
    assert counting.message == "TestTimeout: the test did not end within 1 s (sandbox.test_s)"
    assert (counting.file, counting.line in (2, 3)) == ("core.py", True)


async def test_a_project_that_limits_its_tests_itself_is_left_to_that(
    box: DockerSandbox, tmp_path: Path
) -> None:
    slow = (
        "import time, pytest\n@pytest.mark.timeout(60)\ndef test_slow(): time.sleep(1.5)\n"
        "def test_slow_too(): time.sleep(1.5)\n"
    )
    report = await run(box, tmp_path, slow, test_s=0.5)
    assert report.all_green


async def test_a_test_that_took_its_time_is_not_held_against_the_next(
    box: DockerSandbox, tmp_path: Path
) -> None:
    tests = "import time\n" + "".join(f"def test_{n}(): time.sleep(0.7)\n" for n in range(4))
    report = await run(box, tmp_path, tests, test_s=1.5)
    assert report.all_green
