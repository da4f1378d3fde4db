"""Mends a change that made tests red or brought problems in; takes back what could not be mended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from agent.approval import Approver
from agent.editing.source_files import is_test_path
from agent.errors import ModelError
from agent.events import FixFinished, Notice, TestsFinished, TurnFinished
from agent.fixing.options import FixOptions
from agent.prompt_files import filled, prompt
from agent.session.change import TurnChange
from agent.session.expecting import NewExpectations, file_of
from agent.session.linted import Linting
from agent.testing.diagnostics import for_the_model
from agent.turn.checking import named, newly_red
from agent.turn.tools import failures_digest
from sandbox.box.contract import SandboxError
from sandbox.verdict.report import TestReport

_SEARCH_S = 20.0

GoOn = Callable[[str, str], Awaitable[TurnFinished]]
"""Lets the model go on with a request of ours, and with what was seen, which is no order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mending:
    """The ways to mend the change of one turn, each tried once."""

    change: TurnChange
    fix: Callable[[FixOptions], Awaitable[FixFinished | None]]
    approver: Approver
    again: GoOn | None = None
    """Lets the model mend its own change; None where nobody asks it."""

    async def red_tests(
        self, first: TestReport, after: TestReport, red: Sequence[str]
    ) -> tuple[TestReport | None, str]:
        """Repair what became red since `first`, or take it back; the tests then, and the reason."""
        self.change.emit(TestsFinished(after))
        known = frozenset(result.id for result in first.results)
        for mend in (self._expected_anew, self._searched, self._left_out):
            if not await mend(after, red, known) or (now := await self.change.tests()) is None:
                continue
            after, red = now, newly_red(first, now)
            if not red:
                return now, ""
        if self.again is not None and known.intersection(red):
            now = await self._once_more(first, after, red, self.again)
            if now is not None:
                return now, ""
        return await self._given_up(first, after, red)

    async def problems(
        self, linting: Linting, after: TestReport | None, *, in_part: bool
    ) -> TestReport | None:
        """Let the linters look; where the turn brought problems in, let the model mend them once.

        Gives the tests of the state that stays; `after` are those of now, `in_part` if only some ran.
        """
        change = self.change
        problems = await linting.introduced(change.before, await change.own())
        if not problems or self.again is None:
            return after
        between = await change.snapshot("before the problems are mended")
        try:
            files = ", ".join(dict.fromkeys(problem.path for problem in problems))
            await self.again(filled("then_lint", files=files), for_the_model(problems))
        except ModelError as err:
            change.emit(Notice(f"the problems stay: {err}", "warning"))
        mended = await change.own(since=between)
        if not mended:
            return after
        ran = [result.id for result in after.results] if after is not None and in_part else []
        now = await change.tests(ran, whole=len(ran)) if after is not None else None
        red = newly_red(after, now) if now is not None else ()
        left = await linting.introduced(change.before, await change.own()) if not red else problems
        if not red and left is not None and len(left) < len(problems):
            if now is not None and not in_part:
                await change.judged(now)
            return now
        reason = f"{named(red)} became red" if red else "no fewer problems were left"
        await change.take_back(mended, reason, state=between)
        return after

    async def _given_up(
        self, first: TestReport, after: TestReport, red: Sequence[str]
    ) -> tuple[TestReport | None, str]:
        """Take back the new tests if only they are red, else the whole change; the tests then, and the reason."""
        reason = f"{named(red)} became red"
        changed = await self.change.own()
        tests = [path for path in changed if is_test_path(path)]
        if tests and len(tests) < len(changed) and all(file_of(name) in tests for name in red):
            await self.change.take_back(tests, reason)
            now = await self.change.tests()
            if now is not None and not newly_red(first, now):
                return now, f"{reason}, so the test was taken back"
        if not await self.change.take_back(changed, reason):
            return after, f"{reason}, and the files that others changed since were left"
        return first, f"{reason}, so it was taken back"

    async def _once_more(
        self, first: TestReport, after: TestReport, red: Sequence[str], again: GoOn
    ) -> TestReport | None:
        """The tests after the model mended its change for them; None, and its change as before, if it did not."""
        change = self.change
        between = await change.snapshot("before the change is mended")
        failed = [result for result in after.red if result.id in red]
        try:
            await again(prompt("then_red"), failures_digest(failed, await change.sources()))
        except ModelError as err:
            change.emit(Notice(f"the change was not mended: {err}", "warning"))
            return None
        mended = await change.own(since=between)
        is_code = bool(mended) and not any(map(is_test_path, mended))  # no test may be made to fit
        now = await change.tests() if is_code else None
        if now is not None and not newly_red(first, now):
            await change.judged(now)
            return now
        if mended:
            await change.take_back(mended, f"{named(red)} stayed red", state=between)
        return None

    async def _searched(self, after: TestReport, red: Sequence[str], known: frozenset[str]) -> bool:
        """Let the search repair the code for red tests, new ones that only expect something else aside.

        Such a test may be wrong itself, and no code is changed to satisfy it; nor for any new test, where
        the turn wrote tests alone.
        """
        if all(map(is_test_path, await self.change.own())):
            red = [name for name in red if name in known]
        asserts = {result.id for result in after.red if result.exception == "AssertionError"}
        wanted = [name for name in red if name in known or name not in asserts]
        return bool(wanted) and await self._repaired(wanted)

    async def _expected_anew(
        self, _after: TestReport, red: Sequence[str], known: frozenset[str]
    ) -> bool:
        """Let new tests expect what the code gives, where that is allowed; True if one was written."""
        new = [name for name in red if name not in known]
        return bool(new) and await self._expectations().written(new, await self.change.own())

    async def _left_out(
        self, _after: TestReport, red: Sequence[str], known: frozenset[str]
    ) -> bool:
        """Leave new tests out that nothing made green, where others stay; True if one was left out."""
        if not known.isdisjoint(red):
            return False
        return await self._expectations().left_out(red, await self.change.own())

    def _expectations(self) -> NewExpectations:
        return NewExpectations(change=self.change, approver=self.approver)

    async def _repaired(self, red: Sequence[str]) -> bool:
        """Let the search for small changes make the tests green again."""
        options = FixOptions(only=frozenset(red), max_attempts=0, search_s=_SEARCH_S)
        try:
            finished = await self.fix(options)
        except (ModelError, SandboxError) as err:
            self.change.emit(Notice(f"no small repair was tried: {err}", "warning"))
            return False
        return finished is not None and not set(red) & set(finished.red_after)
