"""Runs a project's tests in a box and says what came of each."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Sequence
from importlib import resources

from sandbox.contract import Ending, Execution, Job, Limits, Sandbox, SourceFile
from sandbox.policy import HARNESS_DIR, WORK_DIR
from sandbox.project import Project
from sandbox.records import RecordReader
from sandbox.report import RunStatus, TestOutcome, TestReport, TestResult, Trust

_HARNESS = ("launch.py", "pytest_reporter.py", "unittest_reporter.py")
_DETAIL_CHARACTERS = 12_000
_NO_TESTS_CODE = 5
_USAGE_CODE = 4
_NOT_FOUND_CODES = (126, 127)

_STATUS = {
    Ending.TIMEOUT: RunStatus.TIMEOUT,
    Ending.OOM: RunStatus.OOM,
    Ending.OUTPUT_LIMIT: RunStatus.OUTPUT_LIMIT,
    Ending.CANCELLED: RunStatus.INCOMPLETE,
    Ending.EXITED: RunStatus.INCOMPLETE,
}


async def run_tests(
    sandbox: Sandbox,
    project: Project,
    files: Sequence[SourceFile],
    *,
    limits: Limits,
    only: Sequence[str] = (),
    on_output: Callable[[bytes], None] | None = None,
    on_result: Callable[[TestResult], None] | None = None,
) -> TestReport:
    """Run all tests, or those of the given ids, in a fresh box.

    `on_output` gets what the run prints, `on_result` each result as the test ends. A run that ends
    before its runner said so is never complete, whatever its exit code.

    Raises:
        SandboxError: If no answer can be given.
    """
    nonce = secrets.token_hex(16)
    reader = RecordReader(nonce, WORK_DIR, on_result)
    job = Job(
        argv=["python3", f"{HARNESS_DIR}/launch.py"],
        files=files,
        harness=harness_files(),
        env=project.environment,
        stdin=json.dumps(_orders(project, nonce, limits, only)).encode(),
        limits=limits,
    )
    execution = await sandbox.run(job, on_output=on_output, on_stderr=reader.feed)
    if project.runner == "command":
        return _command_report(project, execution, reader, on_result)
    return _report(project, execution, reader, limits)


def harness_files() -> tuple[SourceFile, ...]:
    """Return our own programs that run inside the box."""
    folder = resources.files("sandbox.verdict")
    return tuple(
        SourceFile(path=name, content=folder.joinpath(name).read_bytes()) for name in _HARNESS
    )


def _orders(project: Project, nonce: str, limits: Limits, only: Sequence[str]) -> dict[str, object]:
    return {
        "nonce": nonce,
        "root": WORK_DIR,
        "runner": project.runner,
        "command": project.command,
        "install": project.installable,
        "only": list(only),
        "dump_after_s": max(limits.timeout_s - 1.5, limits.timeout_s * 0.7),
    }


def _report(
    project: Project, execution: Execution, reader: RecordReader, limits: Limits
) -> TestReport:
    status = _status(execution, reader)
    if reason := _unfinished_reason(status, execution, limits):
        reader.add_unfinished(reason)
    return TestReport(
        status=status,
        results=reader.results,
        runner=project.runner,
        trust=Trust.REPORTED,
        duration_s=execution.duration_s,
        output=_output(execution, reader),
    )


def _status(execution: Execution, reader: RecordReader) -> RunStatus:
    if reader.end_code is None:
        return RunStatus.SETUP_FAILED if reader.setup_failed else _STATUS[execution.ending]
    if reader.end_code == _USAGE_CODE and not reader.collected:
        return RunStatus.SETUP_FAILED
    if not reader.results:
        none = reader.end_code in (0, _NO_TESTS_CODE) and not reader.collected
        return RunStatus.NO_TESTS if none else RunStatus.INCOMPLETE
    answered = {result.id for result in reader.results}
    missing = any(test_id not in answered for test_id in reader.collected)
    return RunStatus.INCOMPLETE if missing else RunStatus.COMPLETE


def _unfinished_reason(status: RunStatus, execution: Execution, limits: Limits) -> str:
    """Say, of the test that was running, why it has no outcome of its own."""
    match status:
        case RunStatus.TIMEOUT:
            return f"did not finish: the run reached its time limit of {limits.timeout_s:g} s"
        case RunStatus.OOM:
            return f"did not finish: the run used more than {limits.memory_mib} MiB of memory"
        case RunStatus.OUTPUT_LIMIT:
            return f"did not finish: the run printed more than {limits.output_limit_mib} MiB"
        case RunStatus.INCOMPLETE:
            return f"did not finish: the process ended here with exit code {execution.exit_code}"
        case _:
            return ""


def _output(execution: Execution, reader: RecordReader) -> str:
    if not reader.setup_note:
        return execution.stdout.text
    what = (
        "the test runner could not start"
        if reader.setup_failed
        else "the project could not be installed in the box, its folder is on the import path instead"
    )
    return f"[{what}]\n{reader.setup_note.rstrip()}\n\n{execution.stdout.text}"


def _command_report(
    project: Project,
    execution: Execution,
    reader: RecordReader,
    on_result: Callable[[TestResult], None] | None,
) -> TestReport:
    """A plain command is one test: its exit code is all that can be known."""
    result = TestResult(
        id=project.command or "",
        outcome=_command_outcome(execution),
        message="" if execution.succeeded else _command_message(execution),
        detail="" if execution.succeeded else execution.stdout.text[-_DETAIL_CHARACTERS:],
        duration_s=execution.duration_s,
    )
    if on_result is not None:
        on_result(result)
    finished = execution.ending is Ending.EXITED
    return TestReport(
        status=RunStatus.COMPLETE if finished else _STATUS[execution.ending],
        results=(result,),
        runner=project.runner,
        trust=Trust.PLAIN,
        duration_s=execution.duration_s,
        output=_output(execution, reader),
    )


def _command_outcome(execution: Execution) -> TestOutcome:
    if execution.succeeded:
        return TestOutcome.PASSED
    if execution.ending is not Ending.EXITED or execution.exit_code in _NOT_FOUND_CODES:
        return TestOutcome.ERROR
    return TestOutcome.FAILED


def _command_message(execution: Execution) -> str:
    if execution.ending is not Ending.EXITED:
        return f"did not finish: {execution.ending.value.replace('_', ' ')}"
    if execution.exit_code in _NOT_FOUND_CODES:
        return "the command is not in the box or cannot be executed"
    code = execution.exit_code or 0
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
