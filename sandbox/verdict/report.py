"""Results of a test run, as structured records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from sandbox.box.status import Status, VerdictTrust
from sandbox.files.transfer import Refusal


class TestOutcome(StrEnum):
    """Outcome of one test."""

    __test__ = False

    PASSED = "passed"
    FAILED = "failed"
    ERROR = "error"
    """The test could not run: set-up, import or collection failed."""
    SKIPPED = "skipped"
    XFAILED = "xfailed"
    XPASSED = "xpassed"
    NEEDS_NETWORK = "needs_network"
    """The test wanted a network, which boxes lack; this says nothing about the code."""
    NEEDS_ENVIRONMENT = "needs_environment"
    """The image lacks a library or program that the test uses; this says nothing about the code."""

    @property
    def is_red(self) -> bool:
        """True for outcomes that a person has to act on."""
        return self in (TestOutcome.FAILED, TestOutcome.ERROR)


class RunStatus(StrEnum):
    """Status of a test run as a whole."""

    __test__ = False

    COMPLETE = "complete"
    """The runner reported its own end; every test that was collected has an outcome."""
    NO_TESTS = "no_tests"
    INCOMPLETE = "incomplete"
    """The process ended before the runner reported its end (`os._exit`, a crash)."""
    TIMEOUT = "timeout"
    OOM = "oom"
    OUTPUT_LIMIT = "output_limit"
    CRASH_SIGNAL = "crash_signal"
    """The process died of a signal that the code earned itself."""
    TAMPERED = "tampered"
    """Something interfered with the verdict: whatever else the run said is not to be believed."""
    SETUP_FAILED = "setup_failed"
    """The project itself could not be built or installed in the box."""


_VERDICTS = {
    RunStatus.NO_TESTS: Status.ERROR,
    RunStatus.INCOMPLETE: Status.ERROR,
    RunStatus.TIMEOUT: Status.TIMEOUT,
    RunStatus.OOM: Status.OOM,
    RunStatus.OUTPUT_LIMIT: Status.OUTPUT_LIMIT,
    RunStatus.CRASH_SIGNAL: Status.CRASH_SIGNAL,
    RunStatus.TAMPERED: Status.TAMPERED,
    RunStatus.SETUP_FAILED: Status.ERROR,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """One line of a traceback, inside the project."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TestResult:
    """One test of one run."""

    __test__ = False

    id: str
    """pytest node id, `module.Class.test` for unittest, the command for plain commands."""
    outcome: TestOutcome
    message: str = ""
    """The exception line or assertion summary; empty for a pass."""
    exception: str = ""
    """Name of the exception type, e.g. `AssertionError`."""
    file: str = ""
    """File of the failure (deepest frame inside the project), relative to the root."""
    line: int = 0
    frames: Sequence[Frame] = ()
    """Traceback frames inside the project, outermost first."""
    detail: str = ""
    """The runner's own long report of the failure, capped."""
    duration_s: float = 0.0
    was_ended: bool = False
    """True if the test did not end in its time."""
    had_less_time: bool = False
    """True if that was less than `Limits.test_s`, because a test before it had not ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestReport:
    """All results of one run."""

    __test__ = False

    status: RunStatus
    results: tuple[TestResult, ...]
    runner: str
    """`pytest`, `unittest` or `command`."""
    trust: VerdictTrust
    duration_s: float
    output: str = ""
    """Tail of what the run printed, for people; not display-safe."""
    notes: tuple[str, ...] = ()
    """Reasons why the trust is no higher, or what interfered; one sentence each."""
    exit_code: int | None = None
    """The runner's own exit code; None for a command, or if the runner did not report its end."""
    ending: str = ""
    """The end of the run in one sentence; empty where status and counts say it all."""
    remarks: tuple[str, ...] = ()
    """Further facts about the run that a person should know; one sentence each."""
    left_out: tuple[Refusal, ...] = ()
    """Tests, and files that tests rest on, which did not enter the box."""
    masked: tuple[str, ...] = ()
    """Files of which a copy entered in which placeholders stand for secrets."""
    lacking: tuple[str, ...] = ()
    """Libraries and programs that the image lacks, by name."""

    @property
    def counts(self) -> Mapping[str, int]:
        """Number of results by outcome, every outcome present."""
        return {
            outcome.value: sum(result.outcome is outcome for result in self.results)
            for outcome in TestOutcome
        }

    @property
    def red(self) -> tuple[TestResult, ...]:
        """The tests that failed or could not run, in the order they ran."""
        return tuple(result for result in self.results if result.outcome.is_red)

    @property
    def passed_ids(self) -> frozenset[str]:
        """Ids of the tests that passed."""
        return frozenset(
            result.id for result in self.results if result.outcome is TestOutcome.PASSED
        )

    @property
    def overruled(self) -> bool:
        """True if the runner itself ended red although no test is, as with a coverage gate."""
        if self.status is not RunStatus.COMPLETE or self.exit_code in (None, 0):
            return False
        known = (TestOutcome.NEEDS_NETWORK, TestOutcome.NEEDS_ENVIRONMENT)
        return not any(result.outcome.is_red or result.outcome in known for result in self.results)

    @property
    def all_green(self) -> bool:
        """True for a pass that the runner agrees with, of tests that could all be run."""
        return self.verdict is Status.PASS and not self.overruled and not self.lacking

    @property
    def verdict(self) -> Status:
        """The verdict on the run, in the statuses that every shape of box uses.

        A run in which nothing is red and something needed the network says just that.
        """
        if self.status is not RunStatus.COMPLETE:
            return _VERDICTS[self.status]
        seen = {result.outcome for result in self.results}
        if TestOutcome.FAILED in seen or self.overruled:
            return Status.FAIL
        if TestOutcome.ERROR in seen:
            return Status.ERROR
        if TestOutcome.NEEDS_ENVIRONMENT in seen or self.left_out:
            return Status.SANDBOX_ERROR
        if TestOutcome.NEEDS_NETWORK in seen:
            return Status.NEEDS_NETWORK
        return Status.PASS if TestOutcome.PASSED in seen else Status.ERROR
