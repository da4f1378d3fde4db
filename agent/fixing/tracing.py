"""The lines that red tests run, noted once for a state of the project, and which tests and searches share them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.fixing.tester import ChangeTester
from agent.localisation.places import FaultPlace
from sandbox.search.values import Searched
from sandbox.verdict.report import TestResult

_TRACE_S = 40.0
_TOP = 10
"""Places by which searches, and tests, are compared."""


async def noted_lines(
    tester: ChangeTester, red: Sequence[TestResult], known: Sequence[TestResult] = ()
) -> Searched:
    """Run the tests once, the `red` ones first, and note their lines; `known` are all red ones if not these.

    Raises:
        SandboxError: If the sandbox gives no answer.
    """
    known = known or red
    return await tester.try_changes(
        (),
        red=[result.id for result in red],
        known_red=[result.id for result in known],
        endless=[result.id for result in known if result.was_ended],
        budget_s=_TRACE_S,
        trace=True,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class InVain:
    """A search that found nothing: where it looked, and hashes of what it tried."""

    places: frozenset[tuple[str, int]]
    tried: frozenset[int]

    def shares(self, places: Sequence[FaultPlace]) -> bool:
        """Tell whether it looked at most of the first of these places, or it is not known where it did."""
        these = top(places)
        return 2 * len(self.places & these) >= len(these) or not self.places


def top(places: Sequence[FaultPlace]) -> frozenset[tuple[str, int]]:
    """Return the files and lines of the likeliest places."""
    return frozenset((place.path, place.line) for place in places[:_TOP])


def beside(
    red: Sequence[TestResult],
    all_red: Sequence[TestResult],
    traced: Searched | None,
    places: Sequence[FaultPlace],
) -> list[str]:
    """Ids of other red tests that may have the same fault: those that run most of the likeliest places.

    Where it is not known which lines they run, those of the same test file.
    """
    own = {result.id for result in red}
    others = [result.id for result in all_red if result.id not in own]
    lines = traced.lines if traced else {}
    ran = [lines[place].by for place in top(places) if place in lines]
    if not any(ran):
        files = {_test_file(result.id) for result in red}
        return [test_id for test_id in others if _test_file(test_id) in files]
    return [test_id for test_id in others if 2 * sum(test_id in by for by in ran) > len(ran)]


def _test_file(test_id: str) -> str:
    """The file of a test of pytest, or the module of one of unittest."""
    if "::" in test_id:
        return test_id.partition("::")[0]
    return test_id.rpartition(".")[0].rpartition(".")[0]
