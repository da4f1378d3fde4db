"""The training loop: one resumable round of LoRA steps over prepared examples.

Examples are read one at a time, without padding, the shortest of a batch first; their gradients are
summed in two halves, and a step is made when the halves agree. The loss is in `learning.training.loss`.
The loop does not judge the adapter; `learning.promotion` does.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from learning.training.job import TrainingJob
from learning.training.loss import Pass, anchor_pass, passes_of
from learning.training.passes import CausalModel, HalvedGradient, backward, measure
from learning.training.prepare import Prepared
from learning.training.replay import Anchored
from learning.training.teacher import ExampleTarget, anchor_all, describe, read_all, save

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor

CHECKPOINT = "checkpoint.pt"
_WARM_UP_STEPS = 2
_CLIP_NORM = 0.5
_LEAST_FOR_HELD_OUT = 10
"""Fewest examples of a round that sets some aside for early stopping."""
_MEASURE_EVERY = 2
_RISES = 2
"""Rises in a row of the held-out loss that end the round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """Figures of one optimiser step."""

    step: int
    loss: float
    grad_norm: float
    seconds: float
    tokens: int
    """Tokens read by the student in this step."""
    batches: int
    """Batches of the schedule used so far, this step's included."""
    examples: int
    cosine: float | None
    """Cosine between the two halves of the batch; None with one example."""
    noise_scale: float | None
    """Batch size at which the gradient's noise equals its signal; None if unknown."""
    held_out: float | None
    """Loss on the examples that are only measured; None if not measured at this step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport:
    """All steps of a round, including those before an interruption."""

    steps: tuple[StepReport, ...]
    stopped_by_budget: bool = False
    stopped_early: bool = False
    """True if the loss on the examples that are only measured had risen twice in a row."""
    reading: Mapping[str, float] = field(default_factory=dict)
    """Figures of the targets, see `learning.training.teacher.describe`."""


def train(
    model: PeftModel,
    examples: Sequence[Prepared],
    job: TrainingJob,
    folder: Path,
    *,
    anchors: Sequence[Anchored] = (),
    checkpoint_every: int = 1,
    on_target: Callable[[int, int], None] = lambda _done, _total: None,
    on_step: Callable[[StepReport], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> RoundReport:
    """Train the LoRA weights of a peft model in place, resuming from a checkpoint in `folder`.

    Deterministic: the same model, examples and job give the same weights, and so does a run that
    was killed and resumed at any point (on one CPU, with the same number of threads).
    With `checkpoint_every` n, every n-th layer computes its activations again in the backward pass; 0
    keeps all activations.
    """
    base = cast("CausalModel", model.get_base_model())
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(weights.values(), lr=job.learning_rate, weight_decay=0.0)

    # The teacher is the snapshot that the round starts from, so targets come before any step, once.
    reads = _targets(base, examples, job, folder, on_target)
    passes = [
        passes_of(example, read, job.rule.loss)
        for example, read in zip(examples, reads, strict=True)
    ]
    kept = _anchors(model, base, anchors if job.rule.loss.base_anchor else (), job, folder)
    done = _resume(folder, weights, optimizer)
    learned, spared = _split(passes, job)
    schedule = _schedule(passes, learned, job)
    _recompute(base, checkpoint_every)
    report = RoundReport(steps=tuple(done), reading=describe(reads))
    while (used := done[-1].batches if done else 0) < len(schedule):
        if _over_budget(done, job.budget_s):
            return dataclasses.replace(report, stopped_by_budget=True)
        if _has_risen(done):
            return dataclasses.replace(report, stopped_early=True)
        started = clock()
        _begin_step(optimizer, job, len(done) + 1)
        batch = _gradient(base, passes, schedule[used:], list(weights.values()), job)
        if kept:
            anchor = kept[len(done) % len(kept)]
            backward(base, anchor.ids, anchor.terms)
        norm = _clipped_norm(weights.values(), batch.loss, len(done) + 1)
        optimizer.step()
        step = StepReport(
            step=len(done) + 1,
            loss=batch.loss,
            grad_norm=norm,
            seconds=clock() - started,
            tokens=batch.tokens,
            batches=used + batch.batches,
            examples=batch.examples,
            cosine=batch.cosine,
            noise_scale=batch.noise_scale,
            held_out=_held_out_loss(base, [passes[i] for i in spared], len(done) + 1),
        )
        done.append(step)
        _save_checkpoint(folder, weights, optimizer, done)
        report = dataclasses.replace(report, steps=tuple(done))
        on_step(step)
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Batch:
    """Figures of one step's batch; its mean gradient is in the parameters' `grad`."""

    loss: float
    tokens: int
    batches: int
    examples: int
    cosine: float | None
    noise_scale: float | None


def _gradient(
    base: CausalModel,
    passes: Sequence[Sequence[Pass]],
    schedule: Sequence[Sequence[int]],
    weights: Sequence[torch.nn.Parameter],
    job: TrainingJob,
) -> _Batch:
    """Add batches of the schedule until the halves of their gradient agree or the schedule ends."""
    halves = HalvedGradient(weights)
    losses: list[float] = []
    tokens = batches = 0
    while batches < len(schedule) and not (batches and _agree(halves, job)):
        for index in schedule[batches]:
            losses.append(sum(backward(base, each.ids, each.terms) for each in passes[index]))
            tokens += _tokens(passes[index])
            halves.take()
        batches += 1
    cosine, noise_scale = halves.cosine(), halves.noise_scale()
    halves.put()
    return _Batch(
        loss=math.fsum(losses) / len(losses),
        tokens=tokens,
        batches=batches,
        examples=halves.examples,
        cosine=cosine,
        noise_scale=noise_scale,
    )


def schedule_steps(
    examples: int, *, steps: int, batch: int, seed: int
) -> tuple[tuple[int, ...], ...]:
    """Indices of each step's examples: all in random order, then all again in another order."""
    order: list[int] = []
    epoch = 0
    while examples and len(order) < steps * batch:
        indices = list(range(examples))
        random.Random(f"{seed}:{epoch}").shuffle(indices)  # noqa: S311 - reproducible order
        order += indices
        epoch += 1
    batches = (tuple(order[i * batch : (i + 1) * batch]) for i in range(steps))
    return tuple(batch for batch in batches if batch)


