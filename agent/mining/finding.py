"""Mines a repository's commits for tasks; each candidate is tried in the sandbox and recorded.

A function becomes a task if the commit's tests pass, and at least one of them fails every time when
the function is broken: with its body of the commit before, else with none. The failure must lead
the fix loop to the file, as it would lead it for a user.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.events import Notice, Progress, StageStarted
from agent.fixing.sources import Sources
from agent.fixing.targets import choose_targets
from agent.fixing.verify import first_state
from agent.mining.functions import differing, stubbed, with_older_body
from agent.mining.log import ChangedFunction, Commit, RepositoryLog, commits
from agent.mining.tasks import Kind, RepositoryTask, TaskFile, task_id, text_digest
from agent.mining.trees import CommitTree, CommitTrees
from agent.rounds.process import LearnerSwitch, resumed
from agent.streaming import Emit
from learning.records import Experience, Trust, Verdict
from sandbox.host.children import in_thread
from sandbox.verdict.report import RunStatus, TestReport

_MOST_UNFIT = 5
"""The search ends after so many commits in a row whose tests cannot judge."""
ENOUGH = 120
"""The search ends with so many tasks."""
_SLOWEST_S = 60.0
"""Longest duration of a suite: each is run several times for a task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Way:
    """One way to break a candidate."""

    kind: Kind
    broken: str
    id: str
    key: str
    """Key under which a rejection is recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """A commit whose tests can judge tasks."""

    commit: Commit
    tree: CommitTree
    green: TestReport


async def find_tasks(
    root: Path,
    *,
    environ: Mapping[str, str],
    trees: CommitTrees,
    known: TaskFile,
    emit: Emit,
    budget_s: float,
    failures: Iterable[Experience] = (),
    switch: LearnerSwitch | None = None,
    enough: int = ENOUGH,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Add tasks to `known`, from the newest commit back, until there are enough or time is up.

    `failures` are stored steps; one that can be tried on the last commit is a task, too. What was
    tried before is not tried again, so a search that was interrupted goes on where it was. While
    `switch` is paused nothing is tried.

    Raises:
        SandboxError: If the sandbox gives no answer.
        WorkspaceError: If the files of a commit cannot be written.
    """
    started = clock()
    line = await in_thread(commits, root, environ)
    todo = [commit for commit in line if commit.id not in known.examined]
    search = _Search(
        RepositoryLog(root, environ),
        trees,
        known,
        emit,
        late=lambda: clock() - started > budget_s,
        switch=switch or LearnerSwitch(),
    )
    if line:
        await search.try_failures(line[0], failures)
    if todo:
        emit(StageStarted("looking for tasks in the commits"))
    for number, commit in enumerate(todo):
        if len(known.in_time) >= enough or search.late() or search.unfit >= _MOST_UNFIT:
            break

        def on_part(share: float, number: int = number) -> None:
            done, spent = number + share, clock() - started
            eta_s = min(spent / done * (len(todo) - done), max(0.0, budget_s - spent))
            emit(Progress(done, len(todo), "commits", eta_s))

        if await search.examine(commit, on_part):
            known.finish(commit.id)
    if search.late():
        emit(Notice("the search for tasks ran out of time; the next one goes on from here"))
    else:
        known.searched()


