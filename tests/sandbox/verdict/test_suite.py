"""Real test suites in the real box: what is said about them is what happened."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from sandbox.box.contract import Limits, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.status import Status, VerdictTrust
from sandbox.files.transfer import collect_files
from sandbox.project.detection import detect
from sandbox.verdict.pristine import Footing
from sandbox.verdict.report import Frame, RunStatus, TestOutcome, TestReport, TestResult
from sandbox.verdict.suite import collect_tests, run_tests

pytestmark = pytest.mark.docker

Files = Mapping[str, str | bytes]


def write(root: Path, files: Files) -> None:
    root.mkdir(exist_ok=True)
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


async def run(
    box: DockerSandbox,
    root: Path,
    files: Files,
    *,
    only: Sequence[str] = (),
    command: str | None = None,
    limits: Limits | None = None,
    told: list[TestResult] | None = None,
) -> TestReport:
    write(root, files)
    sources, refused = collect_files(root, list(files), max_bytes=2**24)
    assert refused == []
    return await run_tests(
        box,
        detect(root, command=command),
        sources,
        limits=limits or Limits(timeout_s=60),
        only=only,
        on_result=None if told is None else told.append,
    )


def by_id(report: TestReport) -> dict[str, TestResult]:
    return {result.id: result for result in report.results}


SHOP = {
    "shop/__init__.py": "",
    "shop/price.py": "def total(prices):\n    return sum(prices) - 1\n\n\n"
    "def find(prices, name):\n    return prices[name]\n",
    "tests/test_price.py": """
import pytest
from shop.price import find, total

def test_total():
    print("hello from the test")
    assert total([1, 2]) == 3

def test_find():
    find({}, "pear")

def test_fine(tmp_path):
    assert tmp_path.exists()

@pytest.mark.skip(reason="later")
def test_skipped(): ...

@pytest.mark.xfail(reason="known")
def test_known(): assert 0

@pytest.mark.xfail
def test_unexpected(): pass

@pytest.mark.parametrize("n", [1, 2])
def test_each(n): assert n == 1

@pytest.fixture
def broken(): raise RuntimeError("no set-up")

def test_setup(broken): ...

@pytest.fixture
def untidy():
    yield
    raise RuntimeError("no tear-down")

def test_teardown(untidy): ...

