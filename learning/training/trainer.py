"""The training loop: one resumable round of LoRA steps over prepared examples.

The examples of a batch are read in packs (see `learning.training.packing`); their gradients are summed
in two halves, and a step is made when the halves agree. The loss is in `learning.training.loss`.
The loop does not judge the adapter; `learning.promotion` does.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from learning.training.causal_model import CausalModel
from learning.training.checkpoint import RoundReport, StepReport, resume, save_checkpoint
from learning.training.fused import fused
from learning.training.halves import reader_of
from learning.training.job import API_KINDS, TrainingJob
from learning.training.loss import anchor_pass, passes_of, reads_base, rows_of
from learning.training.packing import packed_attention, packs
from learning.training.passes import Agreement, HalvedGradient, Pass, backward, measure
from learning.training.prepare import Prepared
from learning.training.replay import Anchored
from learning.training.schedule import (
    is_measured,
    learning_rate,
    schedule_steps,
    should_stop,
    split,
)
from learning.training.teacher import (
    ExampleTarget,
    anchor_all,
    base_all,
    describe,
    read_all,
)

if TYPE_CHECKING:
    from peft import PeftModel

EVIDENCE = "reading the evidence"
UNCHANGED = "reading what should stay as it is"

OnTarget = Callable[[str, int, int], None]
"""Called with the stage of reading targets, the number of rows that are read, and of all."""

_CLIP_NORM = 0.5
_TIMES_A_WRITE = 20
"""Training between two writes of the state, in multiples of the time that a write takes."""


def train(
    model: PeftModel,
    examples: Sequence[Prepared],
    job: TrainingJob,
    folder: Path,
    *,
    anchors: Sequence[Anchored] = (),
    checkpoint_every: int = 1,
    on_target: OnTarget = lambda _stage, _done, _total: None,
    on_begin: Callable[[], None] = lambda: None,
    on_step: Callable[[StepReport], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> RoundReport:
    """Train the LoRA weights of a peft model in place, resuming from a checkpoint in `folder`.

    Deterministic: the same model, examples and job give the same weights, and so does a run that
    was killed and resumed at any point (on one CPU, with the same number of threads).
    With `checkpoint_every` n, every n-th layer computes its activations again in the backward pass; 0
    keeps all activations. The state is written after the first step, then as often as costs a twentieth
    of the time, at least after every `job.save_every_s` of training, and at the end. `on_begin` is called before the first step.
    """
    base = cast("CausalModel", model.get_base_model())
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(
        weights.values(), lr=job.learning_rate, weight_decay=0.0, fused=True
    )

    # The teacher is the snapshot that the round starts from, so targets come before any step, once.
    reader = reader_of(base, weights, folder / "lower")
    passes = _passes(model, reader, examples, job, folder, on_target)
    kept = _anchors(model, base, anchors if job.rule.loss.base_anchor else (), job, folder)
    learned, spared = _split(examples, passes, job)
    this = _Round(
        base=reader,
        job=job,
        passes=passes.rows,
        spared=[row for index in spared for row in passes.rows[index]],
        spared_examples=len(spared),
        anchors=kept,
        schedule=schedule_steps(len(learned), steps=job.steps, batch=job.batch, seed=job.seed),
        learned=learned,
        weights=weights,
        optimizer=optimizer,
    )
    done = resume(folder, weights, optimizer)
    _recompute(base, checkpoint_every)
    on_begin()
    with fused(model), packed_attention(base):
        ended = _steps(this, folder, done, on_step=on_step, clock=clock)
    return dataclasses.replace(ended, reading=passes.reading)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Round:
    """All that the steps of a round read and change."""

    base: CausalModel
    job: TrainingJob
    passes: Sequence[Sequence[Pass]]
    """The passes of every example."""
    spared: Sequence[Pass]
    """The passes of the examples that are only measured."""
    spared_examples: int
    anchors: Sequence[Pass]
    schedule: Sequence[Sequence[int]]
    """Indices into `learned` of each batch."""
    learned: Sequence[int]
    weights: Mapping[str, torch.nn.Parameter]
    optimizer: torch.optim.Optimizer


def _steps(
    this: _Round,
    folder: Path,
    done: list[StepReport],
    *,
    on_step: Callable[[StepReport], None],
    clock: Callable[[], float],
) -> RoundReport:
    """Make the steps that are left; `done` grows with them."""
    since_s = write_s = 0.0
    ended = RoundReport(steps=tuple(done))
    while (used := done[-1].batches if done else 0) < len(this.schedule):
        if _over_budget(done, this.job.budget_s):
            ended = dataclasses.replace(ended, stopped_by_budget=True)
            break
        if should_stop(this.job, [step.held_out for step in done]):
            ended = dataclasses.replace(ended, stopped_early=True)
            break
        step = _step(this, used, len(done) + 1, clock)
        done.append(step)
        ended = dataclasses.replace(ended, steps=tuple(done))
        since_s += step.seconds
        due_s = min(this.job.save_every_s, _TIMES_A_WRITE * write_s)
        if since_s >= due_s or step.batches == len(this.schedule):
            started = clock()
            save_checkpoint(folder, this.weights, this.optimizer, done)
            since_s, write_s = 0.0, clock() - started
        on_step(step)
    if since_s:
        save_checkpoint(folder, this.weights, this.optimizer, done)
    return ended


def _step(this: _Round, used: int, number: int, clock: Callable[[], float]) -> StepReport:
    """Make one step from the batches after the first `used`.

    Raises:
        FloatingPointError: If the loss or the gradient is not finite.
    """
    started = clock()
    for group in this.optimizer.param_groups:
        group["lr"] = learning_rate(this.job, number - 1)
    this.optimizer.zero_grad(set_to_none=True)
    batch = _gradient(this, used)
    if this.anchors:
        backward(this.base, [this.anchors[(number - 1) % len(this.anchors)]])
    norm = _clipped_norm(this.weights.values(), batch.loss, number)
    this.optimizer.step()
    return StepReport(
        step=number,
        loss=batch.loss,
        grad_norm=norm,
        seconds=clock() - started,
        tokens=batch.tokens,
        batches=used + batch.batches,
        examples=batch.examples,
        cosine=batch.agreement.cosine,
        noise_scale=batch.agreement.noise_scale,
        held_out=_held_out_loss(this, number),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Figures of one step's batch; its mean gradient is in the parameters' `grad`."""

    loss: float
    tokens: int
    batches: int
    examples: int
    agreement: Agreement


