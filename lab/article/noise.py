"""Experiment 4: learn from noisy explanations with small effective batches, the problem that the article leaves open.

The explanations of experiment 3 are learned with several batch sizes and as many tokens in all, plainly and by a
rule made for noise: several frames of one explanation, a control, and batches that grow while their halves
disagree. A note without content is the control of each batch size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lab.article.experiment import NO_EXPLAINER, ExperimentRun
from lab.article.gsm8k import FRAMES, MEASURE, WordProblems, examples_of, prepare
from lab.article.results import (
    NOT_YET,
    ArmRow,
    Curve,
    CurvePoint,
    ExperimentResult,
    Figure,
    paired_row,
)
from lab.article.settings import NoiseKind, NoiseSettings
from lab.benchmarks.gsm8k import word_tasks
from learning.training.job import TrainingError


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseFindings:
    """Scores of the test problems so far, by task, and why an arm has none."""

    settings: NoiseSettings
    bare: Mapping[str, float] = field(default_factory=dict)
    after: dict[str, dict[str, float]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)


async def run_noise(
    run: ExperimentRun, settings: NoiseSettings, train: WordProblems, test: WordProblems
) -> ExperimentResult:
    """Make everything that is missing; the result so far is saved after each arm."""
    run.begin(rows_of(NoiseFindings(settings=settings)))
    tasks = word_tasks(test.problems)
    rollouts, bare, explained = await prepare(run, settings, train, test)
    found = NoiseFindings(settings=settings, bare=bare)
    for arm, kind, batch in arms_of(settings):
        examples = examples_of(
            *(train.problems, rollouts, "neutral" if kind == "neutral" else "explained", explained),
            frames=FRAMES if kind == "ours" else FRAMES[:1],
        )
        if not examples:
            found.reasons[arm] = NO_EXPLAINER
            continue
        try:
            made = await run.learn(
                arm, examples, settings.learning(kind, batch), seed=settings.seed
            )
        except TrainingError as err:  # halves that never agree make no step
            found.reasons[arm] = str(err)
            continue
        found.after[arm] = await run.measure(arm, made, tasks, test.source, settings, arm=arm)
        run.save(rows_of(found), curves=curves_of(found))
    return run.save(rows_of(found), curves=curves_of(found))


def arms_of(settings: NoiseSettings) -> Iterator[tuple[str, NoiseKind, int]]:
    """Name, kind and batch of each arm: the controls of a batch size before what is compared with them."""
    for batch in settings.batches:
        for kind in sorted(settings.kinds, key=lambda kind: kind != "neutral"):
            yield f"{kind}-{batch}", kind, batch


def rows_of(found: NoiseFindings) -> tuple[ArmRow, ...]:
    """A row for each arm; the control of a row is the neutral note with the same batch."""
    rows = []
    for arm, kind, batch in arms_of(found.settings):
        control = None if kind == "neutral" else found.after.get(f"neutral-{batch}")
        row = paired_row(
            *(arm, MEASURE, found.bare, found.after.get(arm, {})),
            of_tasks=found.settings.test,
            control=control,
        )
        note = found.reasons.get(arm, "" if arm in found.after else NOT_YET)
        rows.append(replace(row, note=note))
    return tuple(rows)


def curves_of(found: NoiseFindings) -> tuple[Curve, ...]:
    """Accuracy against the effective batch, a curve for each kind."""
    curves = []
    for kind in found.settings.kinds:
        measured = {
            batch: list(found.after[arm].values())
            for arm, other, batch in arms_of(found.settings)
            if other == kind and found.after.get(arm)
        }
        points = tuple(
            CurvePoint(step=batch, figure=Figure.of(values)) for batch, values in measured.items()
        )
        if points:
            curves.append(Curve(arm=kind, measure=MEASURE, points=points))
    return tuple(curves)
