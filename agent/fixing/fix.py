"""Run the tests, repair what is red, keep the best state: never worse than before.

An edit stays only if a test that was red passes and no test that passed before fails. Every other
edit is put back, so the files are in the best state at every moment that nobody is judging one.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path
from time import monotonic

from agent.advice.existing import AskNames
from agent.editing.edits import Accepted, unified_diff
from agent.editing.source_files import SourceFileError, is_test_path
from agent.events import (
    AttemptStarted,
    Event,
    FixFinished,
    Notice,
    StageStarted,
    TestsFinished,
)
from agent.fixing.attempts import (
    Advise,
    Asked,
    Parts,
    Plan,
    WillJudge,
    ask_for_file,
    read_edit,
    refusal_of,
    reply_problem,
    try_edit,
    what_it_gives,
)
from agent.fixing.course import Course
from agent.fixing.ending import ALL_GREEN, finished, not_started
from agent.fixing.judging import Judgement
from agent.fixing.options import FixOptions
from agent.fixing.planning import next_plan
from agent.fixing.recording import RepairLog, StepRecorder
from agent.fixing.search import SearchOptions
from agent.fixing.small_changes import SmallChanges
from agent.fixing.sources import Sources
from agent.fixing.spliced_reply import splice_reply
from agent.fixing.targets import choose_targets
from agent.fixing.tester import ChangeTester
from agent.fixing.verify import State, TestRunner, first_state, shown
from agent.localisation.places import vagueness
from agent.model.protocol import GapFiller, Model, ModelError
from agent.streaming import Emit, stream_events
from agent.workspace.host_files import MayWrite
from learning.records import Origin, Verdict
from sandbox.box.contract import SandboxError
from sandbox.verdict.report import RunStatus, TestResult

__all__ = ["FixOptions", "StepRecorder", "TestRunner", "fix"]

_MOST_REASKS = 2
_MOST_REPEATS = 2
_SLOW_S = 1.0
"""Red tests that take longer, all parameters together, come after the others."""
OVERRULED = "no test is red, but the test runner itself ended with an error"
ATTEMPTS_USED_UP = "attempts used up"
NOTHING_PASSES = "no small change makes it pass"
STUCK = "stuck: its replies came to the same again and again"
REASKED_ENOUGH = "no usable reply after two re-asks"
NOTHING_WANTED = "no test that was asked for is red"
NO_TARGET = "the failure points at no file of the project"


_USUAL = FixOptions()


def fix(
    *,
    root: Path,
    files: Sequence[str],
    runner: TestRunner,
    model: Model,
    options: FixOptions = _USUAL,
    recorder: StepRecorder | None = None,
    advise: Advise | None = None,
    may_write: MayWrite | None = None,
    will_judge: WillJudge | None = None,
    names: AskNames | None = None,
    tester: ChangeTester | None = None,
    filler: GapFiller | None = None,
) -> AsyncGenerator[Event, None]:
    """Repair failing tests one after the other; the last event is `FixFinished`.

    `files` are the project's files relative to `root`. `advise` adds facts of the environment and
    lessons of earlier repairs to the prompts. `may_write` decides about each edit before it is
    written; None allows all. `will_judge` notes each edit before it is written. `names` says which names
    exist where a reply fails for one that does not: then the reply is spliced. `tester` tries small
    changes many at once, some of them by `filler`; without it none are tried. When this iterator
    is cancelled or closed, an edit that is not judged yet is put back first.

    Raises:
        SandboxError: If the sandbox gives no answer; `FixFinished` comes before if tests ran.
        ModelError: If the model gives no answer; `FixFinished` comes before.
    """

    async def work(emit: Emit) -> None:
        parts = Parts(
            sources=Sources(root, files),
            runner=runner,
            model=model,
            emit=emit,
            advise=advise,
            may_write=may_write,
            allow_test_edits=options.allow_test_edits,
            max_reply_tokens=options.max_reply_tokens,
            least_reply_tokens=options.least_reply_tokens,
            largest_file_tokens=options.largest_file_tokens,
            will_judge=will_judge,
            names=names,
        )
        limits = SearchOptions(
            budget_s=options.search_s,
            infill=options.infill,
            function=options.function,
            draws_s=options.draws_s,
            said=options.said,
        )
        small = SmallChanges(parts, tester, filler, limits) if tester else None
        await _Repair(parts, options, RepairLog(parts, recorder), small).run()

    return stream_events(work)


class _Repair:
    """The best state so far, and what it takes to improve on it."""

    def __init__(
        self,
        parts: Parts,
        options: FixOptions,
        log: RepairLog,
        small: SmallChanges | None,
    ) -> None:
        self._small = small
        self._parts = parts
        self._emit = parts.emit
        self._options = options
        self._log = log
        self._originals: dict[str, str | None] = {}
        self._rewriting_left_s = 0.0
        self._state: State

    async def run(self) -> None:
        self._emit(StageStarted("running all tests"))
        watch = shown(self._emit)
        report = await self._parts.runner.run(on_output=watch.on_output, on_result=watch.on_result)
        if report.status is not RunStatus.COMPLETE:
            self._emit(TestsFinished(report))
            self._emit(not_started(report))
            return
        self._state = before = await first_state(self._parts.runner, report)
        self._emit(TestsFinished(report, tuple(sorted(before.flaky))))
        failure: Exception | None = None
        try:
            reason = await self._repair_all()
        except (ModelError, SandboxError, SourceFileError) as err:
            failure, reason = err, str(err)
        self._emit(self._finished(before, reason))
        if failure is not None:
            raise failure

    async def _repair_all(self) -> str:
        """Turn to each red test once, to those first that say most of the fault's place.

        Those are the ones whose failure names it, then those that do not take long, so that many changes can
        be tried, and of these those that run the fewest lines. Tests that an edit made visible are included.
        """
        turned_to: set[str] = set()
        wanted = set(map(_family, self._options.only))
        why_red = ""

        def open_reds() -> list[TestResult]:
            families = ((_family(item.id), item) for item in self._state.red)
            return [r for f, r in families if f not in turned_to and (not wanted or f in wanted)]

        while reds := open_reds():
            result = await self._first_of(reds)
            family = _family(result.id)
            turned_to.add(family)
            reason = await self._repair_family(family)
            if reason != ALL_GREEN:
                why_red = reason
                self._emit(Notice(f"{result.id} stays red: {reason}"))
        if self._state.red:
            return why_red or NOTHING_WANTED
        return OVERRULED if self._state.report.overruled else ALL_GREEN

    async def _first_of(self, reds: Sequence[TestResult]) -> TestResult:
        families: dict[str, list[TestResult]] = {}
        for item in reds:
            families.setdefault(_family(item.id), []).append(item)
        if self._small is None or len(families) == 1:
            return min(reds, key=lambda item: vagueness(item, is_test_path))
        lines_run = await self._small.lines_run(self._state, reds)
        lines = {family: lines_run(own) or math.inf for family, own in families.items()}
        slow = {
            family: sum(item.duration_s for item in own) > _SLOW_S
            for family, own in families.items()
        }

        def order(item: TestResult) -> tuple[bool, bool, int, float]:
            family, vague = _family(item.id), vagueness(item, is_test_path)
            return vague > 0, slow[family], vague, lines[family]

        return min(reds, key=order)

    async def _repair_family(self, family: str) -> str:
        """Try to repair a test, all its parameters together; why it ended."""
        started, total = monotonic(), self._options.total_s
        if await self._repaired_by_search(family):
            return ALL_GREEN
        course: Course | None = None
        self._rewriting_left_s = self._options.rewrite_s
        if total is not None:
            left_s = total - (monotonic() - started)
            self._rewriting_left_s = min(self._rewriting_left_s, left_s)
        for attempt in range(1, self._options.max_attempts + 1):
            result = self._red_of(family)
            if result is None:
                return ALL_GREEN
            if self._rewriting_left_s <= 0:
                return self._out_of_time()
            course = course or Course.of(result)
            if reason := await self._attempt(result, attempt, course):
                return reason
        return ALL_GREEN if self._red_of(family) is None else self._in_vain(course)

    def _in_vain(self, course: Course | None) -> str:
        if not self._options.max_attempts:
            return NOTHING_PASSES
        return STUCK if course and course.stuck else ATTEMPTS_USED_UP

    async def _repaired_by_search(self, family: str) -> bool:
        """Try small changes before the model writes a whole file; True if one of them stays."""
        if self._small is None or (result := self._red_of(family)) is None:
            return False
        red = [item for item in self._state.red if _family(item.id) == family]
        for found in await self._small.found(red, self._state):
            if refusal := await refusal_of(self._parts, found.edit):
                self._emit(Notice(refusal))
                return False
            judgement = await try_edit(self._parts, found.edit, self._state, result.id)
            self._accept(judgement, found.edit)
            if judgement.state is not None and found.asked.messages:
                plan = Plan(result=result, path=found.edit.path)
                await self._log.record(plan, found.asked, judgement, found.edit, found.origin)
            if self._red_of(family) is None:
                return True
        return False

    def _accept(self, judgement: Judgement, edit: Accepted) -> None:
        """Take over the state that an edit led to, if it is kept."""
        if judgement.state is not None:
            self._originals.setdefault(edit.path, edit.stored_before)
            self._parts.sources.include(edit.path)
            self._state = judgement.state

    def _red_of(self, family: str) -> TestResult | None:
        return next((item for item in self._state.red if _family(item.id) == family), None)

    async def _attempt(self, result: TestResult, attempt: int, course: Course) -> str:
        """Make one attempt at a red test; the reason if no other can follow, else empty."""
        targets = choose_targets(
            result, self._parts.sources, allow_tests=self._parts.allow_test_edits
        )
        if not targets:
            return NO_TARGET
        self._emit(AttemptStarted(result.id, attempt, self._options.max_attempts))
        while course.repeated < _MOST_REPEATS:
            plan = await next_plan(
                self._parts, self._options, result, targets, attempt=attempt, course=course
            )
            before = self._parts.sources.text(plan.path)
            if before is None and plan.path in self._parts.sources.files:
                return f"{plan.path} cannot be read as text"
            asked = await self._file_in_time(plan, before)
            if isinstance(asked, str):
                return asked
            edit = read_edit(self._parts, asked, plan.path)
            if refusal := await refusal_of(self._parts, edit):
                return refusal
            if not course.repeats(what_it_gives(asked, edit)):
                await self._use(plan, asked, edit, course)
                return REASKED_ENOUGH if course.unusable > _MOST_REASKS else ""
            self._emit(
                Notice(
                    f"the model gave the same correction again (temperature {plan.temperature:g})"
                )
            )
        return STUCK

    async def _file_in_time(self, plan: Plan, before: str | None) -> Asked | str:
        """The model's reply, or why there is none; a reply that takes too long is given up."""
        started, limit = monotonic(), asyncio.timeout(self._rewriting_left_s)
        try:
            async with limit:
                return await ask_for_file(self._parts, plan, before)
        except TimeoutError:
            if not limit.expired():
                raise
            return self._out_of_time()
        finally:
            self._rewriting_left_s -= monotonic() - started

    def _out_of_time(self) -> str:
        seconds, total = self._options.rewrite_s, self._options.total_s
        if not seconds:
            return "no whole file is asked for, since fix.rewrite_s is 0"
        if total is not None:
            return f"its {total:g} s are used up; `run-tests --fix` and /fix give more"
        return f"its {seconds:g} s for whole files are used up; a larger fix.rewrite_s gives more"

    async def _use(self, plan: Plan, asked: Asked, edit: Accepted | str, course: Course) -> None:
        """Do what the reply asks for, and note what came of it."""
        if isinstance(edit, str):
            await self._log.record(plan, asked, Judgement(verdict=Verdict.UNKNOWN, reason=edit))
            course.unusable += 1
            course.note = reply_problem(self._parts, edit)
            return
        try:
            judgement = await try_edit(self._parts, edit, self._state, plan.result.id)
        except SandboxError as err:
            unknown = Judgement(verdict=Verdict.UNKNOWN, reason=str(err))
            await self._log.record(plan, asked, unknown, edit)
            raise
        self._accept(judgement, edit)
        await self._log.record(plan, asked, judgement, edit)
        course.judged(judgement, plan.result.id)
        await splice_reply(
            self._parts, plan, asked, judgement, partial(self._spliced, plan, course)
        )

    async def _spliced(
        self, plan: Plan, course: Course, asked: Asked, edit: Accepted
    ) -> Judgement | None:
        """Judge what a spliced reply gives; None where it may not be written."""
        if await refusal_of(self._parts, edit):
            return None
        judgement = await try_edit(self._parts, edit, self._state, plan.result.id)
        self._accept(judgement, edit)
        if judgement.state is not None:
            await self._log.record(plan, asked, judgement, edit, Origin.SPLICE)
        course.judged(judgement, plan.result.id)
        return judgement

    def _finished(self, before: State, reason: str) -> FixFinished:
        texts = {path: self._parts.sources.stored(path) for path in self._originals}
        diffs = (unified_diff(p, old, texts[p]) for p, old in sorted(self._originals.items()))
        return finished(before, self._state, "".join(diffs), reason)


def _family(test_id: str) -> str:
    """A test without its parameters."""
    return test_id.partition("[")[0]
