"""A small project, repaired by the product's own loop within limits, and what that took.

Experience of tasks that are only measured is never kept: without a recorder nothing is learned from.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path

from agent.advice.gathering import Advisor
from agent.advice.lessons import RepairLesson
from agent.editing.source_files import is_test_path
from agent.events import (
    AttemptStarted,
    ChangeChosen,
    ChangesTried,
    EditApplied,
    EditReverted,
    Event,
    FixFinished,
    ReplyFinished,
    StageStarted,
    TestsFinished,
)
from agent.fixing.fix import StepRecorder, fix
from agent.fixing.options import FixOptions
from agent.model.protocol import GapFiller, Model
from agent.paths import Paths, make_private
from agent.settings.schema import SandboxSettings
from agent.testing.opening import open_project
from agent.testing.project import ProjectTests
from agent.workspace.workspace import Workspace
from learning.records import Origin

Lessons = Callable[[], Sequence[RepairLesson]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """The model, the sandbox and the limits with which small projects are repaired."""

    model: Model
    paths: Paths
    sandbox: SandboxSettings
    options: FixOptions
    budget_s: float | None = None
    """Seconds of the whole loop, its first run of the tests included; what is then in place counts."""
    facts: bool = True
    """True if the installed libraries are asked why a test fails."""
    splice: bool = True
    """True if replies that fail for a name that does not exist are cut there and continued."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """The end of one repair, judged from outside by one more run of the tests."""

    all_green: bool
    """True if every test passes, and no test file has changed."""
    never_worse: bool
    at_once: bool
    """True if no failing test took more than one whole-file reply."""
    origin: str
    """The origins of the edits that stayed, joined by `+`; empty where none did."""
    attempts: int
    changes: int
    """Small changes that were tried."""
    prompt_tokens: int
    """Tokens of whole-file replies; a server does not tell those of fills."""
    completion_tokens: int
    seconds: float
    repair_s: float
    """Seconds after the loop's own first run of the tests."""
    reason: str
    files: Mapping[str, str]
    """The Python files that are no tests, as they are now."""


async def repair_project(
    write: Callable[[Path], None],
    bench: Workbench,
    *,
    recorder: StepRecorder | None = None,
    lessons: Lessons | None = None,
) -> Repaired:
    """Have a project written into an empty folder, and repair it there.

    Raises:
        SandboxError: If the sandbox gives no answer.
        ModelError: If the model gives none.
    """
    with tempfile.TemporaryDirectory(prefix="repair-") as folder:
        root, state = Path(folder, "project"), Path(folder, "state")
        await asyncio.to_thread(_committed, root, write)
        workspace = Workspace(root, state / "shadow.git")
        async with open_project(
            workspace,
            settings=bench.sandbox,
            state_dir=make_private(bench.paths.sandbox),
            session=f"repair-{os.getpid()}-{time.time_ns()}",
        ) as project:
            advisor = Advisor(
                environment=project.environment(state / "facts.json") if bench.facts else None,
                lessons=lessons or tuple,
            )
            helped = bench.facts or lessons is not None
            return await _repaired(workspace, project, bench, recorder, advisor if helped else None)


async def _repaired(
    workspace: Workspace,
    project: ProjectTests,
    bench: Workbench,
    recorder: StepRecorder | None,
    advisor: Advisor | None,
) -> Repaired:
    tests = _python_files(workspace.root, tests=True)
    before = await project.run()
    told = RepairTold()
    started = time.monotonic()
    first_s = 0.0
    repair = fix(
        root=workspace.root,
        files=workspace.list_files(),
        runner=project,
        model=bench.model,
        options=bench.options,
        tester=project,
        filler=bench.model if isinstance(bench.model, GapFiller) else None,
        recorder=recorder,
        advise=advisor.for_test if advisor else None,
        names=advisor.names if advisor and bench.splice else None,
    )
    limit = asyncio.timeout(bench.budget_s)
    try:
        async with limit, aclosing(repair) as events:
            async for event in events:
                told.hear(event)
                if isinstance(event, TestsFinished) and not first_s:
                    first_s = time.monotonic() - started
    except TimeoutError:
        if not limit.expired():
            raise
        told.reason = f"the {bench.budget_s:g} s are used up"
    seconds = time.monotonic() - started
    after = await project.run()
    same_tests = _python_files(workspace.root, tests=True) == tests
    return Repaired(
        all_green=after.all_green and same_tests,
        never_worse=before.passed_ids <= after.passed_ids and same_tests,
        at_once=told.at_once,
        origin="+".join(dict.fromkeys(told.kept)),
        attempts=told.attempts,
        changes=told.changes,
        prompt_tokens=told.prompt_tokens,
        completion_tokens=told.completion_tokens,
        seconds=round(seconds, 1),
        repair_s=round(seconds - first_s, 1),
        reason=told.reason,
        files=_python_files(workspace.root, tests=False),
    )


@dataclass(slots=True, kw_only=True)
class RepairTold:
    """The events of a repair, added up."""

    attempts: int = 0
    changes: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    at_once: bool = True
    reason: str = ""
    kept: list[str] = field(default_factory=list)
    """The origin of each edit that stayed."""
    _origin: str = Origin.FIX.value
    _searched: ChangesTried | None = None

    def hear(self, event: Event) -> None:
        """Add one event."""
        match event:
            case AttemptStarted():
                self._origin = Origin.FIX.value
                self.attempts += 1
                self.at_once = self.at_once and event.attempt == 1
            case ReplyFinished():
                self.prompt_tokens += event.prompt_tokens
                self.completion_tokens += event.completion_tokens
            case EditApplied():
                self.kept.append(self._origin)
            case EditReverted():
                self.kept.pop()
            case FixFinished():
                self.reason = event.reason
            case _:
                self._hear_search(event)

    def _hear_search(self, event: Event) -> None:
        """Add an event of a search, whose numbers count from its own start."""
        match event:
            case StageStarted(text) if text.startswith("looking for the place"):
                self._searched = None
            case ChangesTried(tried, _, origin, tokens):
                earlier = self._searched
                self.changes += tried - (earlier.tried if earlier else 0)
                if origin != Origin.FUNCTION.value:  # its reply has told its tokens itself
                    self.completion_tokens += tokens - (earlier.tokens if earlier else 0)
                self._searched = event
            case ChangeChosen():
                self._origin = event.origin
            case _:
                pass


def _committed(root: Path, write: Callable[[Path], None]) -> None:
    """Have a repository with one commit written: that is what says which tests are the user's."""
    root.mkdir()
    write(root)
    identity = ["-c", "user.name=evaluation", "-c", "user.email=evaluation@localhost"]
    for words in (["init", "-q"], ["add", "-A", "-f"], [*identity, "commit", "-q", "-m", "Broken"]):
        subprocess.run(["git", *words], cwd=root, check=True, capture_output=True)  # noqa: S607


def _python_files(root: Path, *, tests: bool) -> dict[str, str]:
    paths = ((path.relative_to(root).as_posix(), path) for path in sorted(root.rglob("*.py")))
    return {
        name: path.read_text("utf-8", "surrogateescape")
        for name, path in paths
        if is_test_path(name) is tests
    }
