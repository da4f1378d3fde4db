"""The lines that red tests run, noted once for a state of the project, and which tests and searches share them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.fixing.tester import ChangeTester
from agent.localisation.places import FaultPlace
from sandbox.search.values import Searched
from sandbox.verdict.report import TestResult

_TRACE_S = 40.0
_TOP = 10
"""Places by which searches, and tests, are compared."""


async def noted_lines(
    tester: ChangeTester,
    red: Sequence[TestResult],
    known: Sequence[TestResult] = (),
    *,
    most_s: float,
) -> Searched:
    """Run the tests once, the `red` ones first, and note their lines; it takes at most `most_s` seconds.

    `known` are all red tests if not these.

    Raises:
        SandboxError: If the sandbox gives no answer.
    """
    known = known or red
    return await tester.try_changes(
        (),
        red=[result.id for result in red],
        known_red=[result.id for result in known],
        endless=[result.id for result in known if result.was_ended],
        budget_s=min(_TRACE_S, most_s),
        trace=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InVain:
    """A search that found nothing: where it looked, and hashes of what it tried."""

    top: frozenset[tuple[str, int]]
    tried: frozenset[int]

    def shares(self, top: frozenset[tuple[str, int]]) -> bool:
        """Tell whether it looked at most of some places; not where one of the two is not known."""
        return bool(top) and 2 * len(self.top & top) >= len(top)


def with_time_of(red: Sequence[TestResult], searched: Searched) -> Searched:
    """Add the time of some red tests to the usual run, in which others may have been the red ones.

    Else a change would be ended before red tests that take long had an end.
    """
    usual = searched.usual
    if usual is None:
        return searched
    own_s = sum(result.duration_s for result in red if not result.was_ended)
    return replace(searched, usual=replace(usual, red_s=usual.red_s + own_s))


def top_of(
    places: Sequence[FaultPlace], traced: Searched | None, red: Sequence[TestResult]
) -> frozenset[tuple[str, int]]:
    """Return the files and lines of the likeliest of the places that some red tests run."""
    own = {result.id for result in red}
    lines = traced.lines if traced else {}
    ran = (p for p in places if (p.path, p.line) in lines and own & lines[p.path, p.line].by)
    return frozenset((place.path, place.line) for place in itertools.islice(ran, _TOP))


def beside(
    red: Sequence[TestResult],
    all_red: Sequence[TestResult],
    traced: Searched | None,
    top: frozenset[tuple[str, int]],
) -> list[str]:
    """Ids of other red tests that may have the same fault: those that run most of the likeliest places.

    Where it is not known which lines they run, those of the same test file.
    """
    own = {result.id for result in red}
    others = [result.id for result in all_red if result.id not in own]
    if traced is None or not top:
        files = {_test_file(result.id) for result in red}
        return [test_id for test_id in others if _test_file(test_id) in files]
    ran = [traced.lines[place].by for place in top]
    return [test_id for test_id in others if 2 * sum(test_id in by for by in ran) > len(ran)]


def _test_file(test_id: str) -> str:
    """The file of a test of pytest, or the module of one of unittest."""
    if "::" in test_id:
        return test_id.partition("::")[0]
    return test_id.rpartition(".")[0].rpartition(".")[0]