def _gradient(this: _Round, used: int) -> _Batch:
    """Add batches of the schedule until the halves of their gradient agree or the schedule ends."""
    job, schedule = this.job, this.schedule[used:]
    halves = HalvedGradient(list(this.weights.values()))
    loss = 0.0
    tokens = batches = 0
    while batches < len(schedule) and not (batches and _agree(halves, job)):
        members = [this.learned[index] for index in schedule[batches]]
        for half, indices in enumerate(_dealt(members, this.passes, halves)):
            rows = [row for index in indices for row in this.passes[index]]
            for pack in packs([len(row.ids) for row in rows], job.pack_tokens):
                loss += backward(this.base, [rows[i] for i in pack])
            tokens += sum(len(row.ids) for row in rows)
            if indices:
                halves.take(half, examples=len(indices))
        batches += 1
    halves.put()
    return _Batch(
        loss=loss / halves.examples,
        tokens=tokens,
        batches=batches,
        examples=halves.examples,
        agreement=halves.agreement(),
    )


def _dealt(
    members: Sequence[int], passes: Sequence[Sequence[Pass]], halves: HalvedGradient
) -> tuple[list[int], list[int]]:
    """The examples of a batch dealt out to the halves of the gradient, the shortest first."""
    dealt: tuple[list[int], list[int]] = ([], [])
    for index in sorted(members, key=lambda index: (_tokens(passes[index]), index)):
        dealt[halves.next_half([len(half) for half in dealt])].append(index)
    return dealt


@dataclass(frozen=True, slots=True, kw_only=True)
class _Passes:
    rows: list[tuple[Pass, ...]]
    """The passes of every example."""
    reading: Mapping[str, float]
    """Figures of the targets."""