def test_missing(nowhere): ...
""",
}


async def test_each_outcome_is_told_apart_and_placed(box: DockerSandbox, tmp_path: Path) -> None:
    told: list[TestResult] = []
    report = await run(box, tmp_path / "r", SHOP, told=told)
    results = {name.partition("::")[2]: result for name, result in by_id(report).items()}
    assert (report.status, report.trust, report.runner) == (
        RunStatus.COMPLETE,
        VerdictTrust.PLAIN,
        "pytest",
    )
    assert {name: result.outcome.value for name, result in results.items()} == {
        "test_total": "failed",
        "test_find": "failed",
        "test_fine": "passed",
        "test_skipped": "skipped",
        "test_known": "xfailed",
        "test_unexpected": "xpassed",
        "test_each[1]": "passed",
        "test_each[2]": "failed",
        "test_setup": "error",
        "test_teardown": "error",
        "test_missing": "error",
    }
    total, find = results["test_total"], results["test_find"]
    assert (total.exception, total.file, total.line) == ("AssertionError", "tests/test_price.py", 7)
    assert total.message.startswith("AssertionError: assert 2 == 3")
    assert "hello from the test" in total.detail
    assert (find.exception, find.message) == ("KeyError", "KeyError: 'pear'")
    assert find.frames == (
        Frame(file="tests/test_price.py", line=10, function="test_find"),
        Frame(file="shop/price.py", line=6, function="find"),
    )
    assert (find.file, find.line) == ("shop/price.py", 6)
    assert "fixture 'nowhere' not found" in results["test_missing"].message
    assert results["test_missing"].file == "tests/test_price.py"
    assert told == list(report.results)
    assert "hello from the test" in report.output


async def test_only_runs_what_was_asked_for(box: DockerSandbox, tmp_path: Path) -> None:
    only = ["tests/test_price.py::test_fine", "tests/test_price.py::test_each", "t.py::test_gone"]
    report = await run(box, tmp_path / "r", SHOP, only=only)
    assert {result.id: result.outcome.value for result in report.results} == {
        "tests/test_price.py::test_fine": "passed",
        "tests/test_price.py::test_each[1]": "passed",
        "tests/test_price.py::test_each[2]": "failed",
        "t.py::test_gone": "error",
    }
    assert by_id(report)["t.py::test_gone"].message.endswith(
        "there is no test of this name any more"
    )


async def test_files_that_cannot_be_read_are_errors_and_the_rest_runs(
    box: DockerSandbox, tmp_path: Path
) -> None:
    files: Files = {
        "test_syntax.py": "def test_a():\n    pass\n\ndef broken(:\n",
        "test_import.py": "import helper\n",
        "helper.py": "import json\nimport no_such_module\n",
        "test_ok.py": "def test_ok(): pass\n",
        "test_bytes.py": b"x = '\xff\xfe'\n",
    }
    report = await run(box, tmp_path / "r", files)
    results = by_id(report)
    assert report.status is RunStatus.COMPLETE
    assert results["test_ok.py::test_ok"].outcome is TestOutcome.PASSED
    syntax, missing = results["test_syntax.py"], results["test_import.py"]
    assert (syntax.outcome, syntax.exception) == (TestOutcome.ERROR, "SyntaxError")
    assert (syntax.file, syntax.line) == ("test_syntax.py", 4)
    assert (missing.exception, missing.file, missing.line) == (
        "ModuleNotFoundError",
        "helper.py",
        2,
    )
    assert results["test_bytes.py"].outcome is TestOutcome.ERROR
    assert not report.all_green


async def test_a_broken_conftest_is_an_error_with_its_place(
    box: DockerSandbox, tmp_path: Path
) -> None:
    files = {
        "conftest.py": "x = 1\nraise OSError('no disk')\n",
        "test_a.py": "def test_a(): pass\n",
    }
    report = await run(box, tmp_path / "r", files)
    (result,) = report.results
    assert (result.id, result.outcome) == ("conftest.py", TestOutcome.ERROR)
    assert (result.file, result.line) == ("conftest.py", 2)
    assert not report.all_green


async def test_a_wrong_option_is_a_failed_set_up_that_says_why(
    box: DockerSandbox, tmp_path: Path
) -> None:
    files = {
        "pytest.ini": "[pytest]\naddopts = --no-such-option\n",
        "test_a.py": "def test_a(): ...",
    }
    report = await run(box, tmp_path / "r", files)
    assert (report.status, report.results) == (RunStatus.SETUP_FAILED, ())
    assert "--no-such-option" in report.output


async def test_no_tests_is_said_and_is_not_green(box: DockerSandbox, tmp_path: Path) -> None:
    report = await run(box, tmp_path / "r", {"main.py": "print(1)\n"})
    assert (report.status, report.results, report.all_green) == (RunStatus.NO_TESTS, (), False)


EARLY_EXITS = (
    "os._exit(0)",
    "os.kill(os.getpid(), 9)",
    '[os.write(n, b\'{"kind": "end", "exit_code": 0}\\n\') for n in (1, 2)]; os._exit(0)',
    "sys.stdout.write('= 3 passed in 0.1s ='); sys.stdout.flush(); os._exit(0)",
)


async def test_an_early_exit_is_not_a_pass(box: DockerSandbox, tmp_path: Path) -> None:
    async def leave(number: int, trick: str) -> None:
        text = "import os, sys\ndef test_1(): pass\n"
        text += f"def test_2(): {trick}\ndef test_3(): pass\n"
        report = await run(box, tmp_path / f"r{number}", {"test_a.py": text})
        check_early_exit(report)

    await asyncio.gather(*(leave(number, trick) for number, trick in enumerate(EARLY_EXITS)))


def check_early_exit(report: TestReport) -> None:
    results = by_id(report)
    assert report.status is RunStatus.INCOMPLETE
    assert not report.all_green
    assert results["test_a.py::test_1"].outcome is TestOutcome.PASSED
    assert results["test_a.py::test_2"].outcome is TestOutcome.ERROR
    assert "the process ended here" in results["test_a.py::test_2"].message
    assert "test_a.py::test_3" not in results


async def test_an_exit_while_collecting_is_not_a_pass(box: DockerSandbox, tmp_path: Path) -> None:
    files = {"test_a.py": "import os\ndef test_a(): pass\nos._exit(0)\n"}
    report = await run(box, tmp_path / "r", files)
    assert (report.status, report.all_green) == (RunStatus.INCOMPLETE, False)


async def test_a_hang_ends_in_time_and_says_where(box: DockerSandbox, tmp_path: Path) -> None:
    files = {
        "slow.py": "import time\ndef wait():\n    while True:\n        time.sleep(0.01)\n",
        "test_a.py": "import slow\ndef test_fast(): pass\ndef test_hang():\n    slow.wait()\n",
    }
    started = time.monotonic()
    report = await run(box, tmp_path / "r", files, limits=Limits(timeout_s=4))
    hang = by_id(report)["test_a.py::test_hang"]
    assert time.monotonic() - started < 10
    assert report.status is RunStatus.TIMEOUT
    assert by_id(report)["test_a.py::test_fast"].outcome is TestOutcome.PASSED
    assert (hang.outcome, hang.file) == (TestOutcome.ERROR, "slow.py")
    assert hang.line in (3, 4)
    assert hang.frames[0] == Frame(file="test_a.py", line=4, function="test_hang")
    assert "time limit of 4 s" in hang.message


async def test_a_thread_left_behind_does_not_hold_a_finished_run(
    box: DockerSandbox, tmp_path: Path
) -> None:
    text = (
        "import threading, time\n"
        "def test_a(): threading.Thread(target=time.sleep, args=(600,)).start()\n"
    )
    report = await run(box, tmp_path / "r", {"test_a.py": text}, limits=Limits(timeout_s=30))
    assert report.all_green
    assert report.duration_s < 15


async def test_a_gigabyte_of_output_ends_the_run(box: DockerSandbox, tmp_path: Path) -> None:
    text = (
        "import os\ndef test_loud(capfd):\n"
        "    with capfd.disabled():\n"
        "        for _ in range(1000): os.write(1, b'x' * 2**20)\n"
    )
    limits = Limits(timeout_s=60, output_limit_mib=8, output_kib=64)
    report = await run(box, tmp_path / "r", {"test_a.py": text}, limits=limits)
    assert report.status is RunStatus.OUTPUT_LIMIT
    assert by_id(report)["test_a.py::test_loud"].outcome is TestOutcome.ERROR
    assert len(report.output) < 80_000


async def test_children_that_fork_and_daemons_do_not_disturb_the_report(
    box: DockerSandbox, tmp_path: Path
) -> None:
    text = """
