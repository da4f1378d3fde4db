"""Runs a project's tests in a box and reports the outcome of each."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from sandbox.box.contract import Ending, Execution, Job, Limits, Sandbox, SourceFile
from sandbox.box.network import wants_network
from sandbox.box.policy import WORK_DIR
from sandbox.box.status import VerdictTrust
from sandbox.project.detection import Project
from sandbox.verdict.canaries import Canaries, make_canaries
from sandbox.verdict.ending import ENDINGS, ending, remarks, run_status, unfinished_reason
from sandbox.verdict.hiding import HiddenLines, without_lines
from sandbox.verdict.jobs import orders_for, suite_job
from sandbox.verdict.pristine import Footing
from sandbox.verdict.records import RecordReader
from sandbox.verdict.report import RunStatus, TestOutcome, TestReport, TestResult
from sandbox.verdict.trusting import RunEvidence, interference, trust_of

_DETAIL_CHARACTERS = 12_000
_NOT_FOUND_CODES = (126, 127)
_COMMAND_TAIL = 4_000
_UNPROVEN = Footing(trust=VerdictTrust.PLAIN, notes=("nothing says which tests are the user's",))
OnOutput = Callable[[bytes], None]
OnResult = Callable[[TestResult], None]


async def run_tests(
    sandbox: Sandbox,
    project: Project,
    files: Sequence[SourceFile],
    *,
    limits: Limits,
    only: Sequence[str] = (),
    on_output: OnOutput | None = None,
    on_result: OnResult | None = None,
    footing: Footing = _UNPROVEN,
    expected: Collection[str] | None = None,
    doubted: Sequence[str] = (),
) -> TestReport:
    """Run all tests, or those of the given ids, in a fresh box.

    `on_output` gets what the run prints, `on_result` each result as the test ends. A run that ends
    before its runner said so is never complete, whatever its exit code. A process that crashes is
    given a second run, since some do so by chance: that one is the answer.

    `footing` says how far the files may be trusted (`sandbox.verdict.pristine`), `expected` which tests
    the user's commit has (`collect_tests`), `doubted` whose pass will matter: tests that were red.

    Raises:
        SandboxError: If no answer can be given.
    """
    suite = _Suite(
        sandbox=sandbox,
        project=project,
        files=files,
        limits=limits,
        only=only,
        footing=footing,
        expected=expected,
        doubted=doubted,
    )
    if project.runner == "command":
        return await suite.run_command(on_output, on_result)
    show = None if on_result is None else _Once(on_result)
    report = await suite.run(on_output, show)
    if report.status is not RunStatus.CRASH_SIGNAL:
        return report
    return _after_a_crash(await suite.run(on_output, show))


class _Once:
    """Calls back once for each outcome of a test, however often the suite is run."""

    def __init__(self, tell: OnResult) -> None:
        self._tell = tell
        self._told: dict[str, TestOutcome] = {}

    def __call__(self, result: TestResult) -> None:
        if self._told.get(result.id) is not result.outcome:
            self._told[result.id] = result.outcome
            self._tell(result)


def _after_a_crash(report: TestReport) -> TestReport:
    """Return the report of the second run after a crash: it counts, but is not learned from."""
    if report.status is RunStatus.CRASH_SIGNAL:
        said = "The test process crashed twice: in this run and in one just before it."
        return replace(report, remarks=(*report.remarks, said))
    said = "The test process crashed in a first run and not in a second one, which counts here."
    note = "the test process crashed in a run just before"
    return replace(
        report,
        remarks=(*report.remarks, said),
        trust=VerdictTrust.PLAIN,
        notes=(*report.notes, note),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suite:
    """The tests of one state of the files, to be run in a fresh box each time."""

    sandbox: Sandbox
    project: Project
    files: Sequence[SourceFile]
    limits: Limits
    only: Sequence[str]
    footing: Footing
    expected: Collection[str] | None
    doubted: Sequence[str]

    async def run(self, on_output: OnOutput | None, on_result: OnResult | None) -> TestReport:
        """Run the tests together with canaries: tests that must fail, under names nobody can know."""
        folder = f"{self.project.folder}/" if self.project.folder else ""
        own = [file for file in self.files if file.path.startswith(folder)]
        canaries = make_canaries(self.project.runner, own, self.doubted)
        key = secrets.token_hex(32)
        hidden = canaries.words
        reader = RecordReader(key, WORK_DIR, on_result, canaries=canaries.ids, hidden=hidden)
        show = None if on_output is None else HiddenLines(on_output, hidden)
        job = self._job(key, canaries)
        execution = await self.sandbox.run(job, on_output=show, on_stderr=reader.feed)
        if show is not None:
            show.close()
        wanted = _named(self.expected, self.only)
        report = self._report(
            execution, RunEvidence(reader=reader, canaries=canaries, expected=wanted)
        )
        execution.note(report.verdict)
        return report

    async def run_command(
        self, on_output: OnOutput | None, on_result: OnResult | None
    ) -> TestReport:
        """Run the project's own command, which gives an exit code and no records."""
        key = secrets.token_hex(32)
        reader = RecordReader(key, WORK_DIR)
        job = self._job(key, Canaries())
        execution = await self.sandbox.run(job, on_output=on_output, on_stderr=reader.feed)
        report = _command_report(self.project, execution, reader, on_result)
        execution.note(report.verdict)
        return report

    def _job(self, key: str, canaries: Canaries) -> Job:
        orders = orders_for(self.project, self.limits, self.only, canaries) | {
            "key": key,
            "bare": self.footing.trust is VerdictTrust.HARDENED,
        }
        files = [*self.files, *canaries.files]
        job = suite_job(self.project, files, canaries.harness, orders, self.limits)
        return replace(job, judged=True, label="tests")

    def _report(self, execution: Execution, evidence: RunEvidence) -> TestReport:
        reader = evidence.reader
        status = run_status(execution, reader)
        tampered = interference(self.footing, evidence, ended=reader.end_code is not None)
        trust, notes = trust_of(self.footing, evidence)
        if tampered:
            status, notes = RunStatus.TAMPERED, tampered
        if reason := unfinished_reason(status, execution, self.limits):
            reader.add_unfinished(reason)
        report = TestReport(
            status=status,
            results=reader.results,
            runner=self.project.runner,
            trust=trust,
            duration_s=execution.duration_s,
            output=without_lines(_output(execution, reader), evidence.canaries.words),
            notes=notes,
            exit_code=reader.end_code,
        )
        if report.overruled:  # somebody knows of a failure that the records do not have
            doubt = "the test runner itself ended with an error, though no test failed"
            report = replace(report, trust=VerdictTrust.PLAIN, notes=(*notes, doubt))
        said = ending(report, reader, execution)
        return replace(report, ending=said, remarks=remarks(reader))


