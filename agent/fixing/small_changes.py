"""Turns changes that a search found into edits that the fix loop can judge and keep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from agent.candidates.candidate import CandidateChange
from agent.editing.edits import Accepted, check_edit, unified_diff
from agent.editing.source_files import is_test_path
from agent.events import ChangeChosen, Notice, OtherChange, StageStarted
from agent.fixing.attempts import Asked, Parts, Plan, fitting_prompt
from agent.fixing.function_anew import FunctionAnew
from agent.fixing.preferring import likeliest
from agent.fixing.search import LEAST_S, Search, SearchOptions
from agent.fixing.tester import ChangeTester
from agent.fixing.tracing import InVain, beside, noted_lines, top_of, with_time_of
from agent.fixing.verify import State
from agent.localisation.places import FaultPlace, lines_run, rank, vagueness
from agent.model.protocol import GapFiller
from agent.reply.parsed import FileEdit
from learning.records import Action, Origin
from sandbox.search.values import Searched
from sandbox.verdict.report import TestResult

_MOST_JUDGED = 3
_ELSEWHERE = 0.5
"""Halvings of the time by a search in vain at other places; so all of them together stay bounded."""
_NOT_SEARCHED = (
    "searches in vain for other tests left too little time for its small changes: only those that its"
    " failure itself asks for are tried; a larger fix.search_s gives more"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundChange:
    """An edit that passed in the search, and the reply that would have given it."""

    edit: Accepted
    asked: Asked
    origin: Origin


class SmallChanges:
    """Finds small changes for red tests."""

    def __init__(
        self,
        parts: Parts,
        tester: ChangeTester,
        filler: GapFiller | None,
        options: SearchOptions,
    ) -> None:
        self._parts = parts
        self._tester = tester
        self._filler = filler
        self._options = options
        self._in_vain: list[InVain] = []
        """Searches since the last that found something: they shorten the next ones."""
        self._traced: tuple[State, Searched] | None = None
        """The lines that the tests run in a state of the project."""

    async def lines_run(
        self, state: State, wanted: Sequence[TestResult]
    ) -> Callable[[Sequence[TestResult]], int | None]:
        """Note which lines the red tests of a state run, and count those that some of them do.

        The `wanted` ones come first, since not all may be noted.

        Raises:
            SandboxError: If the sandbox gives no answer.
        """
        if self._options.budget_s < LEAST_S:
            return lambda _red: None
        if self._traced is None or self._traced[0] is not state:
            self._parts.emit(StageStarted("noting which lines the red tests run"))
            first = {result.id for result in wanted}
            red = sorted(
                state.red, key=lambda item: (item.id not in first, vagueness(item, is_test_path))
            )
            searched = await noted_lines(self._tester, red, most_s=self._options.budget_s)
            self._traced = (state, searched)
        searched = self._traced[1]
        return lambda red: lines_run(searched, red, is_test_path)

    async def found(self, red: Sequence[TestResult], state: State) -> list[FoundChange]:
        """Search for changes that turn red tests of one family green, the best first.

        Raises:
            SandboxError: If the sandbox gives no answer.
            ModelError: If the model's server does not answer.
        """
        traced = self._traced_in(state, red)
        places = await asyncio.to_thread(self._places, traced, red)
        top = top_of(places, traced, red)
        budget_s = self._budget_s(top)
        if self._options.budget_s < LEAST_S:
            return []
        named_only = budget_s < LEAST_S
        if named_only:
            self._parts.emit(Notice(f"{red[0].id}: {_NOT_SEARCHED}"))
        alike = [each for each in self._in_vain if each.shares(top)]
        facts = await self._facts(red[0])
        search = Search(
            red=red,
            known_red=state.red,
            beside=beside(red, state.red, traced, top),
            sources=self._parts.sources,
            tester=self._tester,
            filler=self._filler,
            emit=self._parts.emit,
            author=FunctionAnew(self._parts, facts, said=self._options.said),
            facts=facts,
            traced=traced,
            places=places,
            in_vain=frozenset[int]().union(*(each.tried for each in alike)),
            options=replace(self._options, budget_s=max(budget_s, LEAST_S), named_only=named_only),
        )
        passing = await self._in_order(await search.passing(), search)
        self._keep(search.traced, state)
        if passing:
            self._in_vain = []
        elif not named_only:
            if traced is None:
                top = await self._top(search.traced, red)
            self._in_vain.append(InVain(top=top, tried=search.tried))
        if passing:
            best, *others = passing
            self._parts.emit(
                ChangeChosen(
                    best.path,
                    best.line,
                    best.kind,
                    best.origin.value,
                    tuple(map(self._other, others)),
                )
            )
        made = [await self._change(candidate, red[0]) for candidate in passing[:_MOST_JUDGED]]
        return [change for change in made if change is not None]

    async def _in_order(
        self, passing: Sequence[CandidateChange], search: Search
    ) -> Sequence[CandidateChange]:
        """Put the change first that the model finds likeliest of those that leave as few tests red."""
        equal = [c for c in passing if search.left_red(c) == search.left_red(passing[0])]
        if len(equal) < 2 or all(c.likelihood for c in equal):  # noqa: PLR2004 - else it has said so
            return passing
        parts = self._parts
        first = await likeliest(equal, parts.model, test=search.test, emit=parts.emit)
        return passing if first is None else [first, *(c for c in passing if c is not first)]

    def _keep(self, traced: Searched | None, state: State) -> None:
        """Keep the lines that a search noted, unless lines were noted in this state before."""
        before = self._traced
        if before is not None and before[0] is state and before[1].lines:
            return
        if traced is not None:
            self._traced = (state, traced)

    def _traced_in(self, state: State, red: Sequence[TestResult]) -> Searched | None:
        """Return the lines that were noted in this very state, if the red tests were among them.

        Where noting them told only why the project cannot be searched, that is the answer for all.
        """
        if self._traced is None or self._traced[0] is not state:
            return None
        searched = self._traced[1]
        if searched.unsearchable:
            return searched
        known = lines_run(searched, red, is_test_path) or searched.red >= len(state.red)
        return with_time_of(red, searched) if searched.lines and known else None

    def _places(self, traced: Searched | None, red: Sequence[TestResult]) -> Sequence[FaultPlace]:
        if traced is None:
            return ()
        return rank(traced, red, self._parts.sources.text, is_test=is_test_path)

    async def _top(
        self, traced: Searched | None, red: Sequence[TestResult]
    ) -> frozenset[tuple[str, int]]:
        places = await asyncio.to_thread(self._places, traced, red)
        return top_of(places, traced, red)

    def _budget_s(self, top: frozenset[tuple[str, int]]) -> float:
        """Seconds for a search: half for each in vain at the same places, and more for one elsewhere.

        Many red tests with the same lines mostly have one fault, and what did not find it for some of them
        will hardly find it for the next.
        """
        halves = sum(1.0 if each.shares(top) else _ELSEWHERE for each in self._in_vain)
        return self._options.budget_s / 2**halves

    def _other(self, candidate: CandidateChange) -> OtherChange:
        before = self._parts.sources.text(candidate.path)
        return OtherChange(
            candidate.path,
            candidate.line,
            candidate.kind,
            candidate.origin.value,
            unified_diff(candidate.path, before, candidate.after),
        )

    async def _facts(self, result: TestResult) -> list[str]:
        """Sentences of the environment about a failure; none where nobody may ask it."""
        if self._parts.advise is None:
            return []
        advice = await self._parts.advise(result, self._parts.sources)
        return [fact.text for fact in advice.facts]

    async def _change(self, candidate: CandidateChange, result: TestResult) -> FoundChange | None:
        before = self._parts.sources.text(candidate.path)
        wanted = FileEdit(path=candidate.path, content=candidate.after, exact=True)
        checked = check_edit(self._parts.sources.root, wanted, before)
        if not isinstance(checked, Accepted):
            self._parts.emit(Notice(f"{candidate.path}:{candidate.line}: {checked.reason}"))
            return None
        plan = Plan(result=result, path=candidate.path)
        fitting = await fitting_prompt(self._parts, plan, before or "")
        text = f"{candidate.path}\n```python\n{candidate.after.rstrip()}\n```"
        model = self._parts.model
        return FoundChange(
            edit=checked,
            asked=Asked(
                messages=() if isinstance(fitting, str) else fitting[0].messages,
                action=Action(text=text, model=model.name, adapter=None),
                before=before,
            ),
            origin=candidate.origin,
        )
