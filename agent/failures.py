"""A red test as parsed fields: what the digests, the records and the questions start from."""

from __future__ import annotations

from learning.evidence.output import parse_output
from learning.evidence.values import compared_values
from learning.records import Evidence, EvidenceKind, Tier
from sandbox.report import TestResult

_MAX_FIELD = 600


def evidence_of(result: TestResult) -> Evidence:
    """What one red test says, as parsed fields: nothing of its raw output."""
    if not result.exception and (parsed := parse_output(result.detail, subject=result.id)):
        return parsed[-1]
    expected, got = compared_values(result.message)
    return Evidence(
        kind=EvidenceKind.TEST_FAILURE,
        tier=Tier.HARNESS,
        subject=result.id,
        exception=result.exception,
        message=result.message[:_MAX_FIELD],
        file=result.file,
        line=result.line,
        function=result.frames[-1].function if result.frames else "",
        expected=expected,
        got=got,
    )
