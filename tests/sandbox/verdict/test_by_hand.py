"""The verdict on a suite is what its runner says by hand in the same image, whatever a test does."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.box.contract import Execution, Job, Limits, Sandbox, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.project.detection import detect
from sandbox.verdict.report import RunStatus, TestReport, TestResult
from sandbox.verdict.suite import run_tests

pytestmark = pytest.mark.docker

_COUNT = re.compile(r"(\d+) (passed|failed|skipped|xfailed|xpassed|error)s?\b")


async def judged(
    box: Sandbox,
    root: Path,
    files: Mapping[str, str],
    *,
    command: str | None = None,
    only: Sequence[str] = (),
    on_output: Callable[[bytes], None] | None = None,
    on_result: Callable[[TestResult], None] | None = None,
    doubted: Sequence[str] = (),
) -> TestReport:
    sources = []
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        sources.append(SourceFile(path=name, content=path.read_bytes()))
    project = detect(root, command=command)
    return await run_tests(
        box,
        project,
        sources,
        limits=Limits(timeout_s=60),
        only=only,
        on_output=on_output,
        on_result=on_result,
        doubted=doubted,
    )


async def by_hand(box: DockerSandbox, root: Path, files: Mapping[str, str]) -> dict[str, int]:
    """The counts in the last line of pytest itself."""
    report = await judged(box, root, files, command="python3 -m pytest -q -p no:cacheprovider")
    last = report.output.rstrip().splitlines()[-1]
    return {name: int(number) for number, name in _COUNT.findall(last)}


def counted(report: TestReport) -> dict[str, int]:
    return {name: number for name, number in report.counts.items() if number}


# Each file stands for one thing that a test may do to its own process, for a class or for good.
PATCHED = {
    "conftest.py": """
        import pytest

        @pytest.fixture(scope="class")
        def patched(request):
            undo = [request.cls.put_in_place()]
            yield
            undo[0]()
    """,
    "common.py": """
        from unittest import mock

        def patch(*names, **kinds):
            def put_in_place():
                patches = [mock.patch(name, **kinds) for name in names]
                for one in patches:
                    one.start()
                return lambda: [one.stop() for one in patches]
            return staticmethod(put_in_place)
    """,
    **{
        f"test_{number}.py": f"""
        import pytest
        from common import patch

        @pytest.mark.usefixtures("patched")
        class Test{number}:
            put_in_place = patch({arguments})
            def test_passes(self): pass
            def test_fails(self): assert 0, "as it should"
        """
        for number, arguments in enumerate(
            [
                '"time.time", "time.monotonic", "time.perf_counter", return_value=0.0',
                '"json.dumps", "json.loads", side_effect=RuntimeError',
                '"os.write", "os.getpid", side_effect=RuntimeError',
                '"os._exit", "sys.exit", "os.fork", side_effect=RuntimeError',
                '"builtins.open", side_effect=RuntimeError',
                '"builtins.print", "builtins.sum", "builtins.iter", side_effect=RuntimeError',
                '"os.lstat", "os.path.realpath", "os.path.exists", side_effect=RuntimeError',
                '"hmac.new", "hashlib.sha256", "socket.socket", side_effect=RuntimeError',
                '"traceback.format_exception", "gc.collect", side_effect=RuntimeError',
            ]
        )
    },
    "test_for_good.py": """
        import faulthandler, gc, os, resource, signal, sys, time, warnings

        def test_environment(): os.environ.clear()
        def test_folder(tmp_path):
            os.chdir(tmp_path)
            tmp_path.rmdir()
        def test_gone(): assert 0
        def test_mask(): os.umask(0o777)
        def test_files():
            os.closerange(100, 256)
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        def test_no_file(): resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        def test_collector(): gc.disable()
        def test_timer():
            faulthandler.dump_traceback_later(600)
            faulthandler.cancel_dump_traceback_later()
        def test_signals():
            for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM):
                signal.signal(number, signal.SIG_IGN)
        def test_stream():
            sys.stdout = None
        def test_last(): assert 1
    """,
    "test_forked.py": """
        import multiprocessing, os, sys, time, warnings, pytest

        def forked(what):
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # a watch that is a thread would be warned of
                pid = os.fork()
            if pid == 0:
                what()
                os._exit(0)
            assert os.waitpid(pid, 0)[1] == 0

        def test_child_fails():
            def fail():
                with pytest.raises(ZeroDivisionError): 1 / 0
            forked(fail)
        def test_nobody_else_is_waited_for():
            with pytest.raises(ChildProcessError): os.wait()
        def test_pool():
            with multiprocessing.get_context("fork").Pool(1) as pool:
                assert pool.map(abs, [-1]) == [1]
    """,
    "pytest.ini": "[pytest]\naddopts = --doctest-modules\n",
    "test_later.py": "import pytest\npytest.skip('later', allow_module_level=True)\n",
    "test_ids.py": """
        import pytest

        @pytest.mark.parametrize("text", [
            pytest.param("a", id="x" * 3000 + "a"), pytest.param("b", id="x" * 3000 + "b"),
            "y" * 70_000, "\\x00", "new\\nline", "\\u202e", "\\ud800", "\\U0001f600" * 1000, "a::b[c]",
        ])
        def test_id(text): assert text != "b"
    """,
}


async def test_what_a_test_does_to_its_own_process_changes_no_verdict(
    box: DockerSandbox, tmp_path: Path
) -> None:
    report = await judged(box, tmp_path / "r", PATCHED)
    assert report.status is RunStatus.COMPLETE
    assert counted(report) == await by_hand(box, tmp_path / "r", PATCHED)
    failed = Counter(result.message for result in report.red if result.id.startswith("test_0"))
    assert failed == Counter(["AssertionError: as it should\nassert 0"])
    assert len({result.id for result in report.results}) == len(report.results)


FIXTURES = {
    "test_u.py": """
        import asyncio, unittest

        class Skipped(unittest.TestCase):
            @classmethod
            def setUpClass(cls): raise unittest.SkipTest("no database")
            def test_1(self): pass
            def test_2(self): pass

        class Broken(unittest.TestCase):
            @classmethod
            def setUpClass(cls): raise OSError("no disk")
            def test_1(self): pass
            def test_2(self): pass

        class Untidy(unittest.TestCase):
            @classmethod
            def tearDownClass(cls): raise OSError("still open")
            def test_1(self): pass

        class Uncleaned(unittest.TestCase):
            @classmethod
            def setUpClass(cls): cls.addClassCleanup(cls.clean)
            @classmethod
            def clean(cls): raise OSError("not clean")
            def test_1(self): pass

        class Parts(unittest.IsolatedAsyncioTestCase):
            async def test_1(self):
                for n in range(3):
                    with self.subTest(n=n): self.assertNotEqual(n, 1)
            async def test_skips_a_part(self):
                with self.subTest(n=1): self.skipTest("not this one")
            @unittest.expectedFailure
            def test_known(self): self.fail()
            @unittest.expectedFailure
            def test_surprise(self): pass

        def dotted(self): pass
        setattr(Parts, "test_1.5 of \\n them", dotted)
    """,
    "test_module.py": """
        import unittest
        def setUpModule(): raise unittest.SkipTest("no network here")
        class T(unittest.TestCase):
            def test_1(self): self.fail()
    """,
    "test_module_broken.py": """
        import unittest
        def setUpModule(): raise OSError("no disk")
        class T(unittest.TestCase):
            def test_1(self): pass
    """,
    "test_module_untidy.py": """
        import unittest
        def tearDownModule(): raise OSError("still open")
        class T(unittest.TestCase):
            def test_1(self): pass
    """,
    "test_module_skipped.py": """
        import unittest
        raise unittest.SkipTest("not on this system")
    """,
    "test_loaded.py": """
        import doctest, unittest
        class T(unittest.TestCase):
            def __init__(self, number):
                super().__init__("test")
                self.number = number
            def test(self): self.assertEqual(self.number, 1)
        def load_tests(loader, tests, pattern):
            return unittest.TestSuite([T(2), T(1), unittest.FunctionTestCase(lambda: None)])
    """,
    "test_process.py": """
        import os, sys, time, unittest
        from unittest import mock

        class Mocked(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                for name in ("time.monotonic", "json.dumps", "os.write", "os.getpid", "builtins.max"):
                    patch = mock.patch(name, side_effect=RuntimeError)
                    patch.start()
                    cls.addClassCleanup(patch.stop)
            def test_passes(self): pass
            def test_fails(self): self.fail("as it should")

        class Streams(unittest.TestCase):
            def test_child_leaves(self):
                pid = os.fork()
                if pid == 0: sys.exit(0)
                os.waitpid(pid, 0)
            def test_streams(self):
                sys.stdout.close()
                os.close(1)
            def test_then(self): pass
    """,
}
OUTCOMES = {
    "test_u.Skipped.test_1": "skipped",
    "test_u.Skipped.test_2": "skipped",
    "test_u.Broken.test_1": "error",
    "test_u.Broken.test_2": "error",
    "test_u.Untidy.test_1": "passed",
    "test_u.Untidy": "error",
    "test_u.Uncleaned.test_1": "passed",
    "test_u.Uncleaned": "error",
    "test_u.Parts.test_1": "failed",
    "test_u.Parts.test_skips_a_part": "skipped",
    "test_u.Parts.test_known": "xfailed",
    "test_u.Parts.test_surprise": "failed",
    "test_u.Parts.test_1.5 of \n them": "passed",
    "test_module.T.test_1": "skipped",
    "test_module_broken.T.test_1": "error",
    "test_module_untidy.T.test_1": "passed",
    "test_module_untidy": "error",
    "test_module_skipped": "skipped",
    "test_loaded.T.test": "failed",
    "<lambda>": "passed",
    "test_process.Mocked.test_passes": "passed",
    "test_process.Mocked.test_fails": "failed",
    "test_process.Streams.test_child_leaves": "passed",
    "test_process.Streams.test_streams": "passed",
    "test_process.Streams.test_then": "passed",
}


async def test_every_test_of_unittest_has_an_outcome_whatever_its_fixtures_do(
    box: DockerSandbox, tmp_path: Path
) -> None:
    report = await judged(box, tmp_path / "r", FIXTURES)
    assert (report.runner, report.status) == ("unittest", RunStatus.COMPLETE)
    assert {result.id: result.outcome.value for result in report.results} == OUTCOMES
    broken = next(result for result in report.red if result.id == "test_u.Broken.test_2")
    assert (broken.message, broken.file, broken.line) == ("OSError: no disk", "test_u.py", 12)
    again = await judged(
        box,
        tmp_path / "r",
        FIXTURES,
        only=["test_u.Untidy", "test_u.Parts.test_1.5 of \n them", "test_u.Gone"],
    )
    assert {result.id: result.outcome.value for result in again.results} == {
        "test_u.Untidy.test_1": "passed",
        "test_u.Untidy": "error",
        "test_u.Parts.test_1.5 of \n them": "passed",
        "test_u.Gone": "error",
    }


OPTIONS = "[pytest]\naddopts = {}\n"
GREEN = (RunStatus.COMPLETE, 0, "")
PASSES = "def test_1(): pass\ndef test_2(): pass\n"
OWN_ENDS: Mapping[str, tuple[Mapping[str, str], RunStatus, int | None, str]] = {
    "a gate such as that of coverage": (
        {
            "conftest.py": """
            import pytest
            @pytest.hookimpl(hookwrapper=True)
            def pytest_runtestloop(session):
                yield
                session.testsfailed += 1
            def pytest_terminal_summary(terminalreporter):
                terminalreporter.write_line("ERROR: Coverage failure: 75 is less than fail-under=95")
            """
        },
        RunStatus.COMPLETE,
        1,
        "No test failed, but pytest itself ended with exit code 1: ERROR: Coverage failure: 75 is",
    ),
    "a plugin that sets the exit code": (
        {"conftest.py": "def pytest_sessionfinish(session): session.exitstatus = 7\n"},
        RunStatus.COMPLETE,
        7,
        "No test failed, but pytest itself ended with exit code 7.",
    ),
    "an exit at the end": (
        {
            "conftest.py": "import pytest\ndef pytest_sessionfinish():\n"
            "    pytest.exit('enough', returncode=9)\n"
        },
        RunStatus.COMPLETE,
        9,
        "No test failed, but pytest itself ended with exit code 9",
    ),
    "an exit in the middle": (
        {"test_0.py": "import pytest\ndef test_0(): pytest.exit('enough', returncode=2)\n"},
        RunStatus.INCOMPLETE,
        2,
        "pytest itself ended with exit code 2 (interrupted) before the run was over: enough. Wit",
    ),
    "a session that is told to stop": (
        {"conftest.py": "def pytest_runtest_setup(item): item.session.shouldstop = 'no more'\n"},
        RunStatus.INCOMPLETE,
        2,
        "pytest itself ended with exit code 2 (interrupted) before the run was over: no more. With",
    ),
    "tests that are only listed": (
        {"pytest.ini": OPTIONS.format("--co -q")},
        RunStatus.INCOMPLETE,
        0,
        "pytest only listed its tests and ran none",
    ),
    "tests that are all deselected": (
        {"pytest.ini": OPTIONS.format("-k nothing")},
        RunStatus.NO_TESTS,
        5,
        "No test ran: the project's own options (addopts) deselect all 2.",
    ),
    "options that are wrong": (
        {"pytest.ini": OPTIONS.format("--no-such-option")},
        RunStatus.SETUP_FAILED,
        4,
        "pytest itself ended with exit code 4 (usage error): it could not start with the project's",
    ),
    "options that would stop early": ({"pytest.ini": OPTIONS.format("-x --maxfail=1")}, *GREEN),
    "plugins that are turned off": (
        {"pytest.ini": OPTIONS.format("-p no:faulthandler -p no:xdist -p no:cacheprovider")},
        *GREEN,
    ),
}


async def test_the_runners_own_verdict_is_told_where_the_counts_do_not_say_it(
    box: DockerSandbox, tmp_path: Path
) -> None:
    async def one(number: int, files: Mapping[str, str]) -> TestReport:
        return await judged(box, tmp_path / str(number), {"test_a.py": PASSES, **files})

    asked = (one(number, files) for number, (files, *_) in enumerate(OWN_ENDS.values()))
    reports = await asyncio.gather(*asked)
    for (name, (_, status, code, said)), report in zip(OWN_ENDS.items(), reports, strict=True):
        assert (name, report.status, report.exit_code) == (name, status, code)
        assert (name, report.all_green) == (name, not said)
        assert (name, report.ending[: len(said)], report.remarks) == (name, said, ())
        assert "hidden" not in report.output


NOSY = """
    import os, pickle, pytest
    def pytest_collection_modifyitems(items): print("modify", items)
    def pytest_collection_finish(session): print("finish", session.items)
    def pytest_runtest_setup(item): print("setup", item.nodeid)
    @pytest.fixture(autouse=True)
    def every(request):
        if os.environ.get("BREAK"): raise OSError(str(request.session.items))
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(item, nextitem):
        # as pytest-forked does: each test in a child, whose reports are logged here
        from _pytest.runner import runtestprotocol
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        end, start = os.pipe()
        if os.fork() == 0:
            reports = runtestprotocol(item, log=False, nextitem=nextitem)
            os.write(start, pickle.dumps([r._to_json() for r in reports]))
            os._exit(0)
        os.close(start)
        os.wait()
        for report in pickle.loads(os.read(end, 2**20) or pickle.dumps([])):
            report = pytest.TestReport._from_json(report)
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        return True
"""


@pytest.mark.parametrize("ending", ["assert 0", "os._exit(3)", "os.kill(os.getppid(), 9)"])
async def test_no_name_of_a_hidden_check_is_ever_shown(
    box: DockerSandbox, tmp_path: Path, ending: str
) -> None:
    files = {
        "conftest.py": NOSY,
        "pytest.ini": OPTIONS.format("-s -v --setup-show --durations=9 -rA"),
        "test_a.py": f"import os\ndef test_a(): {ending}\n",
    }
    seen: list[bytes] = []
    report = await judged(box, tmp_path / "r", files, on_output=seen.append)
    shown = f"{report} {b''.join(seen).decode()}"
    assert "setup test_a.py::test_a" in shown
    # their names end in eight hexadecimal digits, their file stands in a folder of ours
    assert re.findall(r"(?:test_[a-z]+_[0-9a-f]{8}\b|Test[0-9a-f]{8}\b|canary)", shown) == []
    assert report.red or report.status is RunStatus.INCOMPLETE


class CrashesAtFirst:
    """A sandbox whose first run finds what makes it crash. Implements `Sandbox`."""

    def __init__(self, inner: Sandbox, crashes: int) -> None:
        self._inner = inner
        self._crashes = crashes

    async def run(
        self,
        job: Job,
        *,
        on_output: Callable[[bytes], None] | None = None,
        on_stderr: Callable[[bytes], None] | None = None,
    ) -> Execution:
        self._crashes -= 1
        crash = {"CRASH": "yes"} if self._crashes >= 0 else {}
        job = replace(job, env={**job.env, **crash})
        return await self._inner.run(job, on_output=on_output, on_stderr=on_stderr)


CRASHING = {
    "test_a.py": "import ctypes, os\n"
    "def test_fine(): pass\n"
    "def test_a(): os.environ.get('CRASH') and ctypes.string_at(0)\n"
}


async def test_a_run_that_crashes_is_judged_once_more(box: DockerSandbox, tmp_path: Path) -> None:
    told: list[TestResult] = []
    by_chance, for_sure = await asyncio.gather(
        judged(CrashesAtFirst(box, 1), tmp_path / "1", CRASHING, on_result=told.append),
        judged(CrashesAtFirst(box, 9), tmp_path / "2", CRASHING),
    )
    assert (by_chance.status, by_chance.all_green) == (RunStatus.COMPLETE, True)
    assert by_chance.remarks == (
        "The test process crashed in a first run and not in a second one, which counts here.",
    )
    assert [(result.id, result.outcome.value) for result in told] == [
        ("test_a.py::test_fine", "passed"),
        ("test_a.py::test_a", "error"),
        ("test_a.py::test_a", "passed"),
    ]
    assert (for_sure.status, for_sure.all_green) == (RunStatus.CRASH_SIGNAL, False)
    assert "killed by signal 11" in for_sure.red[0].message
    assert for_sure.remarks == (
        "The test process crashed twice: in this run and in one just before it.",
    )


EXTENSION = {
    "pyproject.toml": """
        [project]
        name = "fast"
        version = "1"
        [build-system]
        requires = ["setuptools"]
        build-backend = "setuptools.build_meta"
    """,
    "setup.py": """
        from setuptools import Extension, setup
        setup(ext_modules=[Extension("fast._fast", ["fast.c"], optional=True)], py_modules=[])
    """,
    "fast.c": "#include <Python.h>\n",
    "test_a.py": "def test_a(): import fast._fast\n",
}


async def test_an_extension_that_nothing_could_compile_is_named(
    box: DockerSandbox, tmp_path: Path
) -> None:
    report = await judged(box, tmp_path / "r", EXTENSION)
    assert [result.exception for result in report.red] == ["ModuleNotFoundError"]
    assert report.remarks == (
        "The extension that setup.py declares was not compiled: there is no C compiler in the "
        "sandbox image. Set sandbox.image to `debian`, or to an image that has one.",
    )


PYTEST_8 = '''
import _pytest.main
from _pytest import nodes

def genitems(self, node):
    """As pytest 8 has it: a folder that an earlier argument went through is skipped."""
    if isinstance(node, nodes.Item):
        node.ihook.pytest_itemcollected(item=node)
        yield node
        return
    report, duplicate = self._collect_one_node(node)
    if duplicate:
        return
    for inside in report.result if report.passed else ():
        yield from self.genitems(inside)
    node.ihook.pytest_collectreport(report=report)

_pytest.main.Session.genitems = genitems
_pytest.main.normalize_collection_arguments = list
'''


async def test_a_test_that_must_fail_hides_no_folder_from_an_older_pytest(
    box: DockerSandbox, tmp_path: Path
) -> None:
    files = {
        "pyproject.toml": '[tool.pytest.ini_options]\ntestpaths = ["tests"]\n',
        "conftest.py": PYTEST_8,
        "tests/shop/__init__.py": "",
        "tests/shop/test_one.py": "def test_one():\n    assert 1 + 1 == 2\n",
        "tests/shop/test_two.py": "def test_two():\n    assert 1 + 1 == 3\n",
    }
    report = await judged(box, tmp_path, files, doubted=["tests/shop/test_two.py::test_two"])
    assert counted(report) == {"passed": 1, "failed": 1}
