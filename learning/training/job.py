"""One training job: a folder with frozen settings, the examples, checkpoints and the result.

job.json  examples.jsonl  unseen.jsonl   written before the worker starts, never changed
progress.jsonl  worker.log      written while the worker runs
targets/<n>.pt  checkpoint.pt   read by the next worker if this one was killed
adapter/                        the result: a complete adapter folder, or absent
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from learning.contexts.use import ApiUse, first_difference, use_from
from learning.errors import LearningError
from learning.experience.codec import ExperienceFormatError, decode, encode
from learning.model.catalog import ModelIdentity
from learning.promotion.manifest import sync
from learning.records import Action, Experience, Message, Trust, Verdict
from learning.training.rules import LearningRule, rule_from, rule_record

_EXAMPLES = "examples.jsonl"
_UNSEEN = "unseen.jsonl"
_CHARACTERS_A_TOKEN = 3


Layers = Literal["all", "upper"]
"""Layers that get LoRA matrices: all, or the upper half."""


class TrainingError(LearningError):
    """Training cannot go on; the message says why and what to do."""


class JobError(TrainingError):
    """The job's folder cannot be read."""


class ExampleKind(StrEnum):
    """Ways to learn from an experience."""

    EVIDENCE = "evidence"
    """Move towards the distribution of the same weights with the evidence in their context."""
    HINDSIGHT = "hindsight"
    """Learn a verified fix at the prompt that had led to the failure."""
    FIRST_TRY = "first_try"
    """Learn a verified fix at its own prompt."""
    API_PAIR = "api_pair"
    """Learn a verified use of an API that changed, and prefer it to its stale twin."""
    API_ANCHOR = "api_anchor"
    """Stay as good at a call of the same library that did not change."""
    OWN_PASS = "own_pass"  # noqa: S105 - not a password
    """Stay as good at other work that the model did right."""
    OWN_REPLY = "own_reply"
    """Write as before what did not fail in a reply of the model; the names of its `use` are left out."""


