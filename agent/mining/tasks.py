"""A task mined from a repository's commits, and the file of all tasks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from learning.evaluation.rows import append_rows
from sandbox.box.status import VerdictTrust
from sandbox.verdict.report import Frame, RunStatus, TestOutcome, TestReport, TestResult

Kind = Literal["older", "stub", "failure"]
RULES = "2"
"""Version of the rules that make tasks: results under other rules are not comparable."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryTask:
    """A file that is broken in one function, with the tests that fail for it."""

    id: str
    commit: str
    """The commit that all other files and the tests are taken from."""
    committed_at: int
    path: str
    function: str
    """Qualified; all that differ, with commas, where a recorded failure is more than one."""
    kind: Kind
    broken: str
    """The broken file, as the model sees it."""
    green: tuple[str, ...]
    """Tests that pass with the broken file."""
    failing: tuple[TestResult, ...]
    """Tests that pass with the real file and fail every time with the broken one."""
    duration_s: float
    """Duration of a run of all tests."""
    real: str = ""
    """The function before it was broken: text that an adapter must not have learned."""

    @property
    def place(self) -> tuple[str, str]:
        """File and function of the task."""
        return self.path, self.function

    @property
    def order(self) -> tuple[int, str]:
        """Sort key: time, then id within one commit."""
        return self.committed_at, self.id

    @property
    def red_ids(self) -> tuple[str, ...]:
        return tuple(result.id for result in self.failing)

    @property
    def report(self) -> TestReport:
        """Report on the broken file with the results that judging needs."""
        passed = (TestResult(id=name, outcome=TestOutcome.PASSED) for name in self.green)
        return TestReport(
            status=RunStatus.COMPLETE,
            results=(*passed, *self.failing),
            runner="",
            trust=VerdictTrust.PINNED,
            duration_s=self.duration_s,
        )


def task_id(commit: str, path: str, function: str, broken: str) -> str:
    """A name that a person can read and that changes with anything that the task is made of."""
    digest = text_digest("\0".join([RULES, commit, path, function, broken]))[:8]
    return f"{path}::{function or 'file'}@{commit[:8]}-{digest}"


def text_digest(text: str) -> str:
    """Short digest of a text."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]


@dataclass(slots=True)
class TaskFile:
    """JSON-lines file of all candidates tried so far. One process writes at a time."""

    path: Path
    tasks: dict[str, RepositoryTask] = field(default_factory=dict)
    tried: set[str] = field(default_factory=set)
    """Ids of all judged candidates, tasks or not."""
    examined: set[str] = field(default_factory=set)
    """Commits whose candidates were all tried."""
    cutoff: tuple[int, str] | None = None
    """Last place in time for experience; later tasks are held out. Set once."""
    complete: bool = False
    """True once a search has gone through all commits, so that the oldest tasks are known."""

    def __post_init__(self) -> None:
        for record in _records(self.path):
            self._take(record)

    def add(self, task: RepositoryTask) -> None:
        """Keep a task."""
        self._append({"tried": task.id, "task": asdict(task)})

    def reject(self, id_: str, reason: str) -> None:
        """Remember that a candidate is no task."""
        self._append({"tried": id_, "why": reason})

    def finish(self, commit: str) -> None:
        """Remember that a commit has nothing more to give."""
        self._append({"examined": commit})

    def searched(self) -> None:
        """Remember that a search has come to its end."""
        if not self.complete:
            self._append({"complete": True})

    def cut(self, order: tuple[int, str]) -> None:
        """Set the cutoff for good."""
        self._append({"cutoff": list(order)})

    @property
    def in_time(self) -> Sequence[RepositoryTask]:
        """The tasks, the oldest first; of each function only the newest."""
        newest = {task.place: task for task in sorted(self.tasks.values(), key=_order)}
        return sorted(newest.values(), key=_order)

    def _append(self, record: dict[str, object]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        append_rows(self.path, [{"rules": RULES, **record}])
        self._take(record)

    def _take(self, record: dict[str, object]) -> None:
        if isinstance(made := record.get("task"), dict):
            task = _task(made)
            self.tasks[task.id] = task
        self.complete = self.complete or record.get("complete") is True
        if isinstance(cut := record.get("cutoff"), list):
            self.cutoff = (int(cut[0]), str(cut[1]))
        for name, known in (("tried", self.tried), ("examined", self.examined)):
            if isinstance(value := record.get(name), str):
                known.add(value)


def _order(task: RepositoryTask) -> tuple[int, str]:
    return task.order


def _records(path: Path) -> Iterable[dict[str, object]]:
    """The records of the present rules; a torn last line does not count."""
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(record, dict) and record.get("rules") == RULES:
            yield record


def _task(record: dict[str, object]) -> RepositoryTask:
    fields = dict(record)
    failing = fields.pop("failing")
    green = fields.pop("green")
    assert isinstance(failing, list | tuple)  # noqa: S101 - written by `TaskFile.add`
    assert isinstance(green, list | tuple)  # noqa: S101 - as above
    return RepositoryTask(
        **fields,  # type: ignore[arg-type]
        green=tuple(green),
        failing=tuple(_result(item) for item in failing),
    )


def _result(record: dict[str, object]) -> TestResult:
    fields = dict(record)
    frames = fields.pop("frames", ())
    fields["outcome"] = TestOutcome(str(fields["outcome"]))
    assert isinstance(frames, list | tuple)  # noqa: S101 - written by `TaskFile.add`
    return TestResult(**fields, frames=tuple(Frame(**item) for item in frames))  # type: ignore[arg-type]
