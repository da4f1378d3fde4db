"""Runs unittest inside the box and reports every test as it ends. Loaded by launch.py."""

# strings, not Path objects: file names come out of code objects; N802: unittest names its methods
# ruff: noqa: N802, PTH100, PTH109, PTH113, PTH110, PTH118, PTH119, PTH120, PTH122, PTH207
from __future__ import annotations

import glob
import importlib.util
import io
import os
import re
import sys
import unittest
from time import monotonic
from traceback import format_exception
from typing import TYPE_CHECKING, Any
from unittest.util import strclass

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType, TracebackType

    from sandbox.verdict.reporters.reporting import Reporter

    _ExcInfo = tuple[type | None, BaseException | None, TracebackType | None]

_DETAIL_LIMIT = 12000
_FRAME = re.compile(r'File "([^"]+)", line (\d+)(?:, in (\S+))?')
_FIXTURE = re.compile(r"(setUp|tearDown)(?:Class|Module) \((?P<owner>.+)\)")
_LOADER = re.compile(r"unittest\.loader\.(?:_FailedTest|ModuleSkipped)\.")


def run(reporter: Reporter, orders: dict[str, Any], _load: Callable[[str], ModuleType]) -> int:
    """Run the tests below the current directory, or those named: 0 green, 1 red, 5 none found."""
    only: list[str] = orders["only"]
    # first, so that whatever code does to the tests when it is imported finds these there as well
    canaries = _canaries(orders["canary_files"])
    top = os.getcwd()
    folders = loose_folders(top)
    sys.path[0:0] = folders
    targets = [os.path.join(reporter.root, target) for target in orders["targets"]]
    if targets and not only:
        suite = unittest.TestSuite(_named(top, folders, target) for target in targets)
    else:
        suite = discovered([top, *folders])
    tests = flat(suite)
    if only:
        tests = [test for test in tests if is_asked_for(reporter.named(_identity(test)), only)]
        suite = unittest.TestSuite(tests)
    ids = [reporter.named(_identity(test)) for test in tests]
    reporter.collected(ids)
    # no reference to a test: unittest lets go of each that has run
    waiting = {id(test): (_identity(test), _owners(test)) for test in tests}
    del tests
    if orders["collect_only"]:
        return 0
    # a copy of its own: a test may close or replace standard output
    stream = open(os.dup(1), "w", buffering=1, errors="backslashreplace")  # noqa: PTH123, SIM115

    def run_all(suite: unittest.TestSuite, stream: Any) -> unittest.TestResult:  # noqa: ANN401
        def make_result(*arguments: Any) -> ReportingResult:  # noqa: ANN401
            return ReportingResult(reporter, waiting, *arguments)

        # the result class is looked up late, so a function that makes one will do
        return unittest.TextTestRunner(stream=stream, resultclass=make_result).run(suite)

    run_all(unittest.TestSuite(canaries[:1]), io.StringIO())
    result = run_all(suite, stream)
    run_all(unittest.TestSuite(canaries[1:]), io.StringIO())
    _tell_missing(reporter, only, ids)
    if not ids:
        return 5
    return 0 if result.wasSuccessful() else 1


def discovered(roots: list[str]) -> unittest.TestSuite:
    """Load the tests below each of these folders, as `python -m unittest` does of one."""
    # a loader of its own for each, since a loader remembers its first top-level directory
    return unittest.TestSuite(unittest.TestLoader().discover(root) for root in roots)


def is_asked_for(test_id: str, only: list[str]) -> bool:
    """Tell whether a test, or something that it is part of, is named."""
    return any(test_id == name or test_id.startswith(name + ".") for name in only)


def _tell_missing(reporter: Reporter, only: list[str], ids: list[str]) -> None:
    for name in only:
        if not any(is_asked_for(test_id, [name]) for test_id in ids):
            gone = LookupError("there is no test of this name any more")
            reporter.result(name, outcome="error", **reporter.describe(gone))


def _canaries(paths: list[str]) -> list[Any]:
    """Load the canaries from files beside this one."""
    found: list[Any] = []
    for path in paths:
        name = os.path.splitext(os.path.basename(path))[0]
        place = os.path.join(os.path.dirname(os.path.abspath(__file__)), path)
        spec = importlib.util.spec_from_file_location(name, place)
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.extend(flat(unittest.TestLoader().loadTestsFromModule(module)))
    return found


def _named(top: str, loose: list[str], target: str) -> Any:  # noqa: ANN401
    """Load the tests in a file or below a folder, or one test by its node id."""
    place, _, inside = target.partition("::")
    base = next((folder for folder in loose if _is_below(place, folder)), top)
    if inside or os.path.isfile(place):
        module = os.path.splitext(os.path.relpath(place, base))[0].replace(os.sep, ".")
        names = [module, *inside.split("::")] if inside else [module]
        return unittest.TestLoader().loadTestsFromName(".".join(names))
    return unittest.TestLoader().discover(place, top_level_dir=base if base != place else None)


