"""Runs pytest for the search: once on the unchanged project, then once for each change."""

# ruff: noqa: PTH118
from __future__ import annotations

import os
import time
import unittest
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


_KNOWN_BY_NOW = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
"""Plugins are in memory from earlier runs in this process; a project may make errors of warnings."""
_LONGEST_AGAIN_S = 5.0
"""Red tests that take longer are not run again to see how long they take without their lines noted."""
_UNCHANGED_S = 1.0
"""Time of a test that is known not to end, in the unchanged project."""


class PytestTrials:
    """The tests of one project."""

    def __init__(self, root: str, orders: dict[str, Any], load: Callable[[str], Any]) -> None:
        """`load` gives one of our own modules by its name."""
        self._root = root
        self._tracing = load("line_trace")
        self._alarm = load("alarm")
        self._endless = set(orders["endless"])
        self._red: list[str] = orders["red"]
        self._known_red: set[str] = set(orders["known_red"])
        self._beside: set[str] = set(orders["beside"])
        self._whole = [os.path.join(root, target) for target in orders["targets"]]
        self._green_s = orders["green_s"]
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        self._plugins = load("image_plugins").ImagePlugins(root, none=False)

    def first(self, *, trace: bool) -> dict[str, Any]:
        """Run the red tests, then all: durations, lines, and the libraries they import."""
        lines: Any = self._tracing.LineTrace(self._root) if trace else None
        spectrum = self._tracing.Spectrum()
        red = _PytestWatch(lines, spectrum, alarm=self._test_alarm(_UNCHANGED_S))
        red_s = self._timed(red, self._ids(self._red), ())
        ends_at = time.monotonic() + self._green_s
        alarm = self._test_alarm(_UNCHANGED_S)
        whole = _PytestWatch(lines, spectrum, ends_at=ends_at, skip=self._red, alarm=alarm)
        all_s = self._timed(whole, self._whole, ())
        slowed = trace and (whole.cut_short or (lines.slows and red_s > _LONGEST_AGAIN_S))
        if trace and not slowed and lines.slows:
            again = _PytestWatch(alarm=self._test_alarm(_UNCHANGED_S))
            red_s = self._timed(again, self._ids(self._red), ())
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

        red = _PytestWatch(start=start, alarm=self._test_alarm(limits["endless"], late))

        def begun() -> None:
            nonlocal started
            started = time.monotonic()
            red.ends_at = started + limits["red"]
            if self._endless.isdisjoint(self._red):
                self._alarm.set_alarm(limits["red"], late)

        start.begun = begun
        start.prepare()
        red.on_failure = lambda: start.answer({"red": False, "message": red.message})
        self._run(red, self._ids(self._red), ("--exitfirst",))
        self._alarm.stop_alarm()
        if red.elsewhere:
            return {"elsewhere": True}
        solved = bool(red.passed) and not red.failed and not red.cut_short
        answer: dict[str, Any] = {"red": solved, "message": red.message}
        if solved:
            whole = _PytestWatch(
                ends_at=time.monotonic() + limits["all"],
                known=self._known_red,
                alarm=self._test_alarm(limits["endless"]),
            )
            self._run(whole, self._whole, ())
            answer["all"] = bool(whole.passed) and not whole.failed
            answer["cut_short"] = whole.cut_short
            answer["left"] = len(self._beside - whole.passed_ids)
        answer["seconds"] = time.monotonic() - started
        return answer

    def _test_alarm(self, seconds: float, ring: Callable[[], None] = lambda: None) -> Any:  # noqa: ANN401
        return self._alarm.TestAlarm(self._endless, seconds, ring)

    def _ids(self, red: list[str]) -> list[str]:
        return [os.path.join(self._root, test_id) for test_id in red]

    def _timed(self, watch: _PytestWatch, places: list[str], options: tuple[str, ...]) -> float:
        started = time.monotonic()
        self._run(watch, places, options)
        took_s: float = time.monotonic() - started - watch.alarm.took_s
        return took_s

    def _run(self, watch: _PytestWatch, places: list[str], options: tuple[str, ...]) -> None:
        arguments = ["--rootdir=" + self._root, "-q", "-p", "no:cacheprovider", *options]
        arguments += ["-W", _KNOWN_BY_NOW]
        arguments += ["--tb=no", "--no-header", "--continue-on-collection-errors", *places]
        pytest.main(arguments, plugins=[watch, self._plugins, *self._plugins.names])


class _PytestWatch:
    """The hooks that hear how each test ended, and that note its lines."""

    def __init__(
        self,
        lines: Any = None,  # noqa: ANN401
        spectrum: Any = None,  # noqa: ANN401
        *,
        alarm: Any,  # noqa: ANN401
        ends_at: float = 0.0,
        known: set[str] | None = None,
        skip: list[str] | None = None,
        start: Any = None,  # noqa: ANN401
    ) -> None:
        self._lines = lines
        self._spectrum = spectrum
        self.ends_at = ends_at
        self._start = start
        self.elsewhere = False
        self.on_failure: Callable[[], None] | None = None
        self._known = known
        self._skip = set(skip or ())
        self._is_red = False
        self.passed = 0
        self.passed_ids: set[str] = set()
        self.failed = 0
        self.message = ""
        self.cut_short = False
        self.alarm = alarm

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:  # noqa: ANN401
        if hasattr(config.option, "numprocesses"):  # xdist: stay in one process
            config.option.numprocesses, config.option.dist, config.option.tx = None, "no", []

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self._skip:
            items[:] = [item for item in items if item.nodeid not in self._skip]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> bool | None:
        if self._start is not None and not self._start.collected():
            self.elsewhere = True
            return True
        return None

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Generator[None, Any, None]:  # noqa: ANN401
        self._is_red = False
        self.alarm.begin(item.nodeid)
        if self._lines is not None:
            self._lines.start()
        yield
        if self._lines is not None:
            self._spectrum.add(item.nodeid, self._lines.stop(), red=self._is_red)
        self.alarm.end(item.nodeid)
        late = self.ends_at and time.monotonic() > self.ends_at
        new_red = self._known is not None and self.failed
        if late or new_red:
            self.cut_short = bool(late)
            item.session.shouldstop = "enough is known"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:  # noqa: ANN401
        """Answer before anybody words the failure, which takes longer than many a test."""
        if self.on_failure is None or call.excinfo is None or not _is_plain(item, call.excinfo):
            return
        self.message = call.excinfo.exconly()[:300]
        self.on_failure()

    def pytest_collectreport(self, report: Any) -> None:  # noqa: ANN401
        if report.failed and not self._is_known(report.nodeid):
            self.failed += 1
            self.message = str(report.longrepr)[-300:]

    def pytest_runtest_logreport(self, report: Any) -> None:  # noqa: ANN401
        if report.failed:
            self._is_red = True
            if not self._is_known(report.nodeid):
                self.failed += 1
                self.message = str(getattr(report.longrepr, "reprcrash", None) or "")[:300]
        elif report.when == "call" and report.passed:
            self.passed += 1
            self.passed_ids.add(report.nodeid)

    def _is_known(self, test_id: str) -> bool:
        return self._known is not None and test_id in self._known


def _is_plain(item: Any, excinfo: Any) -> bool:  # noqa: ANN401
    """Tell whether an exception is a failure whatever markers and plugins say of it."""
    if any(item.get_closest_marker(name) for name in ("xfail", "flaky")):
        return False
    if getattr(item.config.option, "reruns", 0):
        return False
    return isinstance(excinfo.value, Exception) and not isinstance(
        excinfo.value, (unittest.SkipTest, pytest.skip.Exception)
    )
