"""Judges what a turn wrote by the tests, before and after it; nothing stays that made one red."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from agent.events import Notice, TurnEnding, TurnFinished
from agent.session.change import TurnChange
from agent.session.linted import Linting
from agent.session.mending import GoOn, Mending
from agent.testing.reaching import reached_tests
from agent.turn.checking import Closing, named, newly_red
from sandbox.box.contract import SandboxError
from sandbox.host.children import in_thread
from sandbox.verdict.report import RunStatus, TestReport

_PATIENCE_S = 60.0
"""Seconds that the tests before the turn may still take once the model is done."""
_SHORT_RUN_S = 5.0
"""Seconds up to which all tests run again after a change, and not only those that reach it."""


@dataclass(kw_only=True)
class AfterCheck:
    """The tests around one turn."""

    mending: Mending
    """The ways to mend the turn's change, which is judged here."""
    linting: Linting | None = None
    """The look of the project's linters at what was written; None for no look."""
    clock: Callable[[], float] = time.monotonic
    may_write: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the tests before the turn have read the files, so that a write changes nothing there."""
    _has_sandbox: bool = field(default=False, init=False)
    late: asyncio.Event = field(default_factory=asyncio.Event)
    """Set if an edit did not wait any longer: those tests may have read it, and say nothing then."""

    @property
    def change(self) -> TurnChange:
        """The files of the turn."""
        return self.mending.change

    def since(self, state: str) -> AfterCheck:
        """The same around a turn that begins with that state of the files."""
        change = replace(self.change, before=state)
        return replace(self, mending=replace(self.mending, change=change))

    async def checked(
        self,
        work: Callable[[], Awaitable[TurnFinished | None]],
        *,
        again: GoOn | None = None,
    ) -> TurnFinished | None:
        """Do the work while the tests run on the files as they were; then judge what it wrote.

        The files of the work stay as they are where the tests cannot be run. `again` is told of
        problems that the work brought in, once; what it makes worse is taken back.
        """
        started = self.clock()
        self.may_write.clear()
        self.late.clear()
        running = asyncio.create_task(self._baseline())
        try:
            end = await work()
            if end is None:
                return None
            if not await self.change.own():
                self.change.emit(Notice(await self._nothing()))
                return end
            first = await self._waited(running)
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait([running])
        mending = replace(self.mending, again=again)
        after, problem, in_part = await self._judged(first, mending)
        if not problem and self.linting is not None and self._has_sandbox:
            after = await mending.problems(self.linting, after, in_part=in_part)
        left = await self.change.own()
        closing = Closing(
            changed=left,
            before=first,
            after=after,
            seconds=self.clock() - started,
            in_part=in_part,
        )
        nothing = f"Nothing is left of the change: {problem or 'it was put back'}"
        self.change.emit(Notice(closing.line if left else nothing))
        if problem and end.ending is TurnEnding.DONE:
            return TurnFinished(problem, TurnEnding.FAILED)
        return end

    async def _nothing(self) -> str:
        """Say what there is of a turn of which nothing is left."""
        others = await self.change.all()
        said = f"{named(others)}: changed by others meanwhile, and not checked."
        return said if others else "Nothing was changed."

    async def _baseline(self) -> TestReport | None:
        """The tests as they are before anything is written; None if they cannot run."""
        try:
            project = await self.change.project()
            self._has_sandbox = True
            report = await project.run(on_entered=self.may_write.set)
        except SandboxError:
            return None
        finally:
            self.may_write.set()
        return report if report.status in (RunStatus.COMPLETE, RunStatus.NO_TESTS) else None

    async def _waited(self, running: asyncio.Task[TestReport | None]) -> TestReport | None:
        done, _ = await asyncio.wait([running], timeout=_PATIENCE_S)
        return running.result() if done and not self.late.is_set() else None

    async def _judged(
        self, first: TestReport | None, mending: Mending
    ) -> tuple[TestReport | None, str, bool]:
        """The tests now, the reason if something had to be taken back, and if only some ran."""
        if first is None:
            return None, "", False
        reached = await self._reached(first)
        in_part = reached is not None
        after = await self.change.tests(reached or (), whole=len(first.results))
        if in_part and after is not None and not _says_something(after):
            in_part, after = False, await self.change.tests()
        if after is not None and not in_part:  # a part of the tests is no verdict on an edit
            await self.change.judged(after)
        red = newly_red(first, after) if after is not None else ()
        if after is None or not red:
            return after, "", in_part
        return (*await mending.red_tests(first, after, red), False)

    async def _reached(self, first: TestReport) -> tuple[str, ...] | None:
        """The tests that the change can reach, where all of them take long; None for all."""
        if first.duration_s <= _SHORT_RUN_S:
            return None
        changed = await self.change.all()
        sources = await self.change.sources()
        if any(not (self.change.root / path).is_file() for path in changed):
            return None
        return await in_thread(reached_tests, changed, first, sources)


def _says_something(report: TestReport) -> bool:
    """True if a run came to its end and a test ran in it."""
    return report.status is RunStatus.COMPLETE and bool(report.results)
