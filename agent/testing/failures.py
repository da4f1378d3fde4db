"""A red test as parsed fields, and red tests of one cause together.

The fields are what the digests, the records and the questions start from.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

from learning.evidence.facts import compared_values
from learning.evidence.output import parse_output
from learning.records import Evidence, EvidenceKind, Tier
from sandbox.verdict.report import TestResult

_MAX_FIELD = 600
_ADDRESS = re.compile(r"0x[0-9a-f]+")
_SAME_ANYWHERE = frozenset({"ModuleNotFoundError", "ImportError", "FixtureLookupError"})
"""Each place that wants it says the same."""
ONE_BY_ONE = 3
"""Red tests of one cause that are shown each for itself, at most."""


def by_cause(results: Iterable[TestResult]) -> list[tuple[TestResult, ...]]:
    """Put red tests together that say the same of the same place, in the order they came.

    Groups of a few are taken apart again.
    """
    found: dict[object, list[TestResult]] = defaultdict(list)
    for result in results:
        found[_cause(result)].append(result)
    groups: list[tuple[TestResult, ...]] = []
    for same in found.values():
        groups += [(one,) for one in same] if len(same) <= ONE_BY_ONE else [tuple(same)]
    return groups


def _cause(result: TestResult) -> object:
    message = result.message.strip()
    if not message:
        return result.id
    said = (result.outcome, result.exception, _ADDRESS.sub("0x", message))
    return said if result.exception in _SAME_ANYWHERE else (*said, result.file, result.line)


def evidence_of(result: TestResult) -> Evidence:
    """One red test as parsed fields, with nothing of its raw output."""
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
