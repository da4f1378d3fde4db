"""The course of test runs in a search, whatever runs the tests: once unchanged, then once a change.

Standard library only.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_LONGEST_AGAIN_S = 5.0
"""Red tests that take longer are not run again to see how long they take without their lines noted."""
_LAG_S = 0.3
"""Red tests that took so much longer the first time were slowed, or they import something themselves."""
_UNCHANGED_S = 1.0
"""Time of a test that is known not to end, in the unchanged project."""


class TrialCourse:
    """Runs the red tests of one project and then all of them."""

    def __init__(
        self,
        runs: Any,  # noqa: ANN401
        root: str,
        orders: dict[str, Any],
        load: Callable[[str], Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`runs` are those of pytest or unittest, `load` gives one of our own modules by its name."""
        self._clock = clock
        self._runs = runs
        self._root = root
        self._tracing = load("line_trace")
        self._alarm = load("alarm")
        self._endless = set(orders["endless"])
        self._red: list[str] = orders["red"]
        self._known_red: set[str] = set(orders["known_red"])
        self._beside: set[str] = set(orders["beside"])
        self._red_s = orders["red_s"]
        self._green_s = orders["green_s"]
        self._first_s = orders["first_s"]

    def first(self, *, trace: bool) -> dict[str, Any]:
        """Run the red tests, then all: durations, lines, and the libraries they import."""
        lines: Any = self._tracing.LineTrace(self._root) if trace else None
        spectrum = self._tracing.Spectrum()
        started = self._clock()
        red = RunWatch(
            self._test_alarm(_UNCHANGED_S),
            lines=lines,
            spectrum=spectrum,
            ends_at=started + self._red_s,
            clock=self._clock,
        )
        imports_s, tests_s = self._timed(red, self._red)
        whole = RunWatch(
            self._test_alarm(_UNCHANGED_S),
            lines=lines,
            spectrum=spectrum,
            ends_at=min(self._clock() + self._green_s, started + self._first_s),
            clock=self._clock,
            skip=self._red,
        )
        all_s = sum(self._timed(whole, None))
        cut_short = red.cut_short or whole.cut_short
        slowed = trace and cut_short
        if trace and lines.slows and not slowed:
            slowed = self._were_slowed(imports_s, tests_s)
        return {
            "red_s": imports_s + tests_s,
            "all_s": all_s,
            "cut_short": cut_short,
            "slowed": slowed,
            "red": spectrum.red,
            "green": spectrum.green,
            "red_ids": spectrum.red_ids,
            "lines": spectrum.lines(),
            "modules": self._tracing.foreign_modules(self._root),
        }

    def _were_slowed(self, imports_s: float, tests_s: float) -> bool:
        """Tell whether red tests took longer because their lines were noted, by a run without.

        What that takes is no measure itself: all that the project imports is in memory by then.
        """
        if imports_s + tests_s > _LONGEST_AGAIN_S:
            return True
        again = RunWatch(self._test_alarm(_UNCHANGED_S))
        return tests_s - self._timed(again, self._red)[1] > _LAG_S

    def trial(self, start: Any, limits: dict[str, float]) -> dict[str, Any]:  # noqa: ANN401
        """Run the red tests on a changed project and, where they pass, all the others.

        `start` says where the change comes in; this process may become many there.
        """
        started = time.monotonic()

        def late() -> None:
            start.answer({"late": True})

        red = RunWatch(self._test_alarm(limits["endless"], late), collected=start.collected)

        def begun() -> None:
            nonlocal started
            started = time.monotonic()
            red.ends_at = started + limits["red"]
            if self._endless.isdisjoint(self._red):
                self._alarm.set_alarm(limits["red"], late)

        start.begun = begun
        start.prepare()
        red.on_failure = lambda: start.answer({"red": False, "message": red.message})
        self._runs.run(red, self._red, first_failure_ends=True)
        self._alarm.stop_alarm()
        if red.elsewhere:
            return {"elsewhere": True}
        solved = red.all_passed and not red.cut_short
        answer: dict[str, Any] = {"red": solved, "message": red.message}
        if solved:
            answer.update(self._after_red(limits))
        answer["seconds"] = time.monotonic() - started
        return answer

    def _after_red(self, limits: dict[str, float]) -> dict[str, Any]:
        """Run all tests until one fails that was green."""
        whole = RunWatch(
            self._test_alarm(limits["endless"]),
            ends_at=time.monotonic() + limits["all"],
            known_red=self._known_red,
        )
        self._runs.run(whole)
        return {
            "all": whole.all_passed,
            "cut_short": whole.cut_short,
            "left": len(self._beside - whole.passed_ids),
        }

    def _timed(self, watch: RunWatch, only: list[str] | None) -> tuple[float, float]:
        """Run tests; return the seconds until they were collected, and those from there."""
        started = self._clock()
        collected_at: list[float] = []
        watch.on_collected = lambda: collected_at.append(self._clock())
        self._runs.run(watch, only)
        ended = self._clock()
        middle = collected_at[0] if collected_at else ended
        return middle - started, ended - middle - watch.alarm.took_s

    def _test_alarm(self, seconds: float, ring: Callable[[], None] = lambda: None) -> Any:  # noqa: ANN401
        return self._alarm.TestAlarm(self._endless, seconds, ring)