import os, subprocess
def test_child_runs_on():
    if os.fork() == 0:
        return  # the child goes on as if it were pytest
def test_daemon(): subprocess.Popen(["setsid", "sleep", "600"])
def test_last(): pass
"""
    report = await run(box, tmp_path / "r", {"test_a.py": text})
    assert report.status is RunStatus.COMPLETE
    assert [result.outcome.value for result in report.results] == ["passed"] * 3


async def test_memory_that_runs_out_is_told_apart(box: DockerSandbox, tmp_path: Path) -> None:
    text = "def test_a(): assert len(bytearray(900 << 20))\n"
    limits = Limits(timeout_s=60, memory_mib=400, work_mib=64)
    report = await run(box, tmp_path / "r", {"test_a.py": text}, limits=limits)
    assert report.status is RunStatus.OOM
    assert "400 MiB" in by_id(report)["test_a.py::test_a"].message


async def test_output_that_is_not_utf8_survives(box: DockerSandbox, tmp_path: Path) -> None:
    text = (
        "import os\n"
        "def test_a():\n    os.write(1, b'\\xff\\xfe raw')\n    assert '\\udce4\\x1b[31m' == 'x'\n"
    )
    report = await run(box, tmp_path / "r", {"test_a.py": text})
    (result,) = report.results
    assert result.outcome is TestOutcome.FAILED
    assert report.status is RunStatus.COMPLETE


async def test_a_project_may_have_modules_named_like_ours_or_pytests(
    box: DockerSandbox, tmp_path: Path
) -> None:
    files = dict.fromkeys(
        ("pytest.py", "json.py", "faulthandler.py", "launch.py", "sandbox/__init__.py"),
        "raise SystemExit('wrong module')\n",
    )
    files["test_a.py"] = "def test_a(): pass\n"
    report = await run(box, tmp_path / "r", files)
    assert report.all_green


UNITTEST = {
    "pkg/__init__.py": "",
    "pkg/m.py": "def f():\n    raise ValueError('bad')\n",
    "tests/test_m.py": """
import unittest
from pkg.m import f
class T(unittest.TestCase):
    def test_ok(self): pass
    def test_raises(self): f()
    def test_differs(self): self.assertEqual(1, 2)
    @unittest.skip("later")
    def test_skip(self): pass
    @unittest.expectedFailure
    def test_known(self): self.fail()
    def test_parts(self):
        for n in (1, 2):
            with self.subTest(n=n): self.assertEqual(n, 1)