def _passes(  # noqa: PLR0917 - one private step of `train`, with what it was given
    model: PeftModel,
    reader: CausalModel,
    examples: Sequence[Prepared],
    job: TrainingJob,
    folder: Path,
    on_target: OnTarget,
) -> _Passes:
    """The passes of every example, after the targets that they need were read."""
    base = cast("CausalModel", model.get_base_model())  # shares prefixes, which a half cannot
    reads = _targets(base, examples, job, folder, on_target)
    kept = base_all(
        *(model, reader, examples, folder),
        numbers=[n for n, each in enumerate(examples) if reads_base(each, job.rule.span)],
        pack_tokens=job.pack_tokens,
        on_read=partial(on_target, UNCHANGED),
    )
    rows = [
        rows_of(example, kept.get(number), job.rule.span)
        if example.kind in API_KINDS
        else passes_of(example, read, job.rule.loss)
        for number, (example, read) in enumerate(zip(examples, reads, strict=True))
    ]
    return _Passes(rows=rows, reading=describe(reads))


def _split(
    examples: Sequence[Prepared], passes: _Passes, job: TrainingJob
) -> tuple[list[int], list[int]]:
    """Indices of the examples to train on, and of those that are only measured.

    If there are rows about changed APIs, only such rows are held out: their likelihood is the question.
    """
    usable = [index for index, rows in enumerate(passes.rows) if rows]
    about = [index for index in usable if examples[index].api is not None]
    _, spared = split(about or usable, job)
    return [index for index in usable if index not in set(spared)], spared


def _targets(
    base: CausalModel,
    examples: Sequence[Prepared],
    job: TrainingJob,
    folder: Path,
    on_target: OnTarget,
) -> list[ExampleTarget | None]:
    if not job.rule.loss.evidence:
        return [None] * len(examples)
    return read_all(base, examples, folder, rule=job.rule, on_read=partial(on_target, EVIDENCE))


def _clipped_norm(weights: Iterable[torch.nn.Parameter], loss: float, step: int) -> float:
    """Clip the gradient; return its norm before.

    Raises:
        FloatingPointError: If the loss or the gradient is not finite.
    """
    norm = float(torch.nn.utils.clip_grad_norm_(weights, _CLIP_NORM))
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise FloatingPointError(f"loss {loss} and gradient norm {norm} at step {step}")
    return norm


def _recompute(base: CausalModel, every: int) -> None:
    """Let every n-th layer compute its activations again in the backward pass; 0: no layer."""
    if every:
        base.train()  # activation checkpointing requires it; no layer has dropout
        base.activation_checkpointing_enable(
            activation_checkpointing_kwargs={"use_reentrant": False}, every_n_layers=every
        )


def _anchors(
    model: PeftModel, base: CausalModel, anchors: Sequence[Anchored], job: TrainingJob, folder: Path
) -> list[Pass]:
    targets = anchor_all(model, base, anchors, folder)
    return [
        anchor_pass(anchored, target, job.rule.loss)
        for anchored, target in zip(anchors, targets, strict=True)
    ]


def _agree(halves: HalvedGradient, job: TrainingJob) -> bool:
    if job.rule.min_cosine <= -1 or halves.examples >= job.rule.max_batch:
        return True
    cosine = halves.agreement().cosine
    return cosine is None or cosine >= job.rule.min_cosine


def _tokens(passes: Sequence[Pass]) -> int:
    return sum(len(each.ids) for each in passes)


def _held_out_loss(this: _Round, step: int) -> float | None:
    """The mean loss of the examples that are only measured; None if not measured at this step."""
    if not this.spared or not is_measured(this.job, step):
        return None
    lengths = [len(row.ids) for row in this.spared]
    losses = [
        measure(this.base, [this.spared[i] for i in pack])
        for pack in packs(lengths, this.job.pack_tokens)
    ]
    return math.fsum(losses) / this.spared_examples


def _over_budget(done: Sequence[StepReport], budget_s: float | None) -> bool:
    """True if one more step, as long as the longest so far, would end after the budget."""
    if budget_s is None or not done:
        return False
    spent = math.fsum(report.seconds for report in done)
    return spent + max(report.seconds for report in done) > budget_s
