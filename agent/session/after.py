"""Judges what a turn wrote by the tests, before and after it; nothing stays that made one red."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.approval import Approver
from agent.editing.source_files import is_test_path
from agent.errors import ModelError
from agent.events import (
    EditReverted,
    FixFinished,
    Notice,
    StageStarted,
    TestsFinished,
    TurnEnding,
    TurnFinished,
)
from agent.fixing.options import FixOptions
from agent.fixing.sources import Sources
from agent.prompt_files import filled, prompt
from agent.session.expecting import NewExpectations, file_of
from agent.session.linted import Linting
from agent.streaming import Emit
from agent.testing.diagnostics import for_the_model
from agent.testing.project import ProjectTests
from agent.testing.reaching import reached_tests
from agent.turn.checking import Closing, named, newly_red
from agent.turn.conversation import Conversation
from agent.turn.tools import failures_digest
from agent.workspace.workspace import Workspace
from sandbox.box.contract import SandboxError
from sandbox.host.children import in_thread
from sandbox.verdict.report import RunStatus, TestReport

_PATIENCE_S = 60.0
"""Seconds that the tests before the turn may still take once the model is done."""
_SEARCH_S = 20.0
_SHORT_RUN_S = 5.0
"""Seconds up to which all tests run again after a change, and not only those that reach it."""

GoOn = Callable[[str, str], Awaitable[TurnFinished]]
"""Lets the model go on with a request of ours, and with what was seen, which is no order."""


@dataclass(kw_only=True)
class AfterCheck:
    """The tests around one turn."""

    before: str
    """The state of the files before the turn."""
    root: Path
    workspace: Workspace
    conversation: Conversation
    project: Callable[[], Awaitable[ProjectTests]]
    fix: Callable[[FixOptions], Awaitable[FixFinished | None]]
    approver: Approver
    emit: Emit
    judged: Callable[[TestReport], Awaitable[None]]
    """Keeps what the tests say of the change."""
    put_back: Callable[[], Awaitable[None]]
    """Is told that files are no longer as the model wrote them."""
    linting: Linting | None = None
    """The look of the project's linters at what was written; None for no look."""
    clock: Callable[[], float] = time.monotonic
    may_write: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the tests before the turn have read the files, so that a write changes nothing there."""
    _has_sandbox: bool = field(default=False, init=False)
    late: asyncio.Event = field(default_factory=asyncio.Event)
    """Set if an edit did not wait any longer: those tests may have read it, and say nothing then."""

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
            if not await self._own():
                self.emit(Notice(await self._nothing()))
                return end
            first = await self._waited(running)
        finally:
            if not running.done():
                running.cancel()
                await asyncio.wait([running])
        after, problem, in_part = await self._judged(first, again)
        if not problem and self.linting is not None and self._has_sandbox:
            after = await self._linted(self.linting, after, again, in_part=in_part)
        left = await self._own()
        closing = Closing(
            changed=left,
            before=first,
            after=after,
            seconds=self.clock() - started,
            in_part=in_part,
        )
        self.emit(
            Notice(
                closing.line
                if left
                else f"Nothing is left of the change: {problem or 'it was put back'}"
            )
        )
        if problem and end.ending is TurnEnding.DONE:
            return TurnFinished(problem, TurnEnding.FAILED)
        return end

    async def _own(self) -> list[str]:
        """The files that differ because of this turn, and that nobody else has changed since."""
        written = set(await in_thread(self.workspace.written))
        changed = await in_thread(self.workspace.changed, self.before)
        return [path for path in changed if path in written]

    async def _nothing(self) -> str:
        """Say what there is of a turn of which nothing is left."""
        others = await in_thread(self.workspace.changed, self.before)
        said = f"{named(others)}: changed by others meanwhile, and not checked."
        return said if others else "Nothing was changed."

    async def _baseline(self) -> TestReport | None:
        """The tests as they are before anything is written; None if they cannot run."""
        try:
            project = await self.project()
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
        self, first: TestReport | None, again: GoOn | None
    ) -> tuple[TestReport | None, str, bool]:
        """The tests now, the reason if something had to be taken back, and if only some ran."""
        if first is None:
            return None, "", False
        reached = await self._reached(first)
        in_part = reached is not None
        after = await self._tests(reached or (), whole=len(first.results))
        if in_part and after is not None and not _says_something(after):
            in_part, after = False, await self._tests()
        if after is not None and not in_part:  # a part of the tests is no verdict on an edit
            await self.judged(after)
        red = newly_red(first, after) if after is not None else ()
        if after is None or not red:
            return after, "", in_part
        self.emit(TestsFinished(after))
        return (*await self._mended(first, after, red, again), False)

    async def _mended(
        self, first: TestReport, after: TestReport, red: Sequence[str], again: GoOn | None
    ) -> tuple[TestReport | None, str]:
        """Repair what became red, or take it back; the tests then, and the reason."""
        known = frozenset(result.id for result in first.results)
        for mend in (self._expected_anew, self._searched, self._left_out):
            if not await mend(after, red, known) or (now := await self._tests()) is None:
                continue
            after, red = now, newly_red(first, now)
            if not red:
                return now, ""
        if again is not None and known.intersection(red):
            now = await self._once_more(first, after, red, again)
            if now is not None:
                return now, ""
        return await self._given_up(first, after, red)

    async def _given_up(
        self, first: TestReport, after: TestReport, red: Sequence[str]
    ) -> tuple[TestReport | None, str]:
        """Take back the new tests if only they are red, else the whole change; the tests then, and the reason."""
        reason = f"{named(red)} became red"
        changed = await self._own()
        tests = [path for path in changed if is_test_path(path)]
        if tests and len(tests) < len(changed) and all(file_of(name) in tests for name in red):
            await self._take_back(tests, reason)
            now = await self._tests()
            if now is not None and not newly_red(first, now):
                return now, f"{reason}, so the test was taken back"
        if not await self._take_back(changed, reason):
            return after, f"{reason}, and the files that others changed since were left"
        return first, f"{reason}, so it was taken back"

    async def _once_more(
        self, first: TestReport, after: TestReport, red: Sequence[str], again: GoOn
    ) -> TestReport | None:
        """The tests after the model mended its change for them; None, and its change as before, if it did not."""
        between = await in_thread(self.workspace.snapshot, "before the change is mended")
        sources = Sources(self.root, await in_thread(self.workspace.list_files))
        failed = [result for result in after.red if result.id in red]
        try:
            await again(prompt("then_red"), failures_digest(failed, sources))
        except ModelError as err:
            self.emit(Notice(f"the change was not mended: {err}", "warning"))
            return None
        written = set(await in_thread(self.workspace.written))
        changed = await in_thread(self.workspace.changed, between)
        mended = [path for path in changed if path in written]
        is_code = bool(mended) and not any(map(is_test_path, mended))  # no test may be made to fit
        now = await self._tests() if is_code else None
        if now is not None and not newly_red(first, now):
            await self.judged(now)
            return now
        if mended:
            await self._take_back(mended, f"{named(red)} stayed red", state=between)
        return None

    async def _searched(self, after: TestReport, red: Sequence[str], known: frozenset[str]) -> bool:
        """Let the search repair the code for red tests, new ones that only expect something else aside.

        Such a test may be wrong itself, and no code is changed to satisfy it.
        """
        asserts = {result.id for result in after.red if result.exception == "AssertionError"}
        wanted = [name for name in red if name in known or name not in asserts]
        return bool(wanted) and await self._repaired(wanted)

    async def _expected_anew(
        self, _after: TestReport, red: Sequence[str], known: frozenset[str]
    ) -> bool:
        """Let new tests expect what the code gives, where that is allowed; True if one was written."""
        new = [name for name in red if name not in known]
        return bool(new) and await self._expectations().written(new, await self._own())

    async def _left_out(
        self, _after: TestReport, red: Sequence[str], known: frozenset[str]
    ) -> bool:
        """Leave new tests out that nothing made green, where others stay; True if one was left out."""
        if not known.isdisjoint(red):
            return False
        return await self._expectations().left_out(red, await self._own())

    def _expectations(self) -> NewExpectations:
        return NewExpectations(
            before=self.before,
            root=self.root,
            workspace=self.workspace,
            conversation=self.conversation,
            project=self.project,
            approver=self.approver,
            emit=self.emit,
            put_back=self.put_back,
        )

    async def _reached(self, first: TestReport) -> tuple[str, ...] | None:
        """The tests that the change can reach, where all of them take long; None for all."""
        if first.duration_s <= _SHORT_RUN_S:
            return None
        changed = await in_thread(self.workspace.changed, self.before)
        files = await in_thread(self.workspace.list_files)
        gone = [path for path in changed if not (self.root / path).is_file()]
        if gone:
            return None
        return await in_thread(reached_tests, changed, first, Sources(self.root, files))

    async def _linted(
        self,
        linting: Linting,
        after: TestReport | None,
        again: GoOn | None,
        *,
        in_part: bool,
    ) -> TestReport | None:
        """Let the linters look; where the turn brought problems in, let them be mended once.

        Gives the tests of the state that stays.
        """
        problems = await linting.introduced(self.before, await self._own())
        if not problems or again is None:
            return after
        between = await in_thread(self.workspace.snapshot, "before the problems are mended")
        try:
            files = ", ".join(dict.fromkeys(problem.path for problem in problems))
            await again(filled("then_lint", files=files), for_the_model(problems))
        except ModelError as err:
            self.emit(Notice(f"the problems stay: {err}", "warning"))
        mended = await in_thread(self.workspace.changed, between)
        mended = [path for path in await self._own() if path in mended]
        if not mended:
            return after
        ran = [result.id for result in after.results] if after is not None and in_part else []
        now = await self._tests(ran, whole=len(ran)) if after is not None else None
        red = newly_red(after, now) if now is not None else ()
        left = await linting.introduced(self.before, await self._own()) if not red else problems
        if not red and left is not None and len(left) < len(problems):
            if now is not None and not in_part:
                await self.judged(now)
            return now
        reason = f"{named(red)} became red" if red else "no fewer problems were left"
        await self._take_back(mended, reason, state=between)
        return after

    async def _tests(self, only: Sequence[str] = (), *, whole: int = 0) -> TestReport | None:
        what = f"those of the {whole} tests that reach the change" if only else "all tests"
        self.emit(StageStarted(f"Running {what}"))
        try:
            return await (await self.project()).run(only=only)
        except SandboxError as err:
            self.emit(Notice(f"The tests could not be run: {err}", "warning"))
            return None

    async def _repaired(self, red: Sequence[str]) -> bool:
        """Let the search for small changes make the tests green again."""
        options = FixOptions(only=frozenset(red), max_attempts=0, search_s=_SEARCH_S)
        try:
            finished = await self.fix(options)
        except (ModelError, SandboxError) as err:
            self.emit(Notice(f"no small repair was tried: {err}", "warning"))
            return False
        return finished is not None and not set(red) & set(finished.red_after)

    async def _take_back(
        self, wanted: Sequence[str], reason: str, *, state: str | None = None
    ) -> bool:
        """Restore those of the files that are as the turn left them; False if there are none.

        They go back to `state`; to the state before the turn, if none is given.
        """
        own = await self._own()
        paths = [path for path in wanted if path in own]
        others = set(await in_thread(self.workspace.changed, self.before)) - set(own)
        if others:
            said = f"{named(sorted(others))}: changed by others meanwhile and left"
            self.emit(Notice(said, "warning"))
        if not paths:
            return False
        await in_thread(self.workspace.restore, state or self.before, only=tuple(paths))
        for path in paths:
            self.emit(EditReverted(path, reason))
        await self.put_back()
        self.conversation.overhear(f"The change of {', '.join(paths)} was taken back: {reason}.")
        return True


def _says_something(report: TestReport) -> bool:
    """True if a run came to its end and a test ran in it."""
    return report.status is RunStatus.COMPLETE and bool(report.results)