""",
    "tests/test_broken.py": "import unittest\nimport nothing_here\n",
}


async def test_unittest_suites_are_reported_alike(box: DockerSandbox, tmp_path: Path) -> None:
    report = await run(box, tmp_path / "r", UNITTEST)
    results = by_id(report)
    assert (report.runner, report.status) == ("unittest", RunStatus.COMPLETE)
    assert {name.rpartition(".")[2]: result.outcome.value for name, result in results.items()} == {
        "test_ok": "passed",
        "test_raises": "error",
        "test_differs": "failed",
        "test_skip": "skipped",
        "test_known": "xfailed",
        "test_parts": "failed",
        "test_broken": "error",
    }
    raised = results["test_m.T.test_raises"]
    assert (raised.message, raised.file, raised.line) == ("ValueError: bad", "pkg/m.py", 2)
    broken = results["test_broken"]
    assert (broken.exception, broken.file, broken.line) == (
        "ModuleNotFoundError",
        "tests/test_broken.py",
        2,
    )
    again = await run(
        box, tmp_path / "r", UNITTEST, only=["test_m.T.test_ok", "test_m.T.test_parts"]
    )
    assert [result.outcome.value for result in again.results] == ["passed", "failed"]


COMMANDS = (
    ("test -f a.txt && echo out && echo err >&2", TestOutcome.PASSED, ""),
    ("echo out; echo err >&2; exit 3", TestOutcome.FAILED, "exit code 3"),
    ("echo out; echo err >&2; no-such-program", TestOutcome.ERROR, "the command is not in the"),
    ("echo out; echo err >&2; kill -11 $$", TestOutcome.FAILED, "killed by signal 11"),
)


async def test_a_plain_command_is_one_test(box: DockerSandbox, tmp_path: Path) -> None:
    await asyncio.gather(*(check_command(box, tmp_path / "r", *expected) for expected in COMMANDS))


async def check_command(
    box: DockerSandbox, root: Path, command: str, outcome: TestOutcome, message: str
) -> None:
    told: list[TestResult] = []
    report = await run(box, root, {"a.txt": ""}, command=command, told=told)
    (result,) = report.results
    assert (report.status, report.trust, result.id) == (
        RunStatus.COMPLETE,
        VerdictTrust.PLAIN,
        command,
    )
    assert result.outcome is outcome
    assert result.message.startswith(message)
    assert report.output.startswith("out\nerr\n")
    assert told == [result]


INSTALLABLE = {
    "pyproject.toml": """
[project]
name = "tool"
dynamic = ["version"]
[project.scripts]
tool-cli = "tool:main"
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[tool.setuptools.dynamic]
version = {attr = "tool.VERSION"}
""",
    "src/tool/__init__.py": "VERSION = '4.2'\ndef main(): print('ran')\n",
    "test_tool.py": """
import importlib.metadata, subprocess
def test_version(): assert importlib.metadata.version("tool") == "4.2"
def test_script(): assert subprocess.check_output(["tool-cli"]) == b"ran\\n"
def test_source():
    import tool
    assert tool.__file__ == "/box/src/tool/__init__.py"
    assert 0
""",
}


async def test_an_installable_project_is_installed(box: DockerSandbox, tmp_path: Path) -> None:
    report = await run(box, tmp_path / "r", INSTALLABLE)
    assert [result.outcome.value for result in report.results] == ["passed", "passed", "failed"]
    assert report.results[2].message.startswith("AssertionError: assert 0")
    assert report.results[2].file == "test_tool.py"


async def test_a_project_that_cannot_be_installed_still_runs_with_a_note(
    box: DockerSandbox, tmp_path: Path
) -> None:
    files = {
        "pyproject.toml": '[build-system]\nrequires = ["absent"]\nbuild-backend = "absent.backend"\n',
        "src/tool.py": "X = 1\n",
        "test_a.py": "import tool\ndef test_a(): assert tool.X == 1\n",
    }
    report = await run(box, tmp_path / "r", files)
    assert report.all_green
    assert report.output.startswith("[the project could not be installed in the box")
    assert "absent" in report.output


async def test_the_harness_cannot_be_replaced_by_the_project(
    box: DockerSandbox, tmp_path: Path
) -> None:
    text = (
        "import pytest\n"
        "def test_a():\n"
        "    for name in ('launch.py', 'image_plugins.py', 'new.py'):\n"
        "        with pytest.raises(OSError): open('/el/' + name, 'w')\n"
    )
    report = await run(box, tmp_path / "r", {"test_a.py": text})
    assert report.all_green


async def test_pytest_without_stopping_options_runs_everything(
    box: DockerSandbox, tmp_path: Path
) -> None:
    files = {
        "pytest.ini": "[pytest]\naddopts = -x -q\n",
        "test_a.py": "def test_1(): assert 0\ndef test_2(): pass\n",
    }
    report = await run(box, tmp_path / "r", files)
    assert [result.outcome.value for result in report.results] == ["failed", "passed"]


async def test_the_copied_files_are_the_only_files(box: DockerSandbox, tmp_path: Path) -> None:
    source = SourceFile(
        path="test_a.py",
        content=b"import os\ndef test_a(): assert sorted(os.listdir('/box')) == ['test_a.py']\n",
    )
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "other.py").write_text("")
    project = detect(tmp_path / "r")
    report = await run_tests(box, project, [source], limits=Limits(timeout_s=60))
    assert report.all_green


async def test_a_crash_is_told_from_an_exit(box: DockerSandbox, tmp_path: Path) -> None:
    text = "import ctypes, faulthandler\ndef test_a():\n    faulthandler.disable()\n    ctypes.string_at(0)\n"
    report = await run(box, tmp_path / "r", {"test_a.py": text})
    assert (report.status, report.verdict) == (RunStatus.CRASH_SIGNAL, Status.CRASH_SIGNAL)
    assert "killed by signal 11" in by_id(report)["test_a.py::test_a"].message


async def test_tests_that_want_the_network_say_so_and_are_not_red(
    box: DockerSandbox, tmp_path: Path
) -> None:
    text = """
