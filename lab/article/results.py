"""Result of an experiment: our figures with intervals, beside those of the article."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from lab.article.published import PUBLISHED, Experiment, Published
from lab.article.settings import SettingsError
from learning.evaluation.statistics import bootstrap_mean

_RESULT = "result.json"
_PERCENT = 100.0
OTHERS = "others"
"""Ends the name of a measure on tasks that nothing was learned from."""
SHARE = "share"
"""Begins the name of a measure that the article does not have: see `Shift.share`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A mean in per cent, with a 95 % interval over tasks."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float], *, seed: int = 0) -> Self:
        """The mean of shares of one, with its bootstrap interval.

        Raises:
            ValueError: If there are no values.
        """
        found = bootstrap_mean(values, seed=seed)
        return cls(
            value=_PERCENT * found.mean,
            low=_PERCENT * found.interval.low,
            high=_PERCENT * found.interval.high,
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
    note: str = ""

    @property
    def is_control(self) -> bool:
        """True if the arm was measured on tasks that nothing was learned from."""
        return self.measure.endswith(OTHERS)

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
    note: str = "",
) -> ArmRow:
    """The row of an arm from the scores of the tasks that were measured before and after."""
    shared = sorted(before.keys() & after.keys())
    if not shared:
        return ArmRow(arm=arm, measure=measure, of_tasks=of_tasks, note=note or "not run yet")
    return ArmRow(
        arm=arm,
        measure=measure,
        tasks=len(shared),
        of_tasks=of_tasks,
        before=Figure.of([before[task] for task in shared]),
        after=Figure.of([after[task] for task in shared]),
        gain=Figure.of([after[task] - before[task] for task in shared]),
        note=note,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentResult:
    """One experiment, complete or not."""

    experiment: Experiment
    model: str
    settings: Mapping[str, object]
    rows: tuple[ArmRow, ...]
    cost: Mapping[str, float] = field(default_factory=dict)
    """Tokens made and read, seconds of generation, of learning and in the sandbox."""

    def published(self, row: ArmRow) -> Published:
        """The article's figures for this row."""
        if row.is_control or row.measure.startswith(SHARE):
            return Published()
        return PUBLISHED.get((self.experiment, row.arm), Published())


def save_experiment(folder: Path, outcome: ExperimentResult) -> None:
    """Write the result where `load_experiment` finds it."""
    text = json.dumps({"v": 1, **asdict(outcome)}, indent=1) + "\n"
    temporary = folder / f".tmp-{_RESULT}"
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(folder / _RESULT)


def load_experiment(folder: Path) -> ExperimentResult:
    """Read the result that an experiment left in a folder.

    Raises:
        SettingsError: If there is none.
    """
    try:
        record = json.loads((folder / _RESULT).read_text(encoding="utf-8"))
        del record["v"]
        record["rows"] = tuple(_row(item) for item in record["rows"])
        return ExperimentResult(**record)
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise SettingsError(f"{folder} holds no outcome of an experiment ({err}).") from err


def _row(record: dict[str, Any]) -> ArmRow:
    for name in ("before", "after", "gain"):
        if record[name] is not None:
            record[name] = Figure(**record[name])
    return ArmRow(**record)
