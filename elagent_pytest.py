"""A pytest plugin: `pytest --elagent-fix` has elagent repair what failed, after the session.

The repair is `elagent run-tests --fix` in a process of its own, which runs the tests again in the
sandbox and keeps what its rules allow; nothing of elagent is imported into the process of the tests.
This module stands beside the packages, not in one: pytest loads it in every project of the
environment, and a project may have a package named `agent` or `tui` itself.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pytest

_OPTION = "--elagent-fix"
_MOST_NAMED = 200
"""Red tests that are named to the repair: a command line has an end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("elagent").addoption(
        _OPTION,
        action="store_true",
        help="after a run with failures, let elagent repair them in its sandbox; "
        "this run fails all the same",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Take part only where it was asked for, and not in the workers of pytest-xdist."""
    if config.getoption(_OPTION) and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_RepairAfterwards(config), "elagent-fix")


class _RepairAfterwards:
    """Collects the red tests of a session, and has them repaired when it is over."""

    def __init__(self, config: pytest.Config) -> None:
        self._root = config.rootpath
        self._red: dict[str, str] = {}
        self._stopped = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._note(report)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self._note(report)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        # pytest ends a session in the same way when files cannot be collected
        self._stopped = not isinstance(excinfo.value, pytest.Session.Interrupted)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._red or self._stopped:
            return
        terminalreporter.section("elagent")

        def say(line: str) -> None:
            terminalreporter.write_line(_safe(line))
            terminalreporter.flush()

        try:
            repair(self._root, tuple(self._red.values()), say)
        except KeyboardInterrupt:
            say("interrupted; what nobody had judged was put back")
        except OSError as err:
            say(f"elagent could not be started: {err.strerror}")

    def _note(self, report: pytest.TestReport | pytest.CollectReport) -> None:
        name = report.nodeid
        if report.failed and (self._root / name.partition("::")[0]).is_file():
            self._red.setdefault(name.partition("[")[0], name)


def repair(root: Path, red: Sequence[str], say: Callable[[str], None]) -> None:
    """Run the repair of these tests to its end and say what came of it, line by line.

    Raises:
        OSError: If the process cannot be started.
        KeyboardInterrupt: If a person ended it; the process has ended, too.
    """
    from elagent import command

    if len(red) > _MOST_NAMED:
        say(f"{len(red)} tests are red; the first {_MOST_NAMED} are turned to")
    named = [f"--only={name}" for name in red[:_MOST_NAMED]]
    words = [*command(), "run-tests", "--fix", "--json", *named, "--", str(root)]
    finished: Mapping[str, Any] | None = None
    with tempfile.TemporaryFile() as errors:
        with _child(words, root, errors) as child:
            for event in _events(child.stdout):
                if event.get("event") == "fix_finished":
                    finished = event
                elif line := _progress(event):
                    say(line)
        errors.seek(0)
        said = errors.read().decode(errors="replace").strip()
    for line in said.splitlines():
        say(line)
    ended = f"nothing was repaired: elagent ended with exit code {child.returncode}"
    for line in _outcome(finished) if finished else (ended,):
        say(line)


@contextmanager
def _child(words: Sequence[str], cwd: Path, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that has ended when this ends, in whatever way."""
    with subprocess.Popen(
        words, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
    ) as child:
        try:
            yield child
        except BaseException:  # an interruption, too
            child.terminate()
            raise


def _events(stream: IO[bytes] | None) -> Iterator[Mapping[str, Any]]:
    for line in stream or ():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            yield event


def _progress(event: Mapping[str, Any]) -> str:
    """One line for an event that a person wants to see while it goes on; else empty."""
    match event:
        case {"event": "stage_started", "text": text}:
            return f"-- {text}"
        case {"event": "notice", "level": "warning", "text": text}:
            return f"warning: {text}"
        case {"event": "edit_applied", "path": path}:
            return f"changed: {path}"
        case {"event": "edit_reverted", "path": path, "reason": reason}:
            return f"put back: {path}: {reason}"
        case _:
            return ""


def _outcome(finished: Mapping[str, Any]) -> Iterator[str]:
    before, after = finished["red_before"], finished["red_after"]
    repaired = [name for name in before if name not in after]
    yield from finished["diff"].splitlines()
    yield from (f"repaired: {name}" for name in repaired)
    yield from (f"still red: {name}" for name in after)
    if repaired:
        rest = f"; {len(after)} stay red: {finished['reason']}" if after else ""
        yield f"{len(repaired)} repaired{rest}"
        yield "this run stays failed: run pytest again; `elagent undo` takes the changes back"
    elif before:
        yield f"nothing was repaired: {finished['reason']}"
    else:
        yield f"nothing was repaired: no test is red in the sandbox ({finished['reason']})"


def _safe(text: str) -> str:
    """A line without what could steer a terminal: its words come from files and a model."""
    return "".join(c if c.isprintable() or c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
