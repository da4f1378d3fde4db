"""Tries many changes of a project's files, one forked process each. Loaded by launch.py.

This process imports the test runner and the libraries that the tests use, and nothing of the project.
Each child gets one change and runs the red tests first and all tests after them. It begins as late
as it can: with the red tests collected, where only functions differ that have not run by then; else
where the changed file is imported; else at the start of the test runner. Nothing that a child says
is a verdict: it only says which change is worth a run of the tests by the usual, hardened way.
"""

# strings, not Path objects: file names here come out of code objects and node ids
from __future__ import annotations

import importlib
import sys
import tempfile
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from sandbox.verdict.reporters.reporting import Reporter

_RUNS = {
    "pytest": ("pytest_runs", "PytestRuns"),
    "unittest": ("unittest_runs", "UnittestRuns"),
}
"""Our module and its class for each runner of tests."""
_LEAST_S = 0.5
_TIMES_USUAL = 4.0
_ENDLESS_S = 0.5
_MOST_ENDLESS_S = 5.0
_LINES_A_RECORD = 2000
_PATIENCE_S = 3.0


def run(reporter: Reporter, orders: dict[str, Any], load: Callable[[str], ModuleType]) -> int:
    """Run the tests once, with their lines if wanted, then each change; 0 at the end of the list.

    `load` gives one of our own modules by its name.
    """
    sys.pycache_prefix = tempfile.mkdtemp(prefix="elagent-pyc-")
    sys.dont_write_bytecode = False  # the children share what the first one compiled
    module, name = _RUNS[orders["tests"]]
    runs = getattr(load(module), name)(reporter.root, orders, load)
    course = load("course").TrialCourse(runs, reporter.root, orders, load)
    ends_at = time.monotonic() + orders["budget_s"]
    forking = load("forking")
    usual = _first(reporter, orders, course, forking, ends_at)
    if usual is None:
        return 1
    limits = {stage: _LEAST_S + _TIMES_USUAL * usual[stage + "_s"] for stage in ("red", "all")}
    endless = set(orders["endless"])
    limits["endless"] = _ENDLESS_S
    limits["red"] += _ENDLESS_S * len(endless.intersection(orders["red"]))
    limits["all"] += min(_MOST_ENDLESS_S, _ENDLESS_S * len(endless.difference(orders["red"])))
    places = load("beginnings").Beginnings(reporter.root, course, limits, forking, load)
    try:
        trials = _Trials(reporter, orders["trials"], places, forking)
        trials.run(orders["workers"], orders["enough"], ends_at)
    finally:
        places.close()
    return 0


def _first(
    reporter: Reporter,
    orders: dict[str, Any],
    course: Any,  # noqa: ANN401
    forking: Any,  # noqa: ANN401
    ends_at: float,
) -> dict[str, Any] | None:
    """Run the unchanged project: how long its tests take, what they import, which lines they run.

    Another box may have said so already.
    """
    if orders["usual"]:
        return _told(reporter, orders["usual"])
    child = forking.Child.forked(lambda: course.first(trace=orders["trace"]))
    answer = _await(child, forking, ends_at)
    if answer is None:
        reporter.emit("unsearchable", why="the tests do not end in the time that there is")
        return None
    if "fault" in answer:
        reporter.emit("unsearchable", why=answer["fault"])
        return None
    lines = answer.pop("lines", [])
    for start in range(0, len(lines), _LINES_A_RECORD):
        reporter.emit("lines", lines=lines[start : start + _LINES_A_RECORD])
    return _told(reporter, answer)


def _told(reporter: Reporter, usual: dict[str, Any]) -> dict[str, Any]:
    """Report the usual run, and import the libraries that it needs."""
    reporter.emit("usual", **usual)
    for name in usual.get("modules", []):
        with suppress(BaseException):  # a library may even end the process when it is imported
            importlib.import_module(name)
    return usual


class _Trials:
    """The changes that wait, and the children that try some of them."""

    def __init__(
        self,
        reporter: Reporter,
        trials: list[dict[str, str]],
        places: Any,  # noqa: ANN401
        forking: Any,  # noqa: ANN401
    ) -> None:
        self._reporter = reporter
        self._trials = trials
        self._places = places
        self._forking = forking
        self._waiting = list(range(len(trials)))[::-1]
        self._at_work: dict[int, tuple[int, Any]] = {}
        self._passed_whole = 0
        self._first_whole: float | None = None

    def run(self, workers: int, enough: int, ends_at: float) -> None:
        """Try one after the other until `enough` pass or the time is over.

        Some seconds after the first that leaves nothing red, it is enough. Those that leave red what may
        be the same fault end nothing: many of them pass by chance.
        """
        while (self._waiting or self._at_work) and time.monotonic() < ends_at:
            while self._waiting and len(self._at_work) < workers:
                index = self._waiting.pop()
                child = self._places.begin(self._trials[index])
                self._at_work[child.fd] = index, child
            self._hear()
            if self._enough(enough):
                break
        for _, child in self._at_work.values():
            child.end()

    def _enough(self, enough: int) -> bool:
        if self._passed_whole >= enough:
            return True
        waited = time.monotonic() - self._first_whole if self._first_whole else 0.0
        return waited > _PATIENCE_S

    def _hear(self) -> None:
        """Take what the children say; end those that say nothing for too long."""
        heard = self._forking.ready(list(self._at_work), 0.02)
        now = time.monotonic()
        for fd, (index, child) in list(self._at_work.items()):
            if fd in heard and not child.read():
                del self._at_work[fd]
                self._answered(index, child.answer() or {})
            elif fd not in heard and child.late(now):
                del self._at_work[fd]
                child.end()
                self._reporter.emit("trial", index=index, late=True)

    def _answered(self, index: int, answer: dict[str, Any]) -> None:
        if answer.get("elsewhere"):
            self._places.not_in_memory(self._trials[index])
            self._waiting.append(index)
            return
        if answer.get("all") and not answer.get("left"):
            self._passed_whole += 1
            self._first_whole = self._first_whole or time.monotonic()
        self._reporter.emit("trial", index=index, **answer)


def _await(child: Any, forking: Any, ends_at: float) -> dict[str, Any] | None:  # noqa: ANN401
    while time.monotonic() < ends_at:
        if forking.ready([child.fd], 0.05) and not child.read():
            return child.answer() or {"fault": "the tests ended the process that ran them"}
    child.end()
    return None