import socket, urllib.request
def test_name(): urllib.request.urlopen("http://example.com")
def test_address(): socket.create_connection(("192.0.2.1", 80), 2)
def test_own_server(): socket.create_connection(("127.0.0.1", 9), 2)
"""
    report = await run(box, tmp_path / "r", {"test_a.py": text})
    assert {name.partition("::")[2]: r.outcome.value for name, r in by_id(report).items()} == {
        "test_name": "needs_network",
        "test_address": "needs_network",
        "test_own_server": "failed",
    }
    alone = await run(box, tmp_path / "r", {"test_a.py": text}, only=["test_a.py::test_name"])
    assert (alone.red, alone.verdict) == ((), Status.NEEDS_NETWORK)


@pytest.mark.parametrize(("result", "verdict"), [("1", Status.PASS), ("2", Status.FAIL)])
async def test_canaries_change_neither_the_results_nor_what_is_printed(
    box: DockerSandbox, tmp_path: Path, result: str, verdict: Status
) -> None:
    text = f"import pytest\n@pytest.mark.unit\ndef test_a(): assert {result} == 1\n"
    files = {
        "tests/test_a.py": text,
        "pytest.ini": "[pytest]\naddopts = -m unit -x\nmarkers = unit\npython_functions = test_a*\n",
    }
    write(tmp_path / "r", files)
    sources, _ = collect_files(tmp_path / "r", list(files), max_bytes=2**20)
    doubted = ["tests/test_a.py::test_a"]
    pinned = Footing(trust=VerdictTrust.PINNED)
    report = await run_tests(
        box,
        detect(tmp_path / "r"),
        sources,
        limits=Limits(timeout_s=60),
        footing=pinned,
        expected=doubted,
        doubted=doubted,
    )
    assert (report.verdict, report.trust, report.notes) == (verdict, VerdictTrust.PINNED, ())
    assert list(by_id(report)) == doubted
    assert "collected 1 item\n" in report.output
    assert "100%" in report.output
    assert ("1 passed" if verdict is Status.PASS else "1 failed") in report.output


async def test_unittest_suites_are_pinned_with_canaries_too(
    box: DockerSandbox, tmp_path: Path
) -> None:
    patch = "import unittest\nunittest.TestCase.run = lambda self, result=None: (result.startTest(self), result.stopTest(self))\n"
    honest = {**UNITTEST, "tests/test_broken.py": ""}
    for files, status in (
        (honest, RunStatus.COMPLETE),
        ({**honest, "pkg/__init__.py": patch}, RunStatus.TAMPERED),
    ):
        write(tmp_path / "r", files)
        sources, _ = collect_files(tmp_path / "r", list(files), max_bytes=2**20)
        project = detect(tmp_path / "r")
        expected = await collect_tests(
            box, project, sources, limits=Limits(timeout_s=60), bare=False
        )
        report = await run_tests(
            box,
            project,
            sources,
            limits=Limits(timeout_s=60),
            footing=Footing(trust=VerdictTrust.PINNED),
            expected=expected,
        )
        assert (report.status, report.trust) == (status, VerdictTrust.PINNED)