class RunWatch:
    """Hears how each test of one run ended, notes its lines, and says when enough is known."""

    def __init__(
        self,
        alarm: Any,  # noqa: ANN401
        *,
        lines: Any = None,  # noqa: ANN401
        spectrum: Any = None,  # noqa: ANN401
        ends_at: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        known_red: set[str] | None = None,
        skip: Iterable[str] = (),
        collected: Callable[[], bool] = lambda: True,
    ) -> None:
        """`known_red` are tests whose failure says nothing; if given, any other failure is enough.

        `collected` is called before the first test and says whether the tests are to run.
        """
        self.alarm = alarm
        self.ends_at = ends_at
        self._clock = clock
        self.skip = set(skip)
        self.passed_ids: set[str] = set()
        self.message = ""
        self.cut_short = False
        self.elsewhere = False
        self.on_collected: Callable[[], None] = lambda: None
        """Called before the first test."""
        self.on_failure: Callable[[], None] | None = None
        """Called by a run that knows of a failure before it is worded."""
        self._lines = lines
        self._spectrum = spectrum
        self._known_red = known_red
        self._collected = collected
        self._failures = 0
        self._is_red = False

    @property
    def all_passed(self) -> bool:
        """True if tests passed and none failed but those known to be red."""
        return bool(self.passed_ids) and not self._failures

    def collected(self) -> bool:
        """Say that the tests are collected; False if they are not to run in this process."""
        self.on_collected()
        self.elsewhere = not self._collected()
        return not self.elsewhere

    def begin(self, test_id: str) -> None:
        """Say that a test begins."""
        self._is_red = False
        self.alarm.begin(test_id)
        if self._lines is not None:
            self._lines.start()

    def passed(self, test_id: str) -> None:
        """Say that a test passed."""
        self.passed_ids.add(test_id)

    def failed(self, test_id: str, message: str) -> None:
        """Say that a test failed, or that a file of tests cannot be collected."""
        self._is_red = True
        if self._known_red is None or test_id not in self._known_red:
            self._failures += 1
            self.message = message

    def end(self, test_id: str) -> bool:
        """Say that a test ended; True if enough is known, so that the others need not run."""
        if self._lines is not None:
            self._spectrum.add(test_id, self._lines.stop(), red=self._is_red)
        self.alarm.end(test_id)
        late = bool(self.ends_at) and self._clock() > self.ends_at
        enough = late or (self._known_red is not None and self._failures > 0)
        if enough:
            self.cut_short = late
        return enough
