"""Statuses of programs and test runs, and the trust in a verdict."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """Status of one program or one test run; both shapes of box use only these words."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    """The code ran to its end and failed: an assertion, a wrong value, a red test."""
    ERROR = "error"
    """The code could not be checked: a syntax error, an exception, a failed set-up."""
    TIMEOUT = "timeout"
    OOM = "oom"
    OUTPUT_LIMIT = "output_limit"
    CRASH_SIGNAL = "crash_signal"
    """The code died of its own signal: a segmentation fault, an abort."""
    TAMPERED = "tampered"
    """The code interfered with the verdict; never a pass, whatever else it did."""
    NEEDS_NETWORK = "needs_network"
    SANDBOX_ERROR = "sandbox_error"
    """No answer could be given: never evidence about the code."""
    CANCELLED = "cancelled"

    @property
    def is_evidence(self) -> bool:
        """True if the status is about the code rather than about the machine or the user."""
        return self not in (Status.SANDBOX_ERROR, Status.CANCELLED, Status.NEEDS_NETWORK)


class VerdictTrust(StrEnum):
    """Levels of trust in a verdict, from the hardest to forge to the easiest."""

    JUDGE = "judge"
    """Two processes: the code answers calls, and never shares a process with what is expected."""
    HARDENED = "hardened"
    """Pristine tests, no conftest or plugins, signed records, exact test ids, canaries."""
    PINNED = "pinned"
    """Hardened, with conftest, plugins and configuration from the user's last commit, by hash."""
    PLAIN = "plain"
    """Exit code and counts, or records that the code under test could have made itself."""

    @property
    def may_train(self) -> bool:
        """True if a pass at this level may be learned from."""
        return self is not VerdictTrust.PLAIN
