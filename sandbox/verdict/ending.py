"""Gives the end of a test run as a status and in sentences. Pure: nothing runs here."""

from __future__ import annotations

import re
import signal

from sandbox.box.contract import Ending, Execution, Limits
from sandbox.box.streams import display_safe
from sandbox.verdict.records import RecordReader
from sandbox.verdict.report import RunStatus, TestReport

USAGE_CODE = 4
NO_TESTS_CODE = 5
_NAMES_SHOWN = 3
_OWN_WORDS = re.compile(r"^(?:ERROR|FAIL|FATAL|CRITICAL)\b[:!]? .+|^[\w.-]*error: .+", re.MULTILINE)
_WORDS_SEARCHED = 8_000
_WORDS_SHOWN = 300
_EARNED_SIGNALS = frozenset(
    -number
    for number in (
        *(signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
        *(signal.SIGTRAP, signal.SIGSYS),
    )
)
_MEANINGS = {2: "interrupted", 3: "internal error", 4: "usage error", 5: "no tests collected"}
ENDINGS = {
    Ending.TIMEOUT: RunStatus.TIMEOUT,
    Ending.OOM: RunStatus.OOM,
    Ending.OUTPUT_LIMIT: RunStatus.OUTPUT_LIMIT,
    Ending.CANCELLED: RunStatus.INCOMPLETE,
    Ending.EXITED: RunStatus.INCOMPLETE,
}


def run_status(execution: Execution, reader: RecordReader) -> RunStatus:
    """Return the status of the run as a whole."""
    if reader.end_code is None:
        if reader.setup_failed:
            return RunStatus.SETUP_FAILED
        crashed = execution.exit_code in _EARNED_SIGNALS
        return RunStatus.CRASH_SIGNAL if crashed else ENDINGS[execution.ending]
    if reader.end_code == USAGE_CODE and not reader.collected:
        return RunStatus.SETUP_FAILED
    if not reader.results:
        none = reader.end_code in (0, NO_TESTS_CODE) and not reader.collected
        return RunStatus.NO_TESTS if none else RunStatus.INCOMPLETE
    return RunStatus.INCOMPLETE if _unanswered(reader) else RunStatus.COMPLETE


def unfinished_reason(status: RunStatus, execution: Execution, limits: Limits) -> str:
    """Say, of the test that was running, why it has no outcome of its own."""
    match status:
        case RunStatus.TIMEOUT:
            return f"did not finish: the run reached its time limit of {limits.timeout_s:g} s"
        case RunStatus.OOM:
            return f"did not finish: the run used more than {limits.memory_mib} MiB of memory"
        case RunStatus.OUTPUT_LIMIT:
            return f"did not finish: the run printed more than {limits.output_limit_mib} MiB"
        case RunStatus.CRASH_SIGNAL:
            number = -(execution.exit_code or 0)
            return f"did not finish: the process was killed by signal {number} here"
        case RunStatus.INCOMPLETE:
            return f"did not finish: the process ended here{_process_end(execution)}"
        case _:
            return ""


def ending(report: TestReport, reader: RecordReader, execution: Execution) -> str:
    """Describe the end of the run in one sentence; empty if status and counts already say it."""
    if reader.end_code is not None:
        return _own_end(report, reader)
    if report.status is RunStatus.INCOMPLETE:
        how = _process_end(execution)
        return f"The test process ended{how} before the run was over; its outcome is unknown."
    return ""


def remarks(reader: RecordReader) -> tuple[str, ...]:
    """Return further facts about the run that a person should know, one sentence each."""
    if not reader.uncompiled:
        return ()
    return (
        f"The extension that {reader.uncompiled} declares was not compiled: there is no C compiler "
        "in the sandbox image. Set sandbox.image to `debian`, or to an image that has one.",
    )


def _own_end(report: TestReport, reader: RecordReader) -> str:
    """Describe the runner's exit code and reason where they contradict the counts."""
    runner = report.runner
    if reader.listed_only:
        return (
            f"{runner} only listed its tests and ran none: take --collect-only out of the "
            "project's own options (addopts)."
        )
    if report.status is RunStatus.NO_TESTS and reader.deselected:
        return (
            f"No test ran: the project's own options (addopts) deselect all {reader.deselected}. "
            "Change them, or name another command: --command CMD."
        )
    ended = _with_code(runner, report.exit_code)
    why = f": {_first_line(reader.why)}" if reader.why else ""
    if report.status is RunStatus.SETUP_FAILED:
        return f"{ended}: it could not start with the project's own options or conftest.py."
    if report.status is RunStatus.INCOMPLETE:
        missing = _few(_unanswered(reader))
        rest = f" Without an outcome: {missing}." if missing else ""
        return f"{ended} before the run was over{why}.{rest}"
    if report.overruled:
        return f"No test failed, but {ended}{why or _own_words(report.output)}."
    return ""


def _with_code(runner: str, code: int | None) -> str:
    meaning = _MEANINGS.get(code or 0) if runner == "pytest" else None
    return f"{runner} itself ended with exit code {code}" + (f" ({meaning})" if meaning else "")


def _process_end(execution: Execution) -> str:
    code = execution.exit_code
    if code is None:
        return ""
    return f", killed by signal {-code}," if code < 0 else f" with exit code {code}"


def _unanswered(reader: RecordReader) -> list[str]:
    answered = {result.id for result in reader.results}
    return [test_id for test_id in reader.collected if test_id not in answered]


def _own_words(output: str) -> str:
    """Return the last output line that looks like a reason, such as a coverage gate's; else nothing."""
    said = _OWN_WORDS.findall(display_safe(output[-_WORDS_SEARCHED:]))
    return f": {_first_line(said[-1])}" if said else ""


def _first_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[0][:_WORDS_SHOWN].rstrip(". ") if lines else ""


def _few(names: list[str]) -> str:
    rest = len(names) - _NAMES_SHOWN
    shown = ", ".join(name[:_WORDS_SHOWN] for name in names[:_NAMES_SHOWN])
    return f"{shown} and {rest} more" if rest > 0 else shown
