"""Turns changes that a search found into edits that the fix loop can judge and keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from agent.candidates.candidate import CandidateChange
from agent.editing.edits import Accepted, check_edit, unified_diff
from agent.events import ChangeChosen, Notice, OtherChange
from agent.fixing.attempts import Asked, Parts, Plan, fitting_prompt
from agent.fixing.function_anew import FunctionAnew
from agent.fixing.preferring import likeliest
from agent.fixing.search import Search, SearchOptions
from agent.fixing.tester import ChangeTester
from agent.fixing.verify import State
from agent.model.protocol import GapFiller
from agent.reply.parsed import FileEdit
from learning.records import Action, Origin
from sandbox.search.values import Searched
from sandbox.verdict.report import TestResult

_MOST_JUDGED = 3
_LEAST_S = 2.0
"""A search with less time is not worth its box."""


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
        self._in_vain = 0
        """Searches since the last that found something: each halves the time of the next."""
        self._traced: tuple[State, Searched] | None = None
        """The lines that the tests run in a state of the project."""

    async def found(self, red: Sequence[TestResult], state: State) -> list[FoundChange]:
        """Search for changes that turn red tests of one family green, the best first.

        Raises:
            SandboxError: If the sandbox gives no answer.
            ModelError: If the model's server does not answer.
        """
        budget_s = self._options.budget_s / 2**self._in_vain
        if budget_s < _LEAST_S:
            return []
        facts = await self._facts(red[0])
        search = Search(
            red=red,
            known_red=state.red,
            beside=_beside(red, state),
            sources=self._parts.sources,
            tester=self._tester,
            filler=self._filler,
            emit=self._parts.emit,
            author=FunctionAnew(self._parts, facts),
            facts=facts,
            traced=self._traced_in(state),
            options=replace(self._options, budget_s=budget_s),
        )
        passing = await self._in_order(await search.passing(), search)
        self._traced = (state, search.traced) if search.traced is not None else None
        self._in_vain = 0 if passing else self._in_vain + 1
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

    def _traced_in(self, state: State) -> Searched | None:
        """Return the lines that an earlier search noted, if it saw all red tests of this very state."""
        if self._traced is None or self._traced[0] is not state:
            return None
        searched = self._traced[1]
        return searched if searched.lines and searched.red >= len(state.red) else None

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


def _beside(red: Sequence[TestResult], state: State) -> list[str]:
    """Ids of other red tests of the same test file: these often have the same fault."""
    own, files = {result.id for result in red}, {_test_file(result.id) for result in red}
    return [r.id for r in state.red if r.id not in own and _test_file(r.id) in files]


def _test_file(test_id: str) -> str:
    """The file of a test of pytest, or the module of one of unittest."""
    if "::" in test_id:
        return test_id.partition("::")[0]
    return test_id.rpartition(".")[0].rpartition(".")[0]
