"""Asks the model for lines at the likeliest places, in rounds that are each tried at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from agent.candidates.candidate import CandidateChange
from agent.candidates.infill import (
    Gap,
    as_comment,
    definition_gap,
    filled_definition,
    filled_gap,
    line_gaps,
)
from agent.fixing.sources import Sources
from agent.fixing.targets import choose_targets, missing_name
from agent.localisation.places import FaultPlace
from agent.model.protocol import Fill, FillRequest, GapFiller
from agent.prompt_files import filled
from sandbox.verdict.report import TestResult

_LONGEST_TEST = 700
_GAPS_A_ROUND = 2
_FIRST_FILLS = 3
_LIKELY = 0.15
"""First tokens of less probability wait for the second round: mostly the right one has far more."""
_LEAST = 0.005
_MORE_FILLS = 5
_DEFINITIONS = 4
_DEFINITION_TOKENS = 160
_LEAST_FILL_S = 10.0


@dataclass(kw_only=True)
class Filling:
    """The fills for one red test."""

    filler: GapFiller
    sources: Sources
    result: TestResult
    test: str
    """The source of the test."""
    goes_on: Callable[[], bool]
    """False once no further fill is wanted."""
    left_s: Callable[[], float]
    tokens: int = 0
    """Tokens that were made so far."""
    _used: dict[Gap, int] = field(default_factory=dict)
    """Number of first tokens of each gap that were used."""

    async def rounds(self, places: Sequence[FaultPlace]) -> AsyncIterator[list[CandidateChange]]:
        """Missing functions first, then the likely fills of each line, then less likely ones.

        Raises:
            ModelError: If the model does not answer in time.
        """
        comment = self._comment()
        for name, path in self._missing_functions():
            gap = definition_gap(path, name, self.sources.text, comment)
            request = FillRequest(
                prefix=gap.prefix,
                suffix=gap.suffix,
                fills=_DEFINITIONS,
                max_tokens=_DEFINITION_TOKENS,
                stop="\n\n\n",
            )
            fills = await self._asked(request, timeout_s=max(self.left_s(), _LEAST_FILL_S))
            made = (filled_definition(gap, name, fill, self.sources.text) for fill in fills)
            yield [candidate for candidate in made if candidate is not None]
        gaps = list(line_gaps(places, self.sources.text, comment))
        for first in range(0, len(gaps), _GAPS_A_ROUND):
            some = gaps[first : first + _GAPS_A_ROUND]
            pairs = [await self._fills(gap, _FIRST_FILLS, least=_LIKELY) for gap in some]
            yield [candidate for pair in pairs for candidate in pair]
        for gap in gaps:
            yield await self._fills(gap, _MORE_FILLS)

    async def _fills(self, gap: Gap, count: int, *, least: float = _LEAST) -> list[CandidateChange]:
        if not self.goes_on():
            return []
        request = FillRequest(
            prefix=gap.prefix,
            suffix=gap.suffix,
            fills=count,
            skip=self._used.get(gap, 0),
            stop="\n\n",
            least=least,
            avoid="#",  # a comment repairs nothing
        )
        fills = await self._asked(request, timeout_s=self.left_s())
        self._used[gap] = self._used.get(gap, 0) + len(fills)
        return [c for fill in fills for c in filled_gap(gap, fill, self.sources.text)]

    async def _asked(self, request: FillRequest, *, timeout_s: float) -> Sequence[Fill]:
        fills = await self.filler.fill(request, timeout_s=timeout_s)
        self.tokens += sum(fill.tokens for fill in fills)
        return fills

    def _comment(self) -> str:
        message = next(iter(self.result.message.strip().splitlines()), "")
        return as_comment(filled("infill", test=self.test[:_LONGEST_TEST], message=message))

    def _missing_functions(self) -> list[tuple[str, str]]:
        """Names that the test wants and no module has, each with the module that should."""
        name = missing_name(self.result.message)
        if not name:
            return []
        targets = choose_targets(self.result, self.sources)
        return [(name, path) for path in targets[:1] if path.endswith(".py")]