MIX = frozenset({ExampleKind.API_ANCHOR, ExampleKind.OWN_PASS, ExampleKind.OWN_REPLY})
"""Kinds of rows on which nothing should change."""
API_KINDS = MIX | {ExampleKind.API_PAIR}
"""Kinds of rows about APIs, learned by the span rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One training example: `step` gives the prompt; `fix`, if any, gives the right action.

    Rows about an API (`API_PAIR`, and those of `MIX`) have no `fix`: the chosen completion is the
    text of the step's action, and `use` says where in it the API stands and what its stale twin is.
    """

    kind: ExampleKind
    step: Experience
    fix: Experience | None = None
    weight: float = 1.0
    read_evidence: bool = True
    """True if the model was shown to profit from such evidence in its context (see `capability`)."""
    use: ApiUse | None = None

    @property
    def chosen(self) -> str:
        """The completion to learn."""
        return (self.fix or self.step).action.text

    @property
    def differs_at(self) -> int | None:
        """Index of the chosen completion's first character that its stale twin has not; None without one."""
        if self.use is None or not self.use.stale:
            return None
        return first_difference(self.chosen, self.use.stale)

    @property
    def experience_ids(self) -> tuple[str, ...]:
        if self.use is not None:
            return self.use.experiences
        return (self.step.id,) if self.fix is None else (self.step.id, self.fix.id)

    @property
    def tokens(self) -> int:
        """Tokens of prompt and action together, before any cut; estimated where there are no ids."""
        prompt, action = self.step.action, (self.fix or self.step).action
        said = sum(len(message.content) for message in self.step.messages)
        told = len(prompt.prompt_ids) or said // _CHARACTERS_A_TOKEN
        return told + (len(action.token_ids) or len(action.text) // _CHARACTERS_A_TOKEN)


def api_example(
    kind: ExampleKind, use: ApiUse, *, messages: Sequence[Message], chosen: str, model: str
) -> Example:
    """A row about an API: a prompt, the completion to learn, and what is known about it.

    Token ids are made when the row is prepared: no model wrote the completion at this prompt.
    """
    said = "\0".join((use.api, *(message.content for message in messages), chosen))
    action = Action(text=chosen, model=model, adapter=None)
    step = replace(
        Experience.draft(messages, action, Verdict.PASS),
        id=f"use-{hashlib.sha256(said.encode()).hexdigest()[:16]}",
        trust=Trust.HARDENED,
    )
    return Example(kind=kind, step=step, use=use)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """Settings of one training round; with the examples they determine the result."""

    id: str
    model: str
    model_folder: str
    """Folder with the converted base model."""
    base: ModelIdentity
    adapter_prefix: str
    """Readable part of the new adapter's name."""
    created_at: float
    parent: str | None = None
    parent_folder: str | None = None
    """Adapter to start from; None starts from the bare base model."""
    seed: int = 0
    steps: int = 8
    batch: int = 1
    """Examples in one optimiser step."""
    learning_rate: float = 1e-4
    rank: int = 16
    alpha: int = 32
    layers: Layers = "all"
    max_tokens: int = 512
    """Longest example, prompt and action together, in the student's window."""
    note_tokens: int = 256
    """Longest note in a teacher context."""
    pack_tokens: int = 1024
    """Tokens of the rows that are read together; a longer row is read alone."""
    save_every_s: float = 60.0
    """Longest training before the state is written again: 220 MB for the default model."""
    budget_s: float | None = None
    """No further step is begun after this much time in training."""
    threads: int = 0
    """Threads of torch; 0 leaves the number to torch."""
    rule: LearningRule = field(default_factory=LearningRule)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """Result of a finished job."""

    adapter: str | None
    """Name of the adapter in the job's folder; None if no example could be trained on."""
    trained: int
    skipped: Mapping[str, int]
    """Number of examples that could not be used, by reason."""


def write_job(
    folder: Path, job: TrainingJob, examples: Sequence[Example], *, unseen: Sequence[Example] = ()
) -> None:
    """Write a new job folder, which appears complete or not at all.

    `unseen` are accepted fixes whose likelihood is only measured, before and after the training.
    """
    temporary = folder.with_name(f".tmp-{folder.name}")
    temporary.mkdir(parents=True, mode=0o700)
    (temporary / "job.json").write_text(
        json.dumps(job_record(job), indent=2) + "\n", encoding="utf-8"
    )
    for name, rows in ((_EXAMPLES, examples), (_UNSEEN, unseen)):
        lines = "".join(json.dumps(_example_record(example)) + "\n" for example in rows)
        (temporary / name).write_text(lines, encoding="utf-8")
    for path in (*temporary.iterdir(), temporary):
        sync(path)
    temporary.rename(folder)
    sync(folder.parent)


def job_record(job: TrainingJob) -> dict[str, object]:
    """The settings of a job as they are stored."""
    return {**dataclasses.asdict(job), "rule": rule_record(job.rule)}


def read_job(folder: Path) -> TrainingJob:
    """The settings of a job.

    Raises:
        JobError: If they are missing or unreadable.
    """
    try:
        record = json.loads((folder / "job.json").read_text(encoding="utf-8"))
        record["base"] = ModelIdentity(**record["base"])
        record["rule"] = rule_from(record["rule"])
        return TrainingJob(**record)
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise JobError(f"the learning job in {folder} cannot be read ({err})") from err


def read_examples(folder: Path) -> tuple[Example, ...]:
    """The examples of a job, in the order they were written.

    Raises:
        JobError: If they are missing or unreadable.
    """
    return _read(folder / _EXAMPLES)


def read_unseen(folder: Path) -> tuple[Example, ...]:
    """The accepted fixes that a job only measures; none in a folder of an older version.

    Raises:
        JobError: If they are unreadable.
    """
    return _read(folder / _UNSEEN) if (folder / _UNSEEN).exists() else ()


def _read(path: Path) -> tuple[Example, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return tuple(_example(json.loads(line)) for line in lines)
    except (OSError, ValueError, KeyError, TypeError, ExperienceFormatError) as err:
        raise JobError(f"the examples in {path.parent} cannot be read ({err})") from err


def write_rows(path: Path, rows: Sequence[Example]) -> None:
    """Write examples to a file of their own, in the form of a job's.

    Raises:
        OSError: If the file cannot be written.
    """
    lines = "".join(json.dumps(_example_record(example)) + "\n" for example in rows)
    path.write_text(lines, encoding="utf-8")


def read_rows(path: Path) -> tuple[Example, ...]:
    """The examples that `write_rows` wrote.

    Raises:
        JobError: If they are missing or unreadable.
    """
    return _read(path)


def write_result(folder: Path, result: JobResult) -> None:
    """Write the result, which marks the job as ended."""
    temporary = folder / ".tmp-result.json"
    temporary.write_text(json.dumps(dataclasses.asdict(result)) + "\n", encoding="utf-8")
    sync(temporary)
    temporary.replace(folder / "result.json")
    sync(folder)


def read_result(folder: Path) -> JobResult | None:
    """The result of the job; None while it is not finished.

    Raises:
        JobError: If the result cannot be read.
    """
    try:
        return JobResult(**json.loads((folder / "result.json").read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as err:
        raise JobError(f"the result in {folder} cannot be read ({err})") from err


def _example_record(example: Example) -> dict[str, object]:
    return {
        "kind": example.kind,
        "step": encode(example.step),
        "fix": None if example.fix is None else encode(example.fix),
        "weight": example.weight,
        "read_evidence": example.read_evidence,
        "use": None if example.use is None else dataclasses.asdict(example.use),
    }


def _example(record: dict[str, Any]) -> Example:
    fix, use = record["fix"], record.get("use")
    return Example(
        kind=ExampleKind(str(record["kind"])),
        step=decode(str(record["step"])),
        fix=None if fix is None else decode(str(fix)),
        weight=float(record["weight"] or 0.0),
        read_evidence=bool(record["read_evidence"]),
        use=None if use is None else use_from(use),
    )
