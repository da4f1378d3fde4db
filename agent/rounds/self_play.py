"""Self-play repair: retry failures that nobody fixed, in a copy, and keep the verified repairs.

A small model makes nothing of a raw error line but often repairs its mistake when the prompt says
what the installed library really offers. Such a repair, judged by the tests, is a verified pair:
the fix is learned at the prompt that had failed, which did not have the facts. Self-play writes
nothing to the user's files and keeps no failing completion. As in the fix loop, small changes are
tried before whole files.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.events import ChangesTried, Event, Notice, PlacesRanked, ReplyFinished, TestsFinished
from agent.fixing.attempts import Advise
from agent.fixing.fix import fix
from agent.fixing.options import FixOptions
from agent.fixing.tester import ChangeTester
from agent.fixing.verify import TestRunner
from agent.model.protocol import GapFiller, Model
from agent.rounds.yields import YieldRow
from learning.experience.store import ExperienceStore
from learning.records import Experience, Origin, Verdict

_MINUTE_S = 60
_REPAIRS = (Origin.FIX, Origin.TEMPLATE, Origin.INFILL, Origin.SPLICE, Origin.FUNCTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfPlayOptions:
    """Limits of one self-play repair."""

    tries: int = 4
    """Replies for each failing test."""
    budget_s: float = 1800.0
    """No further event of the repair is waited for after this time."""
    search_s: float = 60.0
    """Seconds of small changes for each failing test before the model is asked; 0: never."""
    temperature: float = 0.8
    seed: int = 0


@dataclass(slots=True, kw_only=True)
class _Count:
    """Running totals of one self-play repair."""

    failures: int
    replies: int = 0
    tokens: int = 0
    fill_tokens: int = 0
    """Tokens of the search that goes on; `tokens` has them already."""
    test_runs: int = 0
    pairs: int = 0
    fixes: set[str] = field(default_factory=set)
    """The repaired files; two equal ones are the same fix."""

    def take(self, event: Event) -> None:
        match event:
            case ReplyFinished():
                self.replies += 1
                self.tokens += event.prompt_tokens + event.completion_tokens
            case TestsFinished():
                self.test_runs += 1
            case PlacesRanked():  # another search begins
                self.fill_tokens = 0
            case ChangesTried():
                if event.origin != Origin.FUNCTION.value:  # its reply has told its tokens itself
                    self.tokens += event.tokens - self.fill_tokens
                self.fill_tokens = event.tokens

    def row(self, *, at: float, model: str, seconds: float) -> YieldRow:
        return YieldRow(
            at=at,
            source="self-play",
            model=model,
            failures=self.failures,
            pairs=self.pairs,
            distinct=len(self.fixes),
            replies=self.replies,
            tokens=self.tokens,
            test_runs=self.test_runs,
            seconds=round(seconds, 1),
        )


def in_words(row: YieldRow) -> str:
    """The account as one line of text."""
    return (
        f"self-play repair: {row.pairs} of {row.failures} failures fixed with {row.replies} replies"
        f" in {row.seconds / _MINUTE_S:.0f} min, {row.distinct} distinct fixes"
    )


def unfixed(experiences: Sequence[Experience], *, model: str) -> Mapping[str, Experience]:
    """The latest failing step of each test that still fails; `experiences` are newest first.

    Steps without token ids or without a file teach nothing and are left out.
    """
    fixed = {each.fixes for each in experiences if each.fixes}
    solved: set[str] = set()
    found: dict[str, Experience] = {}
    for each in experiences:
        if each.model != model or each.origin not in _REPAIRS:
            continue
        if each.verdict is Verdict.PASS:
            solved.update(each.targets)
        usable = each.path and each.action.token_ids and each.id not in fixed
        if each.verdict is Verdict.FAIL and usable:
            for target in each.targets:
                if target not in solved:
                    found.setdefault(target, each)
    return found


def copy_project(root: Path, files: Collection[str], target: Path) -> None:
    """Copy the project's files, links and odd files left out, into an empty folder.

    Raises:
        OSError: If a file cannot be read or written.
    """
    for name in files:
        source, copy = root / name, target / name
        if source.is_file() and not source.is_symlink():
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, copy)


async def self_play(
    *,
    copy: Path,
    files: Sequence[str],
    runner: TestRunner,
    model: Model,
    store: ExperienceStore,
    advise: Advise | None = None,
    tester: ChangeTester | None = None,
    filler: GapFiller | None = None,
    options: SelfPlayOptions = SelfPlayOptions(),
    on_yield: Callable[[YieldRow], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> AsyncGenerator[Event, None]:
    """Repair `copy`, a copy of the project that `runner` tests; the last event is a `Notice`.

    Only tests with a stored failure are tried. `advise` gives the facts of the environment, which the
    first completion did not have. With `tester` small changes are tried first, some of them by `filler`;
    the model is asked for whole files where none passes. A repair is kept as a pair if its file was the same as when the
    stored step failed and its verdict cannot have been forged. `on_yield` gets the account, also
    when the iterator is closed early.

    Raises:
        SandboxError: If the sandbox gives no answer.
        ModelError: If the model gives no answer.
        StoreError: If the store cannot be read or written.
    """
    failing = unfixed(store.list(), model=model.name)
    found = _Count(failures=len(failing))
    started = clock()
    try:
        if failing:
            repair = fix(
                root=copy,
                files=files,
                runner=runner,
                model=model,
                options=FixOptions(
                    max_attempts=options.tries,
                    search_s=options.search_s,
                    retry_temperature=options.temperature,
                    seed=options.seed,
                    only=frozenset(failing),
                ),
                recorder=_PairRecorder(store, failing, found),
                advise=advise,
                tester=tester,
                filler=filler,
            )
            async with aclosing(repair) as events:
                async for event in events:
                    found.take(event)
                    yield event
                    if clock() - started > options.budget_s:
                        yield Notice("self-play repair: the time is used up")
                        break
    finally:
        row = found.row(at=time.time(), model=model.name, seconds=clock() - started)
        if failing:
            on_yield(row)
    yield Notice(in_words(row))


class _PairRecorder:
    """Keeps repairs of known failures, linked to the step that had failed."""

    def __init__(
        self, store: ExperienceStore, failing: Mapping[str, Experience], found: _Count
    ) -> None:
        self._store = store
        self._failing = failing
        self._found = found

    def record(self, draft: Experience) -> object:
        """Store the draft if it repairs the file of a known failure."""
        known = [self._failing[target] for target in draft.targets if target in self._failing]
        failed = next((k for k in known if (k.path, k.before) == (draft.path, draft.before)), None)
        if draft.verdict is not Verdict.PASS or failed is None or not draft.trust.may_train:
            return None
        kept = self._store.add(
            replace(
                draft,
                id=uuid.uuid4().hex[:12],
                session="self-play",
                created_at=time.time(),
                repository=failed.repository,
                fixes=failed.id,
            )
        )
        if kept:
            self._found.pairs += 1
            self._found.fixes.add(draft.after)
        return None
