"""Result of an experiment: our figures with intervals, beside those of the article."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from lab.article.published import PUBLISHED, Experiment, Published
from lab.article.settings import SettingsError
from learning.evaluation.statistics import bootstrap_mean

_RESULT = "result.json"
_PERCENT = 100.0
OTHERS = "others"
"""Ends the name of a measure on tasks that nothing was learned from."""
SHARE, RANK, LETTER = "share", "rank", "letter"
"""Begin the names of measures that the article does not have: see `lab.article.letters`."""
_OURS_ALONE = (SHARE, RANK, LETTER)
CONTROL: Final = "neutral"
"""The arm that learns from a note without content."""
NOT_YET = "not run yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A mean in per cent, or of ranks as it is, with a 95 % interval over tasks."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float], *, seed: int = 0, scale: float = _PERCENT) -> Self:
        """The mean of values times `scale`, by default of shares of one, with its bootstrap interval.

        Raises:
            ValueError: If there are no values.
        """
        found = bootstrap_mean(values, seed=seed)
        return cls(
            value=scale * found.mean,
            low=scale * found.interval.low,
            high=scale * found.interval.high,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmRow:
    """One measure of one arm. An arm without `after` was not run, and `note` gives the reason."""

    arm: str
    measure: str
    """Name of the score whose means the figures are."""
    tasks: int = 0
    of_tasks: int = 0
    before: Figure | None = None
    after: Figure | None = None
    gain: Figure | None = None
    """Points; paired, resampled over tasks."""
    teacher: Figure | None = None
    """The teacher's own figure: the same questions with the feedback in the prompt."""
    beyond: Figure | None = None
    """What the arm gains more than the arm `neutral`; paired, resampled over tasks."""
    note: str = ""

    @property
    def is_control(self) -> bool:
        """True if the arm was measured on tasks that nothing was learned from."""
        return self.measure.endswith(OTHERS)

    @property
    def is_ours_alone(self) -> bool:
        """True if the article has no such measure."""
        return self.is_control or self.measure.startswith(_OURS_ALONE)

    @property
    def relative(self) -> float | None:
        """The gain in per cent of `before`; None if `before` is 0."""
        if self.gain is None or self.before is None or self.before.value <= 0:
            return None
        return _PERCENT * self.gain.value / self.before.value


def paired_row(
    arm: str,
    measure: str,
    before: Mapping[str, float],
    after: Mapping[str, float],
    *,
    of_tasks: int,
    control: Mapping[str, float] | None = None,
    teacher: Mapping[str, float] | None = None,
    note: str = "",
) -> ArmRow:
    """The row of an arm from the scores of the tasks that were measured before and after.

    `control` are the scores of the same tasks after learning from a note without content.
    """
    scale = 1.0 if measure.startswith(RANK) else _PERCENT
    shared = sorted(before.keys() & after.keys())
    if not shared:
        return ArmRow(arm=arm, measure=measure, of_tasks=of_tasks, note=note or NOT_YET)
    return ArmRow(
        arm=arm,
        measure=measure,
        tasks=len(shared),
        of_tasks=of_tasks,
        before=Figure.of([before[task] for task in shared], scale=scale),
        after=Figure.of([after[task] for task in shared], scale=scale),
        gain=Figure.of([after[task] - before[task] for task in shared], scale=scale),
        teacher=_figure([teacher[task] for task in shared if task in teacher], scale)
        if teacher
        else None,
        beyond=_figure([after[task] - control[task] for task in shared if task in control], scale)
        if control and arm != CONTROL
        else None,
        note=note,
    )


def _figure(values: Sequence[float], scale: float) -> Figure | None:
    return Figure.of(values, scale=scale) if values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """A mean after a number of steps."""

    step: int
    figure: Figure


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One measure of one arm while it learns."""

    arm: str
    measure: str
    points: tuple[CurvePoint, ...]
    teacher: float | None = None
    """The teacher's mean, in per cent; None on questions that nothing was learned from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentResult:
    """One experiment, complete or not."""

    experiment: Experiment
    model: str
    settings: Mapping[str, object]
    rows: tuple[ArmRow, ...]
    cost: Mapping[str, float] = field(default_factory=dict)
    """Tokens made and read, seconds of generation, of learning and in the sandbox."""
    curves: tuple[Curve, ...] = ()
    found: Mapping[str, str] = field(default_factory=dict)
    """What was found out on the way, in words, such as the learning rate that was chosen."""

    def published(self, row: ArmRow) -> Published:
        """The article's figures for this row."""
        if row.is_ours_alone:
            return Published()
        return PUBLISHED.get((self.experiment, row.arm), Published())


def save_experiment(folder: Path, outcome: ExperimentResult) -> None:
    """Write the result where `load_experiment` finds it."""
    text = json.dumps({"v": 1, **asdict(outcome)}, indent=1) + "\n"
    temporary = folder / f".tmp-{_RESULT}"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / _RESULT)


def has_result(folder: Path) -> bool:
    """True if an experiment left a result in the folder."""
    return (folder / _RESULT).exists()


def is_of(folder: Path, model: str, settings: Mapping[str, object]) -> bool:
    """True if the folder holds a result of this model under these settings; one that is damaged is none."""
    try:
        kept = load_experiment(folder)
    except SettingsError:
        return False
    written = json.loads(json.dumps(settings))  # tuples are lists in a file
    return kept.model == model and kept.settings == written


def load_experiment(folder: Path) -> ExperimentResult:
    """Read the result that an experiment left in a folder.

    Raises:
        SettingsError: If there is none.
    """
    try:
        record = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
        del record["v"]
        record["rows"] = tuple(_row(item) for item in record["rows"])
        record["curves"] = tuple(_curve(item) for item in record.get("curves", ()))
        return ExperimentResult(**record)
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise SettingsError(f"{folder} holds no outcome of an experiment ({err}).") from err


def _row(record: dict[str, Any]) -> ArmRow:
    for name in ("before", "after", "gain", "teacher", "beyond"):
        if record.get(name) is not None:
            record[name] = Figure(**record[name])
    return ArmRow(**record)


def _curve(record: dict[str, Any]) -> Curve:
    points = tuple(
        CurvePoint(step=point["step"], figure=Figure(**point["figure"]))
        for point in record["points"]
    )
    return Curve(**{**record, "points": points})