class _Search:
    """One search through the commits."""

    def __init__(
        self,
        log: RepositoryLog,
        trees: CommitTrees,
        known: TaskFile,
        emit: Emit,
        *,
        late: Callable[[], bool],
        switch: LearnerSwitch,
    ) -> None:
        self.late = late
        self.unfit = 0
        """Number of commits in a row whose tests could not judge."""
        self._switch = switch
        self._log = log
        self._trees = trees
        self._known = known
        self._emit = emit
        self._seen: set[tuple[str, str, str]] = set()
        self._ground: _Ground | None = None

    async def examine(self, commit: Commit, on_part: Callable[[float], None]) -> bool:
        """Try every candidate of a commit, reporting the share done; True if all were tried."""
        touched = await in_thread(self._log.candidates, commit)
        new = [each for each in touched if self._is_new(each)]
        for number, candidate in enumerate(new, 1):
            if self.late():
                return False
            ground = await self._standing(commit)
            if ground is None:
                return False  # tomorrow's environment may run them
            self._seen.add(_form(candidate))
            ways = [way for way in _ways(candidate) if way.id not in self._known.tried]
            await self._try(ground, candidate, ways)
            on_part(number / len(new))
        if not new:
            on_part(1.0)
        return True

    async def try_failures(self, head: Commit, failures: Iterable[Experience]) -> None:
        """Try the stored failing states of files on the last commit, where they may still fail."""
        broken_before = {(task.path, task.broken) for task in self._known.tasks.values()}
        for step in failures:
            usable = step.path.endswith(".py") and step.before and step.verdict is Verdict.FAIL
            if not usable or (step.path, step.before) in broken_before or self.late():
                continue
            tree = await self._trees.at(head.id)
            source = tree.read(step.path) if step.path in tree.files else step.before
            function = differing(source, step.before)
            # Worth another look only when the file has become another.
            key = text_digest("\0".join([step.path, step.before, source]))
            if not function or key in self._known.tried:
                continue
            ground = await self._standing(head)
            if ground is None:
                return
            candidate = ChangedFunction(
                commit=head, path=step.path, function=function, source=source, text=source
            )
            id_ = task_id(head.id, step.path, function, step.before)
            way = _Way(kind="failure", broken=step.before, id=id_, key=key)
            await self._try(ground, candidate, [way])

    def _is_new(self, candidate: ChangedFunction) -> bool:
        """True unless a later commit has this function in the same form."""
        form = _form(candidate)
        known = ((*task.place, task.real) for task in self._known.tasks.values())
        return form not in self._seen and form not in known

    async def _standing(self, commit: Commit) -> _Ground | None:
        """The commit after one run of its tests; None, with a notice, if they cannot judge."""
        if self._ground is None or self._ground.commit != commit:
            tree = await self._trees.at(commit.id)
            green = await tree.runner.run()
            if reason := _unfit(green):
                self._emit(Notice(f"no tasks from the commit {commit.id[:8]}: {reason}"))
                self.unfit += 1
                return None
            self.unfit = 0
            self._ground = _Ground(commit=commit, tree=tree, green=green)
        return self._ground

    async def _try(self, ground: _Ground, candidate: ChangedFunction, ways: Iterable[_Way]) -> None:
        """Keep the first way that makes a task."""
        for way in ways:
            await resumed(self._switch)
            task = await _verified(ground, candidate, way)
            if not isinstance(task, str):
                self._known.add(task)
                return
            self._known.reject(way.key, task)


def _form(candidate: ChangedFunction) -> tuple[str, str, str]:
    return candidate.path, candidate.function, candidate.text


def _ways(candidate: ChangedFunction) -> list[_Way]:
    """The ways to break a candidate, the better first."""
    older = candidate.older or ""
    texts: list[tuple[Kind, str | None]] = [
        ("older", with_older_body(candidate.source, candidate.function, older)),
        ("stub", stubbed(candidate.source, candidate.function)),
    ]
    commit, path, function = candidate.commit.id, candidate.path, candidate.function
    named = [
        (kind, text, task_id(commit, path, function, text))
        for kind, text in texts
        if text is not None
    ]
    return [_Way(kind=kind, broken=text, id=id_, key=id_) for kind, text, id_ in named]


def _unfit(report: TestReport) -> str:
    """The reason why a commit's tests cannot judge tasks; empty if they can."""
    if report.status is not RunStatus.COMPLETE:
        return f"its tests do not run ({report.status.value.replace('_', ' ')})"
    if not report.passed_ids:
        return "none of its tests passes"
    if report.duration_s > _SLOWEST_S:
        return f"its tests take {report.duration_s:.0f} s"
    if not Trust(report.trust.value).may_train:
        return f"its verdicts could be forged ({'; '.join(report.notes)})"
    return ""


async def _verified(ground: _Ground, candidate: ChangedFunction, way: _Way) -> RepositoryTask | str:
    """The task, if the tests tell the broken file from the real one; else why it is none."""
    tree, green = ground.tree, ground.green.passed_ids
    with tree.instead(candidate.path, way.broken):
        report = await tree.runner.run()
        if report.status is not RunStatus.COMPLETE:
            return f"the run did not end: {report.status.value.replace('_', ' ')}"
        if not {item.id for item in report.red} & green:
            return "its tests pass all the same"
        state = await first_state(tree.runner, report)
        failing = tuple(item for item in state.red if item.id in green)
        if not failing:
            return "no test fails every time"
        targets = choose_targets(failing[0], Sources(tree.folder, tree.files))
    if targets[:1] != (candidate.path,):
        return "the failure leads to another file"
    red = frozenset(item.id for item in failing)
    if not (await tree.runner.run(only=sorted(red))).passed_ids >= red:
        return "its tests are flaky"
    return RepositoryTask(
        id=way.id,
        commit=ground.commit.id,
        committed_at=ground.commit.committed_at,
        path=candidate.path,
        function=candidate.function,
        kind=way.kind,
        broken=way.broken,
        green=tuple(sorted(green & state.green)),
        failing=failing,
        duration_s=report.duration_s,
        real=candidate.text,
    )
