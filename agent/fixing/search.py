"""Search for a small change that turns a red test green: cheapest first, many at once.

Says where the fault probably is, then tries edits of the syntax tree, then lines that the model
fills in. What passes here is only likely: the fix loop judges it once more by the hardened run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from agent.candidates.candidate import CandidateChange
from agent.candidates.templates import named_candidates, template_candidates
from agent.editing.source_files import is_test_path
from agent.events import Notice, PlacesRanked, StageStarted
from agent.fixing.change_trials import ChangeTrials
from agent.fixing.filling import Filling
from agent.fixing.function_anew import MOST_DRAWS, FunctionAnew
from agent.fixing.sources import Sources
from agent.fixing.targets import locate_test
from agent.fixing.tester import ChangeTester
from agent.fixing.tracing import noted_lines
from agent.localisation.places import FaultPlace, rank
from agent.model.protocol import GapFiller, ModelError
from agent.streaming import Emit
from sandbox.search.values import Searched
from sandbox.verdict.report import TestResult

LEAST_S = 2.0
"""A search with less time is not worth its box."""
_MOST_TEMPLATES = 600
_TEMPLATES_S = 20.0
"""With the start of the box and, in the first one, a run of the unchanged tests."""
_RARE_S = 10.0
_MOST_SHOWN = 3
_FUNCTION_S = 8.0
_TOLD_S = 25.0
_TOLD_DRAWS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchOptions:
    """Limits of the search for one red test."""

    budget_s: float = 60.0
    """Seconds for places, edits and fills together; 0 switches the search off."""
    named_only: bool = False
    """True if only what the failures themselves ask for is tried."""
    infill: bool = True
    function: bool = True
    """True if, after that, rarer edits are tried, and the function at the likeliest place is asked for anew."""
    said: str = ""
    """Words of a person about the fault: small changes that pass by chance do not know them, and so come after
    a function that was written with them."""
    draws_s: float = 0.0
    """Seconds for that function, more than `budget_s`, where the time of the search is used up by then; with 0 it
    is asked for once."""


class Search:
    """Searches for a change that repairs the red tests of one family. Use `passing` once."""

    def __init__(
        self,
        *,
        red: Sequence[TestResult],
        known_red: Sequence[TestResult],
        beside: Sequence[str] = (),
        sources: Sources,
        tester: ChangeTester,
        filler: GapFiller | None,
        emit: Emit,
        author: FunctionAnew | None = None,
        facts: Sequence[str] = (),
        traced: Searched | None = None,
        places: Sequence[FaultPlace] = (),
        in_vain: Collection[int] = (),
        options: SearchOptions = SearchOptions(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`red` are the tests to repair, of one family; `known_red` all that are red.

        `beside` are the ids of red tests that may have the same fault: the search goes on while it
        has found no change that turns them green as well, and prefers one that leaves fewer.
        `author` writes one function anew where small changes do not help. `facts` are sentences of
        the environment about their failure. `traced` has the lines that the tests run, if a search
        before this one has noted them; else this one does. `places` are then those of the red tests, if
        they are known. `in_vain` are hashes of edits, as `tried` gives them, that take turns with others here.
        """
        self.traced = traced
        self._places = places
        self._in_vain = in_vain
        self._facts = facts
        self._red = red
        self._known = known_red
        self._sources = sources
        self._tester = tester
        self._filler = filler
        self._author = author if options.function else None
        self._emit = emit
        self._options = options
        self._clock = clock
        self._ends_at = clock() + options.budget_s
        self.test = locate_test(red[0], sources).source
        """The source of the first red test."""
        self._trials = ChangeTrials(
            red=red,
            known_red=known_red,
            beside=beside,
            sources=sources,
            tester=tester,
            emit=emit,
        )

    @property
    def _left_s(self) -> float:
        return self._ends_at - self._clock()

    @property
    def _for_fills_s(self) -> float:
        """Seconds left before rarer edits are tried and a function is asked for anew."""
        kept = _RARE_S + (_FUNCTION_S if self._author is not None else 0.0)
        return self._left_s - min(kept, self._options.budget_s / 2)

    @property
    def _free_s(self) -> float:
        """Seconds that edits may take because no fills are made, and perhaps no function anew."""
        if self._filler is not None and self._options.infill:
            return 0.0
        return self._left_s if self._author is None else self._left_s / 2

    def left_red(self, candidate: CandidateChange) -> int:
        """Number of tests beside the red ones that a change which passes leaves red."""
        return self._trials.left[candidate]

    async def passing(self) -> tuple[CandidateChange, ...]:
        """Return the changes that pass, the best first; empty if none was found in time.

        Raises:
            SandboxError: If the sandbox gives no answer.
        """
        if self._options.named_only:
            await self._named_alone(self.traced or Searched())
            return self._trials.chosen(self.test)
        self._emit(StageStarted("looking for the place of the fault"))
        if self.traced is None:
            self.traced = await noted_lines(
                self._tester, self._red, self._known, most_s=self._left_s
            )
        self._trials.usual = self.traced.usual
        places = self._ranked(self.traced)
        if self.traced.unsearchable:
            self._emit(Notice(f"no small changes are tried: {self.traced.unsearchable}"))
            return ()
        told = (self._told,) if self._options.said else ()
        stages = (self._named, *told, self._usual, self._infill, self._rare, self._written_anew)
        for stage in stages:
            if not self._trials.solved:
                await stage(places)
        return self._trials.chosen(self.test)

    @property
    def tried(self) -> frozenset[int]:
        """The changes that were tried, each as `hash((path, after))`."""
        return frozenset(self._trials.judged)

    async def _try_one(self, candidate: CandidateChange, tokens: int) -> str | None:
        return await self._trials.run_one(candidate, tokens, budget_s=self._left_s)

    def _ranked(self, searched: Searched) -> Sequence[FaultPlace]:
        """Say where the fault probably is, by the traceback alone where no lines are known."""
        places = self._ranked_by(searched)
        if not searched.lines:
            instead = "the places are the traceback's" if places else "no place can be named"
            self._emit(Notice(f"it is not known which lines the red tests run: {instead}"))
        if places:
            shown = tuple(place.ranked for place in places[:_MOST_SHOWN])
            self._emit(PlacesRanked(shown, self._red[0].id))
        return places

    def _ranked_by(self, searched: Searched) -> Sequence[FaultPlace]:
        return self._places or rank(searched, self._red, self._sources.text, is_test=is_test_path)

    async def _named_alone(self, traced: Searched) -> None:
        self._trials.usual = traced.usual
        if not traced.unsearchable:
            await self._named(self._ranked_by(traced))

    async def _named(self, places: Sequence[FaultPlace]) -> None:
        """Try what the failures themselves ask for: an import, a name that a library has."""
        candidates = await asyncio.to_thread(
            named_candidates,
            places,
            [path for path in self._sources.files if not is_test_path(path)],
            self._sources.text,
            messages=[result.message for result in self._red],
            facts=self._facts,
        )
        await self._trials.run(candidates, budget_s=max(LEAST_S, min(_TEMPLATES_S, self._left_s)))

    async def _usual(self, places: Sequence[FaultPlace]) -> None:
        """Try edits of the syntax tree."""
        await self._templates(places, rare=False, budget_s=max(_TEMPLATES_S, self._free_s))

    async def _rare(self, places: Sequence[FaultPlace]) -> None:
        """Try edits that make weak tests pass by chance, and are therefore no first choice."""
        if self._author is not None:
            await self._templates(places, rare=True, budget_s=max(_RARE_S, self._free_s))

    async def _templates(
        self, places: Sequence[FaultPlace], *, rare: bool, budget_s: float
    ) -> None:
        candidates = await asyncio.to_thread(
            template_candidates,
            places,
            self._sources.text,
            rare=rare,
            most=_MOST_TEMPLATES,
            later=self._in_vain,
        )
        if candidates:
            self._emit(StageStarted(f"trying {len(candidates)} small changes"))
        await self._trials.run(candidates, budget_s=min(budget_s, self._left_s))

    async def _infill(self, places: Sequence[FaultPlace]) -> None:
        """Try lines of the model."""
        if not self._options.infill or self._filler is None:
            return
        try:
            await self._fill(self._filler, places)
        except ModelError as err:
            if self._left_s > 0:  # else the time was over before the line was whole
                self._emit(Notice(f"no lines are filled in: {err}"))

    async def _written_anew(self, places: Sequence[FaultPlace]) -> None:
        """Try the one function at the likeliest place as the model writes it anew."""
        if self._author is None:
            return
        self._ends_at = max(self._ends_at, self._clock() + self._options.draws_s)
        try:
            await self._author.repaired(
                *(places, self._red[0], self._try_one),
                lambda: self._left_s,
                draws=MOST_DRAWS if self._options.draws_s else 1,
            )
        except ModelError as err:
            self._emit(Notice(f"no function is written anew: {err}"))

    async def _told(self, places: Sequence[FaultPlace]) -> None:
        """Try the likeliest functions as the model writes them with what the person says of the fault."""
        if self._author is None:
            return
        ends_at = self._clock() + min(_TOLD_S, self._left_s / 2)
        try:
            await self._author.repaired(
                *(places, self._red[0], self._try_one),
                lambda: ends_at - self._clock(),
                draws=_TOLD_DRAWS,
            )
        except ModelError as err:
            self._emit(Notice(f"no function is written anew: {err}"))

    async def _fill(self, filler: GapFiller, places: Sequence[FaultPlace]) -> None:
        """Try the lines of one round while the model makes those of the next."""
        self._emit(StageStarted("the model fills in lines"))
        filling = Filling(
            filler=filler,
            sources=self._sources,
            result=self._red[0],
            test=self.test,
            goes_on=lambda: not self._trials.solved and self._for_fills_s > 0,
            left_s=lambda: self._left_s,
        )
        judging: asyncio.Task[None] | None = None
        try:
            async for candidates in filling.rounds(places):
                if judging is not None:
                    await judging
                self._trials.tokens = filling.tokens
                if self._trials.solved or self._left_s <= 0:
                    return
                judging = asyncio.create_task(self._trials.run(candidates, budget_s=self._left_s))
            if judging is not None:
                await judging
        finally:
            if judging is not None and not judging.done():
                judging.cancel()
                await asyncio.wait([judging])
