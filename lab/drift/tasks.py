"""Library drift: small tasks whose usual solution uses an API that the installed release has dropped.

Each task is data: what is asked, a hidden check, a solution that works and the outdated idiom that
does not. Half of the tasks of each change is for experience, half is held out.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from types import MappingProxyType
from typing import Literal, get_args

from agent.rounds.trial.program_judge import Judge, ProgramJudge, judge_all, program_limits
from lab.prompt_files import words
from learning.evaluation.prompting import Prompt
from learning.evaluation.sanitise import raw_code, sanitised_code
from learning.evaluation.task import Generated, Judged, Task
from learning.records import Message
from sandbox.box.status import Status
from sandbox.box.streams import display_safe
from sandbox.warm.judge import CheckTask, JudgeResult

Split = Literal["experience", "held-out"]
SPLITS: tuple[Split, ...] = get_args(Split)
MEMORY_MIB = 4096
"""Address space of a program: the libraries reserve far more than they use."""
_VERIFY_S = 60.0
_LINE_CHARACTERS = 300
_UNUSED = "the code does not use the library that the task asks for"
_ENTRY_POINT = re.compile(r"def ([A-Za-z_]\w*)\(.*\) -> .+:")
_ALIKE = 0.8
_API_ERROR = re.compile(
    r"(?:AttributeError|ImportError|ModuleNotFoundError|AttributeRemovedError|ArgumentRemovedError)\b"
    r"|TypeError\b.*(?:unexpected keyword argument|positional arguments?\b|not callable|takes )"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftTask:
    """One function to be written with a library whose API has changed."""

    id: str
    library: str
    """Name under which it is imported."""
    change: str
    """The change of the API, old -> new; tasks of the same change share it word for word."""
    split: Split
    head: str
    ask: str
    check: str
    """Assertions about `candidate`; never shown to a model."""
    reference: str
    outdated: str
    """The reference with the idiom of older releases."""

    @property
    def entry_point(self) -> str:
        found = _ENTRY_POINT.fullmatch(self.head)
        return found[1] if found else ""

    def uses_library(self, code: str) -> bool:
        """True if the code imports the library: a solution without it measures nothing here."""
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError):
            return False
        return any(name.partition(".")[0] == self.library for name in _imported(tree))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """The verdicts on a drift task's own two solutions."""

    task_id: str
    reference: Status
    outdated: Status
    error: str
    """The error of the outdated idiom."""
    reference_note: str

    @property
    def sound(self) -> bool:
        """True if the task measures what it says: the reference passes, the old idiom fails in words."""
        return (
            self.reference is Status.PASS and self.outdated is not Status.PASS and bool(self.error)
        )


def drift_prompt(task: DriftTask, *, note: str = "") -> Prompt:
    """The task as a chat; `note` is told beside it."""
    text = Template(words("drift")).substitute(library=task.library, head=task.head, ask=task.ask)
    return Prompt(messages=(Message(role="user", content=text + note),))


_WORDS = ("drift", "drift_neutral", "drift_error", "drift_facts", "drift_hints")


def prompts_digest(arm: str = "base") -> str:
    """Digest of every word that may be added to a task in an arm; most arms share one list."""
    names = (*_WORDS, "drift_told") if arm == "told" else _WORDS
    return hashlib.sha256("\0".join(map(words, names)).encode()).hexdigest()


def drift_tasks(
    tasks: Iterable[DriftTask],
    judge: Judge,
    outdated_errors: Mapping[str, str],
    *,
    notes: Mapping[str, str] = MappingProxyType({}),
) -> list[Task]:
    """Drift tasks as tasks of an evaluation.

    `outdated_errors` are the errors of the outdated idioms, by task; an error like them is a stale one.
    `notes` are told before the first attempt, by task.
    """
    return [
        _task(task, judge, outdated_errors.get(task.id, ""), notes.get(task.id, ""))
        for task in tasks
    ]


def _task(task: DriftTask, judge: Judge, outdated_error: str, note: str) -> Task:
    programs = ProgramJudge(judge, task.id, _check_task(task, task.reference))

    async def judged(reply: Generated) -> Judged:
        raw, clean = raw_code(reply.text), sanitised_code(reply.text, task.entry_point)
        raw_result, result = await programs.verdicts(raw, clean)
        verdict = _status(task, clean, result)
        used = task.uses_library(clean)
        error = one_line(result.note) if used or result.note else _UNUSED
        return Judged(
            raw=raw,
            clean=clean,
            raw_verdict=_status(task, raw, raw_result).value,
            verdict=verdict.value,
            message=error,
            sandbox_s=result.duration_s + (0.0 if raw == clean else raw_result.duration_s),
            stale=verdict is not Status.PASS and is_stale_error(error, outdated_error),
        )

    return Task(
        id=task.id,
        prompt=drift_prompt(task, note=note),
        judge=judged,
        check_reference=programs.check_reference,
        split=task.split,
    )


async def verify(judge: Judge, tasks: Sequence[DriftTask]) -> list[Verified]:
    """Run both solutions that come with each task.

    Raises:
        EvaluationError: If the verdicts cannot be had.
    """
    both = [_check_task(task, code) for task in tasks for code in (task.reference, task.outdated)]
    results = await judge_all(judge, both)
    return [
        Verified(
            task_id=task.id,
            reference=reference.status,
            outdated=outdated.status,
            error=one_line(outdated.note),
            reference_note=one_line(reference.note),
        )
        for task, reference, outdated in zip(tasks, results[::2], results[1::2], strict=True)
    ]


def is_stale_error(error: str, outdated_error: str = "") -> bool:
    """True if an error in one line is that of an API that is not there (any more).

    `outdated_error` is the error of the task's own outdated idiom; an error like it counts, too.
    """
    if not error:
        return False
    alike = difflib.SequenceMatcher(None, error, outdated_error).ratio() >= _ALIKE
    return alike or _API_ERROR.search(error) is not None


def one_line(note: str) -> str:
    """A note as one line; an exception class that only the candidate has keeps its own name."""
    lines = [line.strip() for line in display_safe(note).splitlines() if line.strip()]
    return " ".join(lines).replace("CandidateError: ", "")[:_LINE_CHARACTERS]


def _check_task(task: DriftTask, code: str) -> CheckTask:
    return CheckTask(
        source=code,
        entry_point=task.entry_point,
        check=task.check,
        limits=program_limits(_VERIFY_S, memory_mib=MEMORY_MIB),
    )


def _status(task: DriftTask, code: str, result: JudgeResult) -> Status:
    return result.status if not result.passed or task.uses_library(code) else Status.FAIL


def _imported(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
