"""Turns a judge's one line about a completion into evidence."""

from __future__ import annotations

import re

from learning.records import Evidence, EvidenceKind, Tier

_EXCEPTION = re.compile(
    r"\b((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning)): (.*)", re.DOTALL
)


def exception_in(said: str) -> tuple[str, str]:
    """Name, without its module, and message of the first exception; both empty without one."""
    found = _EXCEPTION.search(said)
    return (found[1].rpartition(".")[2], found[2]) if found else ("", "")


def judged_evidence(said: str, *, subject: str, file: str, function: str = "") -> Evidence:
    """Evidence of the failure: the exception if one was raised, else the judge's own words."""
    exception, message = exception_in(said)
    return Evidence(
        kind=EvidenceKind.TRACEBACK if exception else EvidenceKind.TEST_FAILURE,
        tier=Tier.HARNESS,
        subject=subject,
        exception=exception,
        message=message or said,
        file=file,
        function=function,
    )
