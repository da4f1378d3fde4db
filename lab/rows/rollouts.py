"""Rollouts of the bare model and explanations of them: one JSON line each, appended when it is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

from learning.evaluation.rows import RowFile
from learning.evaluation.run import OnRow, answer, complete, keys_of, silent
from learning.evaluation.samples import SampleKey
from learning.evaluation.task import Generated, Generator, Judged, Task
from learning.records import Sampling


def kept_under(folder: Path, kind: str, **made_from: object) -> Path:
    """The file for rollouts or texts that were made from these values, which JSON can hold.

    Another model, prompt, data file or sampling gives another file, so that rows of one are never
    taken for rows of the other.
    """
    text = json.dumps(made_from, sort_keys=True)
    return folder / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """A completion of the bare model for a task, its verdict, and observations."""

    task_id: str
    index: int
    text: str
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    code: str = ""
    passed: bool = False
    said: str = ""
    """The judge's message about a failure."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """Observations besides the verdict, by kind."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    generation_s: float = 0.0
    sandbox_s: float = 0.0


RolloutFile: TypeAlias = RowFile[SampleKey, Rollout]
Observe: TypeAlias = Callable[[Rollout], Awaitable[Rollout]]
ExplanationFile: TypeAlias = RowFile[str, str]


def rollout_of(key: SampleKey, reply: Generated, judged: Judged) -> Rollout:
    """A reply with its verdict as a row of rollouts."""
    task_id, index = key
    return Rollout(
        task_id=task_id,
        index=index,
        text=reply.text,
        prompt_ids=reply.prompt_ids,
        token_ids=reply.token_ids,
        code=judged.clean,
        passed=judged.passed,
        said=judged.message,
        prompt_tokens=reply.prompt_tokens,
        completion_tokens=reply.completion_tokens,
        generation_s=reply.duration_s,
        sandbox_s=judged.sandbox_s,
    )


def rollout_file(path: Path) -> RolloutFile:
    """The rollouts of one experiment."""
    return RowFile(path=path, encode=lambda _key, rollout: asdict(rollout), decode=_decoded)


async def roll_out(
    tasks: Sequence[Task],
    generator: Generator,
    file: RolloutFile,
    sampling: Sampling,
    *,
    samples: int = 1,
    observe: Observe | None = None,
    on_row: OnRow[Rollout] = silent,
) -> list[Rollout]:
    """Complete `file`: sampled rollouts of every task, each judged once; return them all.

    `observe` adds to each rollout before it is kept.

    Raises:
        EvaluationError: If the verdicts cannot be had.
        ModelError: If the model does not answer.
    """
    by_id = {task.id: task for task in tasks}

    async def make(key: SampleKey) -> Rollout:
        made = rollout_of(key, *await answer(by_id[key[0]], generator, sampling, key[1]))
        return await observe(made) if observe else made

    found = await complete(file, keys_of((task.id for task in tasks), samples), make, on_row=on_row)
    return list(found.values())


def explanation_file(path: Path) -> ExplanationFile:
    """Texts by key, such as explanations."""
    return RowFile(
        path=path,
        encode=lambda key, text: {"key": key, "text": text},
        decode=lambda record: (str(record["key"]), str(record["text"])),
    )


def _decoded(record: Mapping[str, Any]) -> tuple[SampleKey, Rollout]:
    known = {item.name for item in fields(Rollout)}
    values = {key: value for key, value in record.items() if key in known}
    ids = {name: tuple(values[name]) for name in ("prompt_ids", "token_ids")}
    rollout = Rollout(**{**values, **ids})
    return (rollout.task_id, rollout.index), rollout
