"""Runs unittest inside the box and reports every test as it ends. Loaded by launch.py."""

# strings, not Path objects: file names come out of code objects; N802: unittest names its methods
# ruff: noqa: N802, PTH100, PTH110, PTH118, PTH119, PTH120, PTH122, PTH207
from __future__ import annotations

import glob
import importlib.util
import io
import os
import re
import sys
import time
import traceback
import unittest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import TracebackType

    from sandbox.verdict.launch import Reporter

    _ExcInfo = tuple[type | None, BaseException | None, TracebackType | None]

_DETAIL_LIMIT = 12000
_FRAME = re.compile(r'File "([^"]+)", line (\d+)(?:, in (\S+))?')
_CHUNK = 200


def run(reporter: Reporter, orders: dict[str, Any]) -> int:
    """Run the tests below the current directory, or those named: 0 green, 1 red, 5 none found."""
    only: list[str] = orders["only"]
    folders = _loose_folders(reporter.root)
    sys.path[0:0] = folders
    if only:
        suite = unittest.TestLoader().loadTestsFromNames(only)
    else:
        # as `python -m unittest` does, and in test folders that are not packages too; a loader of
        # its own for each, since a loader remembers its first top-level directory
        roots = [reporter.root, *folders]
        suite = unittest.TestSuite(unittest.TestLoader().discover(root) for root in roots)
    ids = [_identity(test) for test in _flat(suite)]
    for start in range(0, len(ids), _CHUNK):
        reporter.emit("collected", ids=ids[start : start + _CHUNK])
    if orders["collect_only"]:
        return 0

    def make_result(stream: Any, descriptions: Any, verbosity: Any) -> Result:  # noqa: ANN401
        return Result(reporter, stream, descriptions, verbosity)

    # the result class is looked up late, so a function that makes one will do
    runner = unittest.TextTestRunner(stream=sys.stdout, resultclass=make_result)
    canaries = _canaries(orders["canary_files"])
    quiet = unittest.TextTestRunner(stream=io.StringIO(), resultclass=make_result)
    quiet.run(unittest.TestSuite(canaries[:1]))
    result = runner.run(suite)
    quiet.run(unittest.TestSuite(canaries[1:]))
    if not ids:
        return 5
    return 0 if result.wasSuccessful() else 1


def _canaries(paths: list[str]) -> list[Any]:
    """The tests that must fail, from files beside this one."""
    found: list[Any] = []
    for path in paths:
        name = os.path.splitext(os.path.basename(path))[0]
        place = os.path.join(os.path.dirname(os.path.abspath(__file__)), path)
        spec = importlib.util.spec_from_file_location(name, place)
        if spec is None or spec.loader is None:
            continue
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found.extend(_flat(unittest.TestLoader().loadTestsFromModule(module)))
    return found


def _loose_folders(root: str) -> list[str]:
    folders = [os.path.join(root, name) for name in ("tests", "test")]
    return [
        folder
        for folder in folders
        if glob.glob(os.path.join(folder, "test*.py"))
        and not os.path.exists(os.path.join(folder, "__init__.py"))
    ]


def _flat(suite: Any) -> list[Any]:  # noqa: ANN401
    if not isinstance(suite, unittest.TestSuite):
        return [suite]
    return [test for part in suite for test in _flat(part)]


class Result(unittest.TextTestResult):
    """Reports each test once, when it stops, with the worst thing that happened to it."""

    def __init__(self, reporter: Reporter, *arguments: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self._reporter = reporter
        self._current: dict[str, Any] = {}
        self._started = 0.0

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._started = time.monotonic()
        self._current = {"id": _identity(test), "outcome": "passed"}
        self._reporter.emit("start", id=self._current["id"])

    def stopTest(self, test: unittest.TestCase) -> None:
        super().stopTest(test)
        duration = time.monotonic() - self._started
        self._reporter.emit("result", duration=duration, **self._current)
        self._current = {}

    def _note(self, test: Any, outcome: str, **fields: object) -> None:  # noqa: ANN401
        if self._current:
            if self._current["outcome"] not in ("failed", "error"):
                self._current.update(outcome=outcome, **fields)
        else:  # setUpClass, setUpModule: no test was started
            self._reporter.emit("result", id=_identity(test), outcome=outcome, **fields)

    def _evidence(self, test: Any, error: _ExcInfo) -> dict[str, Any]:  # noqa: ANN401
        value = error[1] or RuntimeError("unknown error")
        fields: dict[str, Any] = dict(self._reporter.describe(value))
        text = "".join(traceback.format_exception(*error))
        fields["detail"] = text[-_DETAIL_LIMIT:]
        if type(test).__name__ == "_FailedTest":
            fields.update(self._import_failure(str(value)))
        return fields

    def _import_failure(self, text: str) -> dict[str, Any]:
        """The loader turns a failed import into text: read the place and the reason back."""
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
        super().addError(test, err)
        self._note(test, "error", **self._evidence(test, err))

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: ANN401
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


def _identity(test: Any) -> str:  # noqa: ANN401
    """The id; for a module that failed to load, the module's name without the loader's class."""
    return str(test.id()).replace("unittest.loader._FailedTest.", "")
