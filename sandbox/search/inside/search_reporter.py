"""Tries many changes of a project's files, one forked process each. Loaded by launch.py.

The parent imports the test runner and the libraries that the tests use, and nothing of the project.
Each child gets one change as the source of one file, imports the project, and runs the red tests
first and all tests after them. Nothing that a child says is a verdict: it only says which change is
worth a run of the tests by the usual, hardened way.
"""

# strings, not Path objects: file names here come out of code objects and node ids
# ruff: noqa: PTH118
from __future__ import annotations

import base64
import importlib
import importlib.machinery
import json
import os
import select
import signal
import sys
import tempfile
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from sandbox.verdict.reporters.reporting import Reporter

_TRIALS = {
    "pytest": ("pytest_trial", "PytestTrials"),
    "unittest": ("unittest_trial", "UnittestTrials"),
}
"""Our module and its class for each runner of tests."""
_READ_BYTES = 1 << 16
_MOST_ANSWER_BYTES = 32 << 20
_LEAST_S = 0.5
_TIMES_USUAL = 4.0
_LINES_A_RECORD = 2000


def run(reporter: Reporter, orders: dict[str, Any], load: Callable[[str], ModuleType]) -> int:
    """Run the tests once, with their lines if wanted, then each change; 0 at the end of the list.

    `load` gives one of our own modules by its name.
    """
    sys.pycache_prefix = tempfile.mkdtemp(prefix="elagent-pyc-")
    sys.dont_write_bytecode = False  # the children share what the first one compiled
    module, name = _TRIALS[orders["tests"]]
    runner = getattr(load(module), name)(reporter.root, orders, load)
    ends_at = time.monotonic() + orders["budget_s"]
    usual = _first(reporter, orders, runner, ends_at)
    if usual is None:
        return 1
    _try_all(reporter, orders, runner, usual, ends_at)
    return 0


def _first(
    reporter: Reporter,
    orders: dict[str, Any],
    runner: Any,  # noqa: ANN401
    ends_at: float,
) -> dict[str, Any] | None:
    """Run the unchanged project: how long its tests take, what they import, which lines they run."""
    child = _Child(lambda: runner.first(trace=orders["trace"]))
    answer = _await(child, ends_at)
    if answer is None:
        reporter.emit("unsearchable", why="the tests do not end in the time that there is")
        return None
    if "fault" in answer:
        reporter.emit("unsearchable", why=answer["fault"])
        return None
    lines = answer.pop("lines", [])
    for start in range(0, len(lines), _LINES_A_RECORD):
        reporter.emit("lines", lines=lines[start : start + _LINES_A_RECORD])
    modules = answer.pop("modules", [])
    reporter.emit("usual", **answer)
    for name in modules:
        with suppress(BaseException):
            importlib.import_module(name)
    return answer


def _try_all(
    reporter: Reporter,
    orders: dict[str, Any],
    runner: Any,  # noqa: ANN401
    usual: dict[str, Any],
    ends_at: float,
) -> None:
    limits = {stage: _LEAST_S + _TIMES_USUAL * usual[stage + "_s"] for stage in ("red", "all")}
    waiting = list(enumerate(orders["trials"]))[::-1]
    at_work: dict[int, tuple[int, _Child]] = {}
    passed = 0
    while (waiting or at_work) and time.monotonic() < ends_at:
        while waiting and len(at_work) < orders["workers"]:
            index, trial = waiting.pop()
            change = _Change(os.path.join(reporter.root, trial["path"]), trial["text"])
            child = _Child(partial(runner.trial, change.install, limits))
            child.ends_at = time.monotonic() + limits["red"] + limits["all"]
            at_work[child.fd] = index, child
        for fd in _ready(list(at_work), 0.02):
            if not at_work[fd][1].read():
                index, child = at_work.pop(fd)
                answer = child.answer() or {}
                passed += bool(answer.get("all"))
                reporter.emit("trial", index=index, **answer)
        now = time.monotonic()
        for fd in [fd for fd, (_, child) in at_work.items() if child.late(now)]:
            index, child = at_work.pop(fd)
            child.end()
            reporter.emit("trial", index=index, late=True)
        if passed >= orders["enough"]:
            break
    for _, child in at_work.values():
        child.end()


def _ready(fds: list[int], wait_s: float) -> list[int]:
    return select.select(fds, [], [], wait_s)[0] if fds else []


def _await(child: _Child, ends_at: float) -> dict[str, Any] | None:
    while time.monotonic() < ends_at:
        if _ready([child.fd], 0.05) and not child.read():
            return child.answer() or {"fault": "the tests ended the process that ran them"}
    child.end()
    return None


class _Change:
    """Another source for one file, given to whoever imports it in this process."""

    def __init__(self, path: str, text: str) -> None:
        self._path = os.path.realpath(path)
        self._source = base64.b64decode(text)

    def install(self) -> None:
        """Have the import system compile the changed source in place of the file's own."""
        usual = importlib.machinery.SourceFileLoader.get_code
        path, source = self._path, self._source

        def get_code(loader: Any, fullname: str) -> Any:  # noqa: ANN401
            file = loader.get_filename(fullname)
            if os.path.realpath(file) == path:
                return compile(source, file, "exec", dont_inherit=True)
            return usual(loader, fullname)

        loaders: Any = importlib.machinery.SourceFileLoader
        loaders.get_code = get_code


class _Child:
    """One forked process and the pipe on which it answers once, as JSON."""

    def __init__(self, work: Callable[[], dict[str, Any]]) -> None:
        self.fd, writing = os.pipe()
        self._data = b""
        self.ends_at = 0.0
        self._pid = os.fork()
        if self._pid == 0:
            os.close(self.fd)
            _work(work, writing)
        os.close(writing)

    def late(self, now: float) -> bool:
        """Tell whether its time is over."""
        return bool(self.ends_at) and now > self.ends_at

    def read(self) -> bool:
        """Take what is there; False at the end, with the process gone."""
        data = os.read(self.fd, _READ_BYTES)
        self._data += data
        if data and len(self._data) <= _MOST_ANSWER_BYTES:
            return True
        self.end()
        return False

    def answer(self) -> dict[str, Any] | None:
        """Return what it answered; None if that is no answer."""
        try:
            value = json.loads(self._data)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def end(self) -> None:
        """End it with all that it started, and let go of it."""
        with suppress(OSError):
            os.killpg(self._pid, signal.SIGKILL)
        with suppress(OSError):
            os.kill(self._pid, signal.SIGKILL)
        with suppress(OSError):
            os.waitpid(self._pid, 0)
        with suppress(OSError):
            os.close(self.fd)


def _work(work: Callable[[], dict[str, Any]], writing: int) -> None:
    """Be the child: quiet, in a group of its own, gone with its answer."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        try:
            answer = work()
        except BaseException as error:  # noqa: BLE001  (whatever the project does)
            answer = {"fault": f"{type(error).__name__}: {error}"[:500]}
        data = json.dumps(answer).encode()
        while data:
            data = data[os.write(writing, data) :]
    finally:
        os._exit(0)
