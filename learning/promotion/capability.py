"""Measures if a model can read a kind of evidence, that is, solves more tasks with it in context.

A teacher that cannot use the feedback teaches noise: self-distillation loses to plain reinforcement
learning at 1.5B (arXiv 2601.20802). So each model is measured once for each kind of evidence. Until
then the evidence term is off for that kind, and a round learns from verified fixes, the tools' own
words and the anchors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from learning.errors import LearningError
from learning.evaluation.statistics import TaskScores, paired_bootstrap
from learning.model.catalog import ModelIdentity
from learning.promotion.manifest import sync
from learning.records import EvidenceKind

MIN_TASKS = 30
_CONFIDENCE = 0.8
"""Two-sided, so that the lower end is the one-sided 90 % bound."""

State = Literal["reads", "does not read", "undecided"]


class CapabilityError(LearningError):
    """The stored measurements of a model cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """Measured ability of one model to read one kind of evidence."""

    kind: EvidenceKind
    state: State
    tasks: int = 0
    gain: float = 0.0
    """Share of the tasks solved with the evidence in context, less the share solved with a control."""
    low: float = 0.0
    """Lower one-sided 90 % bound of the gain."""

    @property
    def words(self) -> str:
        """The state as a sentence for the person."""
        what = _NAMES[self.kind]
        if self.state == "undecided":
            return f"{what} as lessons: untested yet, needs {MIN_TASKS} trial tasks ({self.tasks} so far)"
        verb = "can read" if self.state == "reads" else "cannot read"
        return (
            f"this model {verb} {what}: {100 * self.gain:+.0f} points on {self.tasks} tasks,"
            f" at least {100 * self.low:+.0f} with 90 % confidence"
        )


_NAMES = {
    EvidenceKind.TEST_FAILURE: "failing tests",
    EvidenceKind.TRACEBACK: "tracebacks",
    EvidenceKind.DIAGNOSTIC: "compiler and linter messages",
    EvidenceKind.IO_PAIR: "printed results",
    EvidenceKind.USER_CORRECTION: "corrections by the user",
    EvidenceKind.ENVIRONMENT: "facts about the installed versions",
}


def judge_capability(kind: EvidenceKind, scores: TaskScores) -> Capability:
    """Judge from each task's share of passed samples with a control (a) and with the evidence (b)."""
    tasks = len(scores.tasks)
    if tasks < MIN_TASKS:
        return Capability(kind=kind, state="undecided", tasks=tasks)
    spread = paired_bootstrap(scores, confidence=_CONFIDENCE)
    return Capability(
        kind=kind,
        state="reads" if spread.interval.low > 0 else "does not read",
        tasks=tasks,
        gain=spread.mean,
        low=spread.interval.low,
    )


def known_capabilities(folder: Path, base: ModelIdentity) -> Mapping[EvidenceKind, Capability]:
    """The stored measurements of this model; kinds without one are undecided.

    Raises:
        CapabilityError: If the file is damaged.
    """
    known = {kind: Capability(kind=kind, state="undecided") for kind in EvidenceKind}
    path = _path(folder, base)
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        for record in records:
            kind = EvidenceKind(record["kind"])
            known[kind] = Capability(**{**record, "kind": kind})
    except FileNotFoundError:
        return known
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise CapabilityError(f"{path} cannot be read ({err}): remove it") from err
    return known


def keep_capability(folder: Path, base: ModelIdentity, measured: Capability) -> None:
    """Store a measurement of this model; it replaces an earlier one of the same kind."""
    known = {**known_capabilities(folder, base), measured.kind: measured}
    decided = [asdict(each) for each in known.values() if each.tasks]
    path = _path(folder, base)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".tmp-{path.name}")
    temporary.write_text(json.dumps(decided, indent=2) + "\n", encoding="utf-8")
    sync(temporary)
    temporary.replace(path)


def _path(folder: Path, base: ModelIdentity) -> Path:
    return folder / f"capability-{base.weights_sha256[:16]}-{base.template_sha256[:8]}.json"
