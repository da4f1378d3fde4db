"""Runs tests by unittest for the search."""

# ruff: noqa: N802, PTH109
from __future__ import annotations

import io
import os
import sys
import unittest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from sandbox.search.inside.course import Watch


class UnittestRuns:
    """Runs of the tests of one project."""

    def __init__(self, _root: str, _orders: dict[str, Any], load: Callable[[str], Any]) -> None:
        """`load` gives one of our own modules by its name."""
        self._reporter = load("unittest_reporter")

    def run(
        self, watch: Watch, only: list[str] | None = None, *, first_failure_ends: bool = False
    ) -> None:
        """Run the tests with these ids, or all, and tell `watch` of each."""
        tests = self._wanted(only, watch.skip)
        if not watch.collected():
            return

        def make_result(*arguments: Any) -> _Result:  # noqa: ANN401
            return _Result(watch, *arguments)

        runner: Any = unittest.TextTestRunner(
            stream=io.StringIO(), failfast=first_failure_ends, resultclass=make_result
        )
        runner.run(unittest.TestSuite(tests))

    def _wanted(self, only: list[str] | None, skip: set[str]) -> list[Any]:
        top = os.getcwd()
        folders = self._reporter.loose_folders(top)
        sys.path[0:0] = [folder for folder in folders if folder not in sys.path]
        tests = self._reporter.flat(self._reporter.discovered([top, *folders]))
        if only is not None:
            tests = [test for test in tests if self._reporter.is_asked_for(test.id(), only)]
        return [test for test in tests if test.id() not in skip]


class _Result(unittest.TextTestResult):
    """Tells a watch how each test ended, and stops where enough is known."""

    def __init__(self, watch: Watch, *arguments: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self._watch = watch

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._watch.begin(test.id())

    def stopTest(self, test: unittest.TestCase) -> None:
        enough = self._watch.end(test.id())
        super().stopTest(test)
        if enough:
            self.stop()

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self._watch.passed(test.id())

    def addError(self, test: Any, err: Any) -> None:  # noqa: ANN401
        super().addError(test, err)
        self._red(test, err)

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: ANN401
        super().addFailure(test, err)
        self._red(test, err)

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: ANN401
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._red(test, err)

    def _red(self, test: Any, err: Any) -> None:  # noqa: ANN401
        self._watch.failed(test.id(), f"{err[0].__name__}: {err[1]}"[:300])
