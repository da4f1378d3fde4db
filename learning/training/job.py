"""One training job: a folder with frozen settings, the examples, checkpoints and the result.

job.json  examples.jsonl  unseen.jsonl   written before the worker starts, never changed
progress.jsonl  worker.log      what it says while it runs
targets/<n>.pt  checkpoint.pt   what a killed worker resumes from
adapter/                        the result: a whole adapter folder, or not there at all
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from learning.errors import LearningError
from learning.experience.codec import ExperienceFormatError, decode, encode
from learning.model.catalog import ModelIdentity
from learning.promotion.manifest import sync
from learning.records import Experience
from learning.training.rules import LearningRule, rule_from, rule_record

_EXAMPLES = "examples.jsonl"
_UNSEEN = "unseen.jsonl"


class TrainingError(LearningError):
    """Training cannot go on; the message says why and what to do."""


class JobError(TrainingError):
    """The job's folder cannot be read."""


class ExampleKind(StrEnum):
    """How an experience is learned from."""

    EVIDENCE = "evidence"
    """Move towards what the same weights say when the evidence is in their context."""
    HINDSIGHT = "hindsight"
    """Learn a verified fix, given at a prompt that had first led to a failure."""
    FIRST_TRY = "first_try"
    """Learn a verified fix at its own prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One thing to learn: `step` gives the prompt; `fix`, if there is one, the right action."""

    kind: ExampleKind
    step: Experience
    fix: Experience | None = None
    weight: float = 1.0
    read_evidence: bool = True
    """Whether this model can read the evidence, so that its reading may be learned from."""

    @property
    def experience_ids(self) -> tuple[str, ...]:
        return (self.step.id,) if self.fix is None else (self.step.id, self.fix.id)

    @property
    def tokens(self) -> int:
        """Length of prompt and action together, before anything is cut."""
        action = (self.fix or self.step).action
        return len(self.step.action.prompt_ids) + len(action.token_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingJob:
    """Everything that decides the result, apart from the examples."""

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
    max_tokens: int = 512
    """Longest example, prompt and action together, in what the student sees."""
    note_tokens: int = 256
    """Longest note with evidence in what the teacher sees."""
    budget_s: float | None = None
    """No further step is begun after this much time in training."""
    threads: int = 0
    """0: as many as torch chooses."""
    rule: LearningRule = field(default_factory=LearningRule)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobResult:
    """How a job ended."""

    adapter: str | None
    """Name of the adapter in the job's folder; None if no example could be trained on."""
    trained: int
    skipped: Mapping[str, int]
    """Number of examples that could not be used, by reason."""


def write_job(
    folder: Path, job: TrainingJob, examples: Sequence[Example], *, unseen: Sequence[Example] = ()
) -> None:
    """Make a new job folder; it exists with all its content or not at all.

    `unseen` are accepted fixes that are only measured, before and after.
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
    """The fixes that a job only measures; none in the folder of an older version.

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


def write_result(folder: Path, result: JobResult) -> None:
    """Say that the job has ended."""
    temporary = folder / ".tmp-result.json"
    temporary.write_text(json.dumps(dataclasses.asdict(result)) + "\n", encoding="utf-8")
    sync(temporary)
    temporary.replace(folder / "result.json")
    sync(folder)


def read_result(folder: Path) -> JobResult | None:
    """How the job ended; None while it has not.

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
    }


def _example(record: dict[str, str | float | None]) -> Example:
    fix = record["fix"]
    return Example(
        kind=ExampleKind(str(record["kind"])),
        step=decode(str(record["step"])),
        fix=None if fix is None else decode(str(fix)),
        weight=float(record["weight"] or 0.0),
        read_evidence=bool(record["read_evidence"]),
    )
