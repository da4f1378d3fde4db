"""The training loop: one round of LoRA steps over prepared examples, flat and resumable.

Two losses: forward KL to the frozen teacher on the action's tokens (evidence), and guarded
likelihood of the changed lines of a verified fix (hindsight). No padding, no mixed batches: one
example at a time, gradients added up. Logits exist only at trained positions, a few at a time,
because a vocabulary of 150,000 makes them the largest tensor by far. It does not decide whether
the result is any good; that is `learning.promotion`.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

import torch
from torch import Tensor

from learning.promotion.manifest import sync
from learning.training.job import ExampleKind, Job
from learning.training.objective import Target, forward_kl, guarded_nll, teacher_target
from learning.training.prepare import Prepared

if TYPE_CHECKING:
    from peft import PeftModel

CHECKPOINT = "checkpoint.pt"
_TARGETS = "targets"
_HEAD_CHUNK = 64
"""Positions whose logits exist at one time: 39 MB for a vocabulary of 151,936 in float32."""
_TOP_K = 64
_WARM_UP_STEPS = 2
_CLIP_NORM = 0.5
_GUARD_FLOOR = 0.25


class CausalModel(Protocol):
    """What the loop uses of a transformers model, whose own methods are mostly untyped."""

    device: torch.device

    def get_decoder(self) -> torch.nn.Module: ...

    def get_output_embeddings(self) -> torch.nn.Module: ...

    def activation_checkpointing_enable(
        self, *, activation_checkpointing_kwargs: Mapping[str, object], every_n_layers: int
    ) -> None: ...

    def train(self) -> object: ...

    def eval(self) -> object: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """One optimiser step that has ended."""

    step: int
    loss: float
    grad_norm: float
    seconds: float
    tokens: int
    """Tokens read by the student in this step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport:
    """All steps of a round, those before an interruption included."""

    steps: tuple[StepReport, ...]
    stopped_by_budget: bool


