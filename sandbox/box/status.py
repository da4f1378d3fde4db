"""What a sandbox may say of code that it ran, and how hard that is to forge."""

from __future__ import annotations

from enum import StrEnum


class Status(StrEnum):
    """What came of one program or one suite; the only words either shape of box may use."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    """It ran to its end and said no: an assertion, a wrong value, a red test."""
    ERROR = "error"
    """It could not say anything: a syntax error, an exception, a failed set-up."""
    TIMEOUT = "timeout"
    OOM = "oom"
    OUTPUT_LIMIT = "output_limit"
    CRASH_SIGNAL = "crash_signal"
    """A signal that the code earned itself: a segmentation fault, an abort."""
    TAMPERED = "tampered"
    """It interfered with the verdict; never a pass, whatever else it did."""
    NEEDS_NETWORK = "needs_network"
    SANDBOX_ERROR = "sandbox_error"
    """No answer could be given: never evidence about the code."""
    CANCELLED = "cancelled"

    @property
    def is_evidence(self) -> bool:
        """Whether it says something about the code rather than about the machine or the user."""
        return self not in (Status.SANDBOX_ERROR, Status.CANCELLED, Status.NEEDS_NETWORK)


class VerdictTrust(StrEnum):
    """How hard a verdict is to forge, from the hardest to the easiest."""

    JUDGE = "judge"
    """Two processes: the code answers calls, and never shares a process with what is expected."""
    HARDENED = "hardened"
    """Pristine tests, no conftest or plugins, signed records, exact test ids, canaries."""
    PINNED = "pinned"
    """As hardened, with conftest, plugins and configuration from the user's last commit, by hash."""
    PLAIN = "plain"
    """Exit code and counts, or records that the code under test could have made itself."""

    @property
    def may_train(self) -> bool:
        """Whether a pass at this level may be learned from."""
        return self is not VerdictTrust.PLAIN
