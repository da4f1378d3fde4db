"""Attempts and explanations of an experiment: one JSON line each, appended as it is made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeAlias

from learning.evaluation.rows import RowFile
from learning.evaluation.samples import SampleKey
from learning.evaluation.task import Generated, Judged


def kept_under(folder: Path, kind: str, **made_from: object) -> Path:
    """The file for attempts or texts that were made from these values.

    Another model, prompt, data file or sampling gives another file, so that nothing that was made
    from one is ever taken for the other's, in whatever folder. The values are such as JSON knows.
    """
    text = json.dumps(made_from, sort_keys=True)
    return folder / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """One reply of the bare model, what came of it, and what can be said about it."""

    task_id: str
    index: int
    text: str
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    code: str = ""
    passed: bool = False
    said: str = ""
    """What the judge said of a failure."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What was observed beside the verdict, by kind."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    generation_s: float = 0.0
    sandbox_s: float = 0.0


RolloutFile: TypeAlias = RowFile[SampleKey, Rollout]
ExplanationFile: TypeAlias = RowFile[str, str]


def rollout_of(key: SampleKey, reply: Generated, judged: Judged) -> Rollout:
    """A reply with its verdict as a row of attempts."""
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
    """The attempts of one experiment."""
    return RowFile(path=path, encode=lambda _key, attempt: asdict(attempt), decode=_decoded)


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
    attempt = Rollout(**{**values, **ids})
    return (attempt.task_id, attempt.index), attempt