def train(
    model: PeftModel,
    examples: Sequence[Prepared],
    job: Job,
    folder: Path,
    *,
    checkpoint_every: int = 1,
    on_target: Callable[[int, int], None] = lambda _done, _total: None,
    on_step: Callable[[StepReport], None] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> RoundReport:
    """Train the LoRA weights of a peft model in place, from the last checkpoint in `folder` on.

    Deterministic: the same model, examples and job give the same weights, and so does a run that
    was killed and resumed at any point (on one CPU, with the same number of threads).
    `checkpoint_every` is the number of layers for each one whose activations are computed again.
    """
    base = cast("CausalModel", model.get_base_model())
    weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(weights.values(), lr=job.learning_rate, weight_decay=0.0)

    # The teacher is the snapshot that the round starts from, so targets come before any step, once.
    targets = _teacher_targets(base, examples, folder, on_target)
    done = _resume(folder, weights, optimizer)
    schedule = schedule_steps(len(examples), steps=job.steps, batch=job.batch, seed=job.seed)

    base.train()  # only because checkpointing of activations wants it; nothing here has dropout
    base.activation_checkpointing_enable(
        activation_checkpointing_kwargs={"use_reentrant": False}, every_n_layers=checkpoint_every
    )
    for step, batch in enumerate(schedule[len(done) :], start=len(done) + 1):
        if _over_budget(done, job.budget_s):
            return RoundReport(steps=tuple(done), stopped_by_budget=True)
        started = clock()
        for group in optimizer.param_groups:
            group["lr"] = job.learning_rate * min(1.0, step / _WARM_UP_STEPS)
        optimizer.zero_grad(set_to_none=True)
        losses = [
            _accumulate_gradient(base, examples[i], targets[i], scale=1.0 / len(batch))
            for i in batch
        ]
        norm = float(torch.nn.utils.clip_grad_norm_(weights.values(), _CLIP_NORM))
        loss = math.fsum(losses) / len(losses)
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise FloatingPointError(f"loss {loss} and gradient norm {norm} at step {step}")
        optimizer.step()
        report = StepReport(
            step=step,
            loss=loss,
            grad_norm=norm,
            seconds=clock() - started,
            tokens=sum(len(examples[i].ids) for i in batch),
        )
        done.append(report)
        _save_checkpoint(folder, weights, optimizer, done)
        on_step(report)
    return RoundReport(steps=tuple(done), stopped_by_budget=False)


def schedule_steps(
    examples: int, *, steps: int, batch: int, seed: int
) -> tuple[tuple[int, ...], ...]:
    """Which examples each step uses: every one once in random order, then again in another."""
    order: list[int] = []
    epoch = 0
    while len(order) < steps * batch:
        indices = list(range(examples))
        random.Random(f"{seed}:{epoch}").shuffle(indices)  # noqa: S311 - reproducible order
        order += indices
        epoch += 1
    return tuple(tuple(order[i * batch : (i + 1) * batch]) for i in range(steps))


def _teacher_targets(
    base: CausalModel,
    examples: Sequence[Prepared],
    folder: Path,
    on_target: Callable[[int, int], None],
) -> list[Target | None]:
    (folder / _TARGETS).mkdir(exist_ok=True)
    base.eval()
    total = sum(example.kind is ExampleKind.EVIDENCE for example in examples)
    targets: list[Target | None] = []
    for number, example in enumerate(examples):
        if example.kind is not ExampleKind.EVIDENCE:
            targets.append(None)
            continue
        path = folder / _TARGETS / f"{number}.pt"
        if not path.exists():
            target = _teacher_target(base, example)
            _save(path, {"support": target.support_ts, "log_q": target.log_q_tb})
        saved = torch.load(path, weights_only=True)
        targets.append(Target(support_ts=saved["support"], log_q_tb=saved["log_q"]))
        on_target(sum(target is not None for target in targets), total)
    return targets


@torch.no_grad()
def _teacher_target(base: CausalModel, example: Prepared) -> Target:
    offset = len(example.teacher_ids) - len(example.ids)
    positions = [position + offset for position in example.positions]
    hidden_td = _hidden(base, example.teacher_ids, positions)
    ids_t = torch.tensor([example.ids[position] for position in example.positions])
    chunks = [
        teacher_target(_logits(base, hidden_td[rows]).cpu(), ids_t[rows], top_k=_TOP_K)
        for rows in _chunks(len(positions))
    ]
    return Target(
        support_ts=torch.cat([chunk.support_ts for chunk in chunks]),
        log_q_tb=torch.cat([chunk.log_q_tb for chunk in chunks]),
    )


def _accumulate_gradient(
    base: CausalModel, example: Prepared, target: Target | None, *, scale: float
) -> float:
    """Add this example's gradient; returns its loss per trained token, unweighted.

    The head runs in chunks on detached hidden states, so that only one chunk of logits is ever
    kept; their summed gradient then goes back through the layers once.
    """
    hidden_td = _hidden(base, example.ids, example.positions)
    detached_td = hidden_td.detach().requires_grad_()
    ids_t = torch.tensor([example.ids[position] for position in example.positions])
    total = 0.0
    for rows in _chunks(len(example.positions)):
        logits_tv = _logits(base, detached_td[rows])
        if target is None:
            loss_t = guarded_nll(logits_tv, ids_t[rows].to(logits_tv.device), floor=_GUARD_FLOOR)
        else:
            part = Target(
                support_ts=target.support_ts[rows].to(logits_tv.device),
                log_q_tb=target.log_q_tb[rows].to(logits_tv.device),
            )
            loss_t = forward_kl(part, logits_tv)
        loss = loss_t.sum() / len(example.positions)
        torch.autograd.backward(loss * example.weight * scale)
        total += float(loss.detach())
    torch.autograd.backward(hidden_td, detached_td.grad)
    return total


def _hidden(base: CausalModel, ids: Sequence[int], positions: Sequence[int]) -> Tensor:
    """Last hidden states that predict the tokens at these positions: those one to the left."""
    ids_1t = torch.tensor([list(ids)], device=base.device)
    hidden_1td = base.get_decoder()(input_ids=ids_1t, use_cache=False).last_hidden_state
    hidden: Tensor = hidden_1td[0, [position - 1 for position in positions]]
    return hidden


def _logits(base: CausalModel, hidden_td: Tensor) -> Tensor:
    logits: Tensor = base.get_output_embeddings()(hidden_td)
    return logits


def _chunks(length: int) -> Iterator[slice]:
    return (slice(start, start + _HEAD_CHUNK) for start in range(0, length, _HEAD_CHUNK))


def _over_budget(done: Sequence[StepReport], budget_s: float | None) -> bool:
    """Whether one more step like the longest so far would end after the budget."""
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
    state = {
        "weights": {name: weight.detach() for name, weight in weights.items()},
        "optimizer": optimizer.state_dict(),
        "steps": [(r.step, r.loss, r.grad_norm, r.seconds, r.tokens) for r in done],
    }
    _save(folder / CHECKPOINT, state)


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
    names = ("step", "loss", "grad_norm", "seconds", "tokens")
    return [StepReport(**dict(zip(names, row, strict=True))) for row in state["steps"]]


def _save(path: Path, state: dict[str, Any]) -> None:
    temporary = path.with_name(f".tmp-{path.name}")
    torch.save(state, temporary)
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)