def _targets(
    base: CausalModel,
    examples: Sequence[Prepared],
    job: TrainingJob,
    folder: Path,
    on_target: Callable[[int, int], None],
) -> list[ExampleTarget | None]:
    if not job.rule.loss.evidence:
        return [None] * len(examples)
    return read_all(base, examples, folder, rule=job.rule, on_read=on_target)


def _schedule(
    passes: Sequence[Sequence[Pass]], learned: Sequence[int], job: TrainingJob
) -> list[list[int]]:
    """The examples of every batch, those with the fewest tokens first."""
    batches = schedule_steps(len(learned), steps=job.steps, batch=job.batch, seed=job.seed)
    return [
        sorted((learned[i] for i in batch), key=lambda i: (_tokens(passes[i]), i))
        for batch in batches
    ]


def _begin_step(optimizer: torch.optim.Optimizer, job: TrainingJob, step: int) -> None:
    """Clear the gradients and set the learning rate, which rises linearly at first."""
    for group in optimizer.param_groups:
        group["lr"] = job.learning_rate * min(1.0, step / _WARM_UP_STEPS)
    optimizer.zero_grad(set_to_none=True)


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


def _split(passes: Sequence[Sequence[Pass]], job: TrainingJob) -> tuple[list[int], list[int]]:
    """Indices of the examples to train on, and of those that are only measured."""
    usable = [index for index, each in enumerate(passes) if each]
    count = int(job.rule.held_out * len(usable)) if len(usable) >= _LEAST_FOR_HELD_OUT else 0
    spared = set(random.Random(f"{job.seed}:held out").sample(usable, count))  # noqa: S311
    return [index for index in usable if index not in spared], sorted(spared)


def _agree(halves: HalvedGradient, job: TrainingJob) -> bool:
    if job.rule.min_cosine <= -1 or halves.examples >= job.rule.max_batch:
        return True
    cosine = halves.cosine()
    return cosine is None or cosine >= job.rule.min_cosine


def _tokens(passes: Sequence[Pass]) -> int:
    return sum(len(each.ids) for each in passes)


def _held_out_loss(base: CausalModel, spared: Sequence[Sequence[Pass]], step: int) -> float | None:
    if not spared or step % _MEASURE_EVERY:
        return None
    losses = [measure(base, each.ids, each.terms) for passes in spared for each in passes]
    return math.fsum(losses) / len(spared)


def _has_risen(done: Sequence[StepReport]) -> bool:
    measured = [step.held_out for step in done if step.held_out is not None]
    last = measured[-_RISES - 1 :]
    return len(last) > _RISES and all(a < b for a, b in itertools.pairwise(last))


def _over_budget(done: Sequence[StepReport], budget_s: float | None) -> bool:
    """True if one more step, as long as the longest so far, would end after the budget."""
    if budget_s is None or not done:
        return False
    spent = math.fsum(report.seconds for report in done)
    return spent + max(report.seconds for report in done) > budget_s


def _save_checkpoint(
    folder: Path,
    weights: Mapping[str, Tensor],
    optimizer: torch.optim.Optimizer,
    done: Sequence[StepReport],
) -> None:
    state: dict[str, Any] = {
        "weights": {name: weight.detach() for name, weight in weights.items()},
        "optimizer": optimizer.state_dict(),
        "steps": [dataclasses.asdict(step) for step in done],
    }
    save(folder / CHECKPOINT, state)


def _resume(
    folder: Path, weights: Mapping[str, Tensor], optimizer: torch.optim.Optimizer
) -> list[StepReport]:
    if not (folder / CHECKPOINT).exists():
        return []
    state = torch.load(folder / CHECKPOINT, weights_only=True)
    with torch.no_grad():
        for name, weight in weights.items():
            weight.copy_(state["weights"][name])
    optimizer.load_state_dict(state["optimizer"])
    return [StepReport(**step) for step in state["steps"]]