async def collect_tests(
    sandbox: Sandbox, project: Project, files: Sequence[SourceFile], *, limits: Limits, bare: bool
) -> frozenset[str] | None:
    """Return the ids of all tests of a trusted state; None if they cannot be listed.

    `bare` leaves out conftest, plugins and configuration, as hardened runs do. Tests in files that
    cannot be loaded are not among them.

    Raises:
        SandboxError: If no answer can be given.
    """
    key = secrets.token_hex(32)
    reader = RecordReader(key, WORK_DIR)
    orders = orders_for(project, limits, (), Canaries()) | {
        "key": key,
        "bare": bare,
        "collect_only": True,
    }
    job = suite_job(project, files, (), orders, limits)
    await sandbox.run(replace(job, label="list of tests"), on_stderr=reader.feed)
    return None if reader.end_code is None or reader.forged else frozenset(reader.collected)


def _named(expected: Collection[str] | None, only: Sequence[str]) -> frozenset[str] | None:
    """Return those expected tests that were asked for."""
    if expected is None or not only:
        return None if expected is None else frozenset(expected)
    wanted = tuple(f"{name}{mark}" for name in only for mark in ("::", "[", "."))
    return frozenset(i for i in expected if i in only or i.startswith(wanted))


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
    """Report a plain command as one test, whose outcome is the exit code."""
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
        status=RunStatus.COMPLETE if finished else ENDINGS[execution.ending],
        results=(result,),
        runner=project.runner,
        trust=VerdictTrust.PLAIN,
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
