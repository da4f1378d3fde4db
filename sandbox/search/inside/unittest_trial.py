"""Runs unittest for the search: once on the unchanged project, then once for each change."""

# ruff: noqa: N802, PTH109
from __future__ import annotations

import io
import os
import sys
import time
import unittest
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_AGAIN_S = 5.0
"""Red tests that take longer are not run again to see how long they take without their lines noted."""
_UNCHANGED_S = 1.0
"""Time of a test that is known not to end, in the unchanged project."""


class UnittestTrials:
    """The tests of one project."""

    def __init__(self, root: str, orders: dict[str, Any], load: Callable[[str], Any]) -> None:
        """`load` gives one of our own modules by its name."""
        self._root = root
        self._orders = orders
        self._tracing = load("line_trace")
        self._alarm = load("alarm")
        self._endless = set(orders["endless"])
        self._reporter = load("unittest_reporter")

    def first(self, *, trace: bool) -> dict[str, Any]:
        """Run the red tests, then all: durations, lines, and the libraries they import."""
        lines: Any = self._tracing.LineTrace(self._root) if trace else None
        spectrum = self._tracing.Spectrum()
        started = time.monotonic()
        red = _UnittestWatch(lines, spectrum, alarm=self._test_alarm(_UNCHANGED_S))
        self._run(red, self._wanted(red, self._orders["red"]))
        red_ended = time.monotonic()
        ends_at, alarm = red_ended + self._orders["green_s"], self._test_alarm(_UNCHANGED_S)
        whole = _UnittestWatch(lines, spectrum, ends_at=ends_at, alarm=alarm)
        whole.skip = set(self._orders["red"])
        self._run(whole, self._wanted(whole))
        red_s = red_ended - started - red.alarm.took_s
        all_s = time.monotonic() - red_ended - whole.alarm.took_s
        slowed = trace and (whole.cut_short or (lines.slows and red_s > _LONGEST_AGAIN_S))
        if trace and not slowed and lines.slows:
            started = time.monotonic()
            again = _UnittestWatch(alarm=self._test_alarm(_UNCHANGED_S))
            self._run(again, self._wanted(again, self._orders["red"]))
            red_s = time.monotonic() - started - again.alarm.took_s
        return {
            "red_s": red_s,
            "all_s": all_s,
            "cut_short": whole.cut_short,
            "slowed": slowed,
            "red": spectrum.red,
            "green": spectrum.green,
            "red_ids": spectrum.red_ids,
            "lines": spectrum.lines(),
            "modules": self._tracing.foreign_modules(self._root),
        }

    def trial(self, start: Any, limits: dict[str, float]) -> dict[str, Any]:  # noqa: ANN401
        """Run the red tests on a changed project and, where they pass, all the others.

        `start` says where the change comes in; this process may become many there.
        """
        started = time.monotonic()

        def late() -> None:
            start.answer({"late": True})

        red = _UnittestWatch(alarm=self._test_alarm(limits["endless"], late))

        def begun() -> None:
            nonlocal started
            started = time.monotonic()
            red.ends_at = started + limits["red"]
            if self._endless.isdisjoint(self._orders["red"]):
                self._alarm.set_alarm(limits["red"], late)

        start.begun = begun
        start.prepare()
        tests = self._wanted(red, self._orders["red"])
        if not start.collected():
            return {"elsewhere": True}
        self._run(red, tests, failfast=True)
        self._alarm.stop_alarm()
        solved = bool(red.passed) and not red.failed and not red.cut_short
        answer: dict[str, Any] = {"red": solved, "message": red.message}
        if solved:
            ends_at, alarm = time.monotonic() + limits["all"], self._test_alarm(limits["endless"])
            whole = _UnittestWatch(ends_at=ends_at, alarm=alarm)
            whole.known = set(self._orders["known_red"])
            self._run(whole, self._wanted(whole))
            answer["all"] = bool(whole.passed) and not whole.failed
            answer["cut_short"] = whole.cut_short
            answer["left"] = len(set(self._orders["beside"]) - whole.passed_ids)
        answer["seconds"] = time.monotonic() - started
        return answer

    def _test_alarm(self, seconds: float, ring: Callable[[], None] = lambda: None) -> Any:  # noqa: ANN401
        return self._alarm.TestAlarm(self._endless, seconds, ring)

    def _wanted(self, watch: _UnittestWatch, only: list[str] | None = None) -> list[Any]:
        tests = self._tests()
        if only is not None:
            tests = [test for test in tests if self._is_asked_for(test.id(), only)]
        return [test for test in tests if test.id() not in watch.skip]

    def _run(self, watch: _UnittestWatch, tests: list[Any], *, failfast: bool = False) -> None:
        def make_result(*arguments: Any) -> _Result:  # noqa: ANN401
            return _Result(watch, *arguments)

        runner: Any = unittest.TextTestRunner(
            stream=io.StringIO(), failfast=failfast, resultclass=make_result
        )
        runner.run(unittest.TestSuite(tests))

    def _is_asked_for(self, test_id: str, only: list[str]) -> bool:
        return any(test_id == name or test_id.startswith(name + ".") for name in only)

    def _tests(self) -> list[Any]:
        top = os.getcwd()
        folders = self._reporter.loose_folders(top)
        sys.path[0:0] = [folder for folder in folders if folder not in sys.path]
        roots = [top, *folders]
        suite = unittest.TestSuite(unittest.TestLoader().discover(root) for root in roots)
        return list(self._reporter.flat(suite))


class _UnittestWatch:
    """Hears how each test ended, and notes its lines."""

    def __init__(
        self,
        lines: Any = None,  # noqa: ANN401
        spectrum: Any = None,  # noqa: ANN401
        *,
        alarm: Any,  # noqa: ANN401
        ends_at: float = 0.0,
    ) -> None:
        self.lines = lines
        self.spectrum = spectrum
        self.ends_at = ends_at
        self.known: set[str] = set()
        self.skip: set[str] = set()
        self.passed = 0
        self.passed_ids: set[str] = set()
        self.failed = 0
        self.message = ""
        self.cut_short = False
        self.alarm = alarm


class _Result(unittest.TextTestResult):
    """Counts what ended, and stops where enough is known."""

    def __init__(self, watch: _UnittestWatch, *arguments: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self._watch = watch
        self._is_red = False

    def startTest(self, test: unittest.TestCase) -> None:
        super().startTest(test)
        self._is_red = False
        self._watch.alarm.begin(test.id())
        if self._watch.lines is not None:
            self._watch.lines.start()

    def stopTest(self, test: unittest.TestCase) -> None:
        if self._watch.lines is not None:
            self._watch.spectrum.add(test.id(), self._watch.lines.stop(), red=self._is_red)
        self._watch.alarm.end(test.id())
        super().stopTest(test)
        late = bool(self._watch.ends_at) and time.monotonic() > self._watch.ends_at
        if late or (self._watch.known and self._watch.failed):
            self._watch.cut_short = late
            self.stop()

    def addSuccess(self, test: unittest.TestCase) -> None:
        super().addSuccess(test)
        self._watch.passed += 1
        self._watch.passed_ids.add(test.id())

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
        self._is_red = True
        if test.id() not in self._watch.known:
            self._watch.failed += 1
            self._watch.message = f"{err[0].__name__}: {err[1]}"[:300]
