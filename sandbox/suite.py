"""Runs a project's tests in a box and says what came of each."""

from __future__ import annotations

import json
import secrets
import signal
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from importlib import resources

from sandbox.canaries import Canaries, make_canaries
from sandbox.contract import Ending, Execution, Job, Limits, Sandbox, SourceFile
from sandbox.network import wants_network
from sandbox.policy import HARNESS_DIR, WORK_DIR
from sandbox.pristine import Footing
from sandbox.project import Project
from sandbox.records import RecordReader
from sandbox.report import RunStatus, TestOutcome, TestReport, TestResult
from sandbox.status import Trust
from sandbox.trusting import Evidence, interference, trust_of

_HARNESS = ("launch.py", "pytest_reporter.py", "unittest_reporter.py")
_DETAIL_CHARACTERS = 12_000
_NO_TESTS_CODE = 5
_USAGE_CODE = 4
_NOT_FOUND_CODES = (126, 127)
_COMMAND_TAIL = 4_000
_UNPROVEN = Footing(trust=Trust.PLAIN, notes=("nothing says which tests are the user's",))
_EARNED_SIGNALS = frozenset(
    -number
    for number in (
        *(signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL),
        *(signal.SIGTRAP, signal.SIGSYS),
    )
)

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
    footing: Footing = _UNPROVEN,
    expected: Collection[str] | None = None,
    doubted: Sequence[str] = (),
) -> TestReport:
    """Run all tests, or those of the given ids, in a fresh box.

    `on_output` gets what the run prints, `on_result` each result as the test ends. A run that ends
    before its runner said so is never complete, whatever its exit code.

    `footing` says how far the files may be trusted (`sandbox.pristine`), `expected` which tests
    the user's commit has (`collect_tests`), `doubted` whose pass will matter: tests that were red.

    Raises:
        SandboxError: If no answer can be given.
    """
    canaries = make_canaries(project.runner, files, doubted)
    key = secrets.token_hex(32)
    reader = RecordReader(key, WORK_DIR, on_result, canaries=canaries.ids)
    orders = _orders(project, limits, only, canaries) | {
        "key": key,
        "bare": footing.trust is Trust.HARDENED,
    }
    job = _job(project, [*files, *canaries.files], canaries.harness, orders, limits)
    job = replace(job, judged=True)
    execution = await sandbox.run(job, on_output=on_output, on_stderr=reader.feed)
    if project.runner == "command":
        report = _command_report(project, execution, reader, on_result)
    else:
        evidence = Evidence(reader=reader, canaries=canaries, expected=_named(expected, only))
        report = _report(project, execution, evidence, limits=limits, footing=footing)
    execution.note(report.verdict)
    return report


async def collect_tests(
    sandbox: Sandbox, project: Project, files: Sequence[SourceFile], *, limits: Limits, bare: bool
) -> frozenset[str] | None:
    """The ids of all tests of a state that is trusted; None if they cannot be told.

    `bare` leaves out conftest, plugins and configuration, as hardened runs do. Tests in files that
    cannot be loaded are not among them.

    Raises:
        SandboxError: If no answer can be given.
    """
    key = secrets.token_hex(32)
    reader = RecordReader(key, WORK_DIR)
    orders = _orders(project, limits, (), Canaries()) | {
        "key": key,
        "bare": bare,
        "collect_only": True,
    }
    job = _job(project, files, (), orders, limits)
    await sandbox.run(job, on_stderr=reader.feed)
    return None if reader.end_code is None or reader.forged else frozenset(reader.collected)


def _job(
    project: Project,
    files: Sequence[SourceFile],
    harness: Sequence[SourceFile],
    orders: dict[str, object],
    limits: Limits,
) -> Job:
    if project.runner == "command" and not project.installable:
        # without our launcher: this image may have no Python at all
        paths = {"PYTHONPATH": f"{WORK_DIR}/src:{WORK_DIR}"}
        argv = ["sh", "-c", 'exec 2>&1; eval "$1"', "sh", project.command or ""]
        return Job(argv=argv, files=files, env=paths | dict(project.environment), limits=limits)
    return Job(
        # no user site: its folder can be written to while the project is built
        argv=["python3", "-s", f"{HARNESS_DIR}/launch.py"],
        files=files,
        harness=[*harness_files(), *harness],
        env=project.environment,
        stdin=json.dumps(orders).encode(),
        limits=limits,
    )


def _named(expected: Collection[str] | None, only: Sequence[str]) -> frozenset[str] | None:
    """The expected tests among those that were asked for."""
    if expected is None or not only:
        return None if expected is None else frozenset(expected)
    wanted = tuple(f"{name}{mark}" for name in only for mark in ("::", "[", "."))
    return frozenset(i for i in expected if i in only or i.startswith(wanted))


def harness_files() -> tuple[SourceFile, ...]:
    """Return our own programs that run inside the box."""
    folder = resources.files("sandbox.verdict")
    return tuple(
        SourceFile(path=name, content=folder.joinpath(name).read_bytes()) for name in _HARNESS
    )


def _orders(
    project: Project, limits: Limits, only: Sequence[str], canaries: Canaries
) -> dict[str, object]:
    return {
        "root": WORK_DIR,
        "runner": project.runner,
        "command": project.command,
        "install": project.installable,
        "only": list(only),
        "collect_only": False,
        "canaries": sorted(canaries.ids),
        "canary_files": list(canaries.paths),
        "dump_after_s": max(limits.timeout_s - 1.5, limits.timeout_s * 0.7),
    }


def _report(
    project: Project,
    execution: Execution,
    evidence: Evidence,
    *,
    limits: Limits,
    footing: Footing,
) -> TestReport:
    reader = evidence.reader
    status = _status(execution, reader)
    tampered = interference(footing, evidence, ended=reader.end_code is not None)
    trust, notes = trust_of(footing, evidence)
    if tampered:
        status, notes = RunStatus.TAMPERED, tampered
    if reason := _unfinished_reason(status, execution, limits):
        reader.add_unfinished(reason)
    return TestReport(
        status=status,
        results=reader.results,
        runner=project.runner,
        trust=trust,
        duration_s=execution.duration_s,
        output=_output(execution, reader),
        notes=notes,
    )


def _status(execution: Execution, reader: RecordReader) -> RunStatus:
    if reader.end_code is None:
        if reader.setup_failed:
            return RunStatus.SETUP_FAILED
        crashed = execution.exit_code in _EARNED_SIGNALS
        return RunStatus.CRASH_SIGNAL if crashed else _STATUS[execution.ending]
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
        case RunStatus.CRASH_SIGNAL:
            number = -(execution.exit_code or 0)
            return f"did not finish: the process was killed by signal {number} here"
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
        notes=("a command gives an exit code and no more",),
    )


def _command_outcome(execution: Execution) -> TestOutcome:
    if execution.succeeded:
        return TestOutcome.PASSED
    if execution.ending is not Ending.EXITED or execution.exit_code in _NOT_FOUND_CODES:
        return TestOutcome.ERROR
    if wants_network(execution.stdout.text[-_COMMAND_TAIL:]):
        return TestOutcome.NEEDS_NETWORK
    return TestOutcome.FAILED


def _command_message(execution: Execution) -> str:
    if execution.ending is not Ending.EXITED:
        return f"did not finish: {execution.ending.value.replace('_', ' ')}"
    if execution.exit_code in _NOT_FOUND_CODES:
        return "the command is not in the box or cannot be executed"
    code = execution.exit_code or 0
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
