"""A test that does not end is ended by itself: it fails, says where it was, and the others still run."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType

import pytest

from sandbox.box.contract import Limits, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.project.detection import detect
from sandbox.verdict.report import RunStatus, TestReport, TestResult
from sandbox.verdict.reporters import time_limit
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


def forgiving(number):
    try:
        return count_down(number)
    except:
        return 0
"""
BODIES = {
    "test_a_ends": "pass",
    "test_b_counts": "core.count_down(3)",
    "test_c_swallows": "core.stubborn()",
    "test_d_sleeps": "time.sleep(100)",
    "test_e_stops_the_clock": "time.monotonic = time.time = lambda: 0.0; core.count_down(3)",
    "test_f_forgives": "assert core.forgiving(3) == 0",
    "test_g_forks": "os.fork() or os._exit(0); os.wait()",
    "test_h_ends": "pass",
}
ENDING = {"test_a_ends", "test_g_forks", "test_h_ends"}
PYTEST = "import os\nimport time\nimport core\n" + "".join(
    f"def {n}(): {b}\n" for n, b in BODIES.items()
)
UNITTEST = (
    "import os\nimport time\nimport unittest\nimport core\nclass T(unittest.TestCase):\n"
    + "".join(f"    def {name}(self): {body}\n" for name, body in BODIES.items())
)


async def run(
    box: DockerSandbox,
    root: Path,
    tests: str,
    *,
    test_s: float,
    more: Mapping[str, str] = MappingProxyType({}),
) -> TestReport:
    files = {"core.py": CORE, "test_core.py": tests, **more}
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
    assert ended == set(BODIES) - ENDING
    assert {result.id for result in report.red} == {results[name].id for name in ended}
    counting = results["test_b_counts"]
    assert counting.message == "TestTimeout: the test did not end within 1 s (sandbox.test_s)"
    assert (counting.file, counting.line in (2, 3)) == ("core.py", True)


@pytest.mark.slow
async def test_a_test_that_is_expected_to_fail_fails_where_it_does_not_end(
    box: DockerSandbox, tmp_path: Path
) -> None:
    tests = (
        "import core, pytest\n\n@pytest.mark.xfail\ndef test_hangs():\n    core.count_down(3)\n"
        "@pytest.fixture\ndef slow():\n    import time; time.sleep(1.5)\n"
        "def test_with_a_slow_fixture(slow): pass\n"
    )
    report = await run(box, tmp_path, tests, test_s=1)
    assert [result.id for result in report.red] == ["test_core.py::test_hangs"]


async def test_a_test_that_the_project_limits_itself_is_left_to_that(
    box: DockerSandbox, tmp_path: Path
) -> None:
    plugin = (
        'def pytest_configure(config):\n    config.pluginmanager.register(object(), "timeout")\n'
    )
    slow = (
        "import time, pytest\n@pytest.mark.timeout(60)\ndef test_limited(): time.sleep(1.5)\n"
        "def test_unlimited(): time.sleep(1.5)\n"
    )
    report = await run(box, tmp_path, slow, test_s=1, more={"conftest.py": plugin})
    assert [result.id for result in report.red] == ["test_core.py::test_unlimited"]


async def test_a_test_that_took_its_time_is_not_held_against_the_next(
    box: DockerSandbox, tmp_path: Path
) -> None:
    tests = "import time\n" + "".join(f"def test_{n}(): time.sleep(0.7)\n" for n in range(4))
    report = await run(box, tmp_path, tests, test_s=1.5)
    assert report.all_green


def test_the_next_tests_have_less_time_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, written = [0.0], []
    monkeypatch.setattr(time_limit, "_keep_time", lambda *_: None)
    monkeypatch.setattr(time_limit, "monotonic", lambda: clock[0])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(time_limit, "write", lambda _, data: written.append(data))
    limit = time_limit.TimeLimit(30.0, os.dup)

    def test_of(seconds: float) -> tuple[str, bool]:
        limit.begin()
        clock[0] += seconds
        with suppress(time_limit.TestTimeout):
            limit._end_test(0, None)
        return limit.ended()

    assert test_of(0.8) == ("", False)
    assert test_of(30.0) == ("the test did not end within 30 s (sandbox.test_s)", False)
    assert test_of(7.9) == ("", False)
    assert test_of(8.0) == (
        "the test did not end within 8 s (less, since another did not end)",
        True,
    )
    assert test_of(0.1) == ("", False)
    assert len(written) == 10
