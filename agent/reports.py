"""The values of test runs that events carry, by the names that front ends use."""

from __future__ import annotations

from sandbox.box.status import Status, VerdictTrust
from sandbox.verdict.lacking import what_to_set
from sandbox.verdict.report import Frame, RunStatus, TestOutcome, TestReport, TestResult

__all__ = [
    "Frame",
    "RunStatus",
    "Status",
    "TestOutcome",
    "TestReport",
    "TestResult",
    "VerdictTrust",
    "what_to_set",
]