def _is_below(place: str, folder: str) -> bool:
    return os.path.commonpath([place, folder]) == folder


def loose_folders(root: str) -> list[str]:
    """Return the folders of tests that are no packages, whose files are imported by bare name."""
    folders = [os.path.join(root, name) for name in ("tests", "test")]
    return [
        folder
        for folder in folders
        if glob.glob(os.path.join(folder, "test*.py"))
        and not os.path.exists(os.path.join(folder, "__init__.py"))
    ]


def flat(suite: Any) -> list[Any]:  # noqa: ANN401
    """Return the single tests of a suite, in their order."""
    if not isinstance(suite, unittest.BaseTestSuite):
        return [suite]
    return [test for part in suite for test in flat(part)]


class ReportingResult(unittest.TextTestResult):
    """Reports each test once, when it stops, with the worst thing that happened to it."""

    def __init__(
        self,
        reporter: Reporter,
        waiting: dict[int, tuple[str, tuple[str, str]]],
        *arguments: Any,  # noqa: ANN401
    ) -> None:
        """`waiting` has the id of each test that did not start yet, and whose fixtures it needs."""
        super().__init__(*arguments)
        self._reporter = reporter
        self._waiting = waiting
        self._current: dict[str, Any] = {}
        self._started = 0.0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._started = monotonic()
        self._current = {"outcome": "passed"}
        self._waiting.pop(id(test), None)
        self._reporter.start(_identity(test))
        self._reporter.begin_body()

    def stopTest(self, test: unittest.TestCase) -> None:
        self._reporter.end_body()
        super().stopTest(test)
        duration = monotonic() - self._started
        self._reporter.result(_identity(test), duration=duration, **self._current)
        self._current = {}

    def _note(self, test: Any, outcome: str, **fields: object) -> None:  # noqa: ANN401
        if self._current:
            if self._current["outcome"] not in ("failed", "error"):
                self._current.update(outcome=outcome, **fields)
            return
        # no test was started: it is the set-up or the tear-down of a class or a module
        for test_id in self._answered_by(test):
            self._reporter.result(test_id, outcome=outcome, **fields)

    def _answered_by(self, fixture: Any) -> list[str]:  # noqa: ANN401
        """Return the tests that cannot start after this failure; without any, the class or module."""
        match = _FIXTURE.fullmatch(_identity(fixture))
        if match is None:
            return [_identity(fixture)]
        owner = match["owner"]
        missed = [key for key, (_, owners) in self._waiting.items() if owner in owners]
        if match[1] == "tearDown" or not missed:
            return [owner]
        return [self._waiting.pop(key)[0] for key in missed]

    def _evidence(self, test: Any, error: _ExcInfo) -> dict[str, Any]:  # noqa: ANN401
        value = error[1] or RuntimeError("unknown error")
        fields: dict[str, Any] = dict(self._reporter.describe(value))
        text = "".join(format_exception(*error))
        fields["detail"] = text[-_DETAIL_LIMIT:]
        if type(test).__name__ == "_FailedTest":
            fields.update(self._import_failure(str(value)))
        return fields

    def _import_failure(self, text: str) -> dict[str, Any]:
        """Read place and reason of a failed import from the text that the loader made of them."""
        frames = []
        for path, line, function in _FRAME.findall(text):
            inside = self._reporter.relative(path)
            if inside:
                frames.append((inside, int(line), function or "<module>"))
        lines = [line for line in text.splitlines() if line.strip()]
        message = lines[-1].strip() if lines else ""
        fields: dict[str, Any] = {
            "message": message,
            "exception": message.partition(":")[0],
            "detail": text[-_DETAIL_LIMIT:],
        }
        if frames:
            fields.update(frames=frames, file=frames[-1][0], line=frames[-1][1])
        return fields

    def addError(self, test: Any, err: Any) -> None:  # noqa: ANN401
        self._reporter.end_body()
        super().addError(test, err)
        self._note(test, "error", **self._evidence(test, err))

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: ANN401
        self._reporter.end_body()
        super().addFailure(test, err)
        self._note(test, "failed", **self._evidence(test, err))

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: ANN401
        super().addSubTest(test, subtest, err)
        if err is not None:
            failed = issubclass(err[0], test.failureException)
            self._note(test, "failed" if failed else "error", **self._evidence(test, err))

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: ANN401
        super().addSkip(test, reason)
        self._note(test, "skipped", message=reason)

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: ANN401
        super().addExpectedFailure(test, err)
        self._note(test, "xfailed")

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: ANN401
        super().addUnexpectedSuccess(test)
        # unittest itself counts this as a failure
        self._note(test, "failed", message="unexpected success")


def _owners(test: Any) -> tuple[str, str]:  # noqa: ANN401
    """Return the names of the class and of the module whose fixtures the test needs."""
    kind = type(test)
    return strclass(kind), kind.__module__


def _identity(test: Any) -> str:  # noqa: ANN401
    """Return the id of a test; for a module that was not loaded, the module's name."""
    return _LOADER.sub("", str(test.id()), count=1)
