"""The teacher: targets of a round, computed once by the weights that the round starts from.

This snapshot scores the action in every teacher context and control, so the teacher cannot move with
the student. The targets are cached on the disk, so a second epoch needs no teacher.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from learning.promotion.manifest import sync
from learning.training.causal_model import CausalModel
from learning.training.job import ExampleKind
from learning.training.objective import (
    EvidenceReading,
    TokenTarget,
    read_evidence,
    teacher_target,
    token_weights,
)
from learning.training.packing import packed_attention, packs, read
from learning.training.passes import SharedPrefix, chunks, logits
from learning.training.prepare import Prepared
from learning.training.replay import Anchored
from learning.training.rules import UNMASKED, LearningRule

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor

_TARGETS = "targets"
_CHUNK = 16
"""Positions whose logits exist at one time, in all contexts together."""
_ANCHOR_TOP_K = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleTarget:
    """Targets and weights of one example, tensors on the CPU."""

    target: TokenTarget
    weight_t: Tensor
    """Weight of each action token."""
    context: TokenTarget | None
    """The snapshot's distribution in the first teacher context; None if it is not anchored."""
    facts: Mapping[str, float]
    """Figures of the reading, see `describe`."""


def read_all(
    base: CausalModel,
    examples: Sequence[Prepared],
    folder: Path,
    *,
    rule: LearningRule,
    on_read: Callable[[int, int], None],
) -> list[ExampleTarget | None]:
    """Targets of all examples with notes, computed or loaded from the disk; None for the others."""
    (folder / _TARGETS).mkdir(exist_ok=True)
    base.eval()
    total = sum(bool(example.teacher_contexts) for example in examples)
    found: list[ExampleTarget | None] = []
    every = round(1 / rule.loss.context_share) if rule.loss.context_share > 0 else 0
    for number, example in enumerate(examples):
        if not example.teacher_contexts:
            found.append(None)
            continue
        path = folder / _TARGETS / f"{number}.pt"
        if not path.exists():
            failing = example.kind is ExampleKind.EVIDENCE
            anchored = bool(failing and every and rule.loss.context_anchor) and number % every == 0
            save(path, _flat(_read(base, example, rule, anchored=anchored)))
        found.append(_unflat(torch.load(path, weights_only=True)))
        on_read(sum(read is not None for read in found), total)
    return found


def anchor_all(
    model: PeftModel, base: CausalModel, anchors: Sequence[Anchored], folder: Path
) -> list[TokenTarget]:
    """The bare base model's distributions on conversations from outside the repository."""
    path = folder / _TARGETS / "anchors.pt"
    if anchors and not path.exists():
        path.parent.mkdir(exist_ok=True)
        base.eval()
        with model.disable_adapter():
            targets = [_snapshot(base, anchor.ids, anchor.positions) for anchor in anchors]
        save(path, {"targets": [(t.support_ts, t.log_q_tb) for t in targets]})
    saved = torch.load(path, weights_only=True)["targets"] if anchors else []
    return [TokenTarget(support_ts=support, log_q_tb=log_q) for support, log_q in saved]


def base_all(
    model: PeftModel,
    base: CausalModel,
    examples: Sequence[Prepared],
    folder: Path,
    *,
    numbers: Sequence[int],
    pack_tokens: int,
    on_read: Callable[[int, int], None] = lambda _done, _total: None,
) -> dict[int, TokenTarget]:
    """The bare base model's distributions on the trained tokens of the examples with these numbers.

    Each pack is stored as it was read, so that an interrupted round goes on. `on_read` is told the number
    of rows that are read, and of all.
    """
    (folder / _TARGETS).mkdir(exist_ok=True)
    found: dict[int, TokenTarget] = {}
    base.eval()
    with model.disable_adapter(), packed_attention(base):
        for pack in packs([len(examples[n].ids) for n in numbers], pack_tokens):
            members = [numbers[index] for index in pack]
            path = folder / _TARGETS / f"base-{members[0]}.pt"
            if not path.exists():
                targets = _of_pack(base, [examples[n] for n in members])
                save(path, {"targets": [(t.support_ts, t.log_q_tb) for t in targets]})
            saved = torch.load(path, weights_only=True)["targets"]
            for n, (support, log_q) in zip(members, saved, strict=True):
                found[n] = TokenTarget(support_ts=support, log_q_tb=log_q)
            on_read(len(found), len(numbers))
    return found


def describe(reads: Sequence[ExampleTarget | None]) -> dict[str, float]:
    """Figures of a round's targets, as means over examples.

    `style_share` is Var(n - a) / Var(c - a), the share of the shift that any note causes; above 0.2,
    `gamma_s` should be 0. `agreement` is the mean correlation between teacher contexts; near 1, further
    contexts add nothing. `evidence_nats` is the mean |c - n|; `tokens_used` the share of tokens with
    weight.
    """
    facts = [read.facts for read in reads if read is not None]
    if not facts:
        return {}
    return {
        name: round(math.fsum(fact[name] for fact in facts) / len(facts), 4) for name in facts[0]
    }


def save(path: Path, state: dict[str, Any]) -> None:
    """Write a file that appears complete or not at all, and flush it to the disk."""
    temporary = path.with_name(f".tmp-{path.name}")
    torch.save(state, temporary)
    sync(temporary)
    temporary.replace(path)
    sync(path.parent)


@torch.no_grad()
def _read(
    base: CausalModel, example: Prepared, rule: LearningRule, *, anchored: bool
) -> ExampleTarget:
    branches = (example.ids, *example.teacher_contexts, *example.controls)
    hidden_btd = _branches(base, example, branches)
    ids_t = torch.tensor([example.ids[position] for position in example.positions])
    contexts = len(example.teacher_contexts)
    readings, context = [], []
    for rows in chunks(len(ids_t), _CHUNK):
        anchor, *others = (logits(base, hidden_td[rows]).cpu() for hidden_td in hidden_btd)
        readings.append(
            read_evidence(
                *(anchor, torch.stack(others[:contexts]), _stack(others[contexts:], anchor)),
                ids_t[rows],
                rule=rule.target,
            )
        )
        if anchored:
            context.append(teacher_target(others[0], ids_t[rows], top_k=_ANCHOR_TOP_K))
    reading = _joined(readings)
    roles_t = torch.tensor(example.roles or (1.0,) * len(ids_t))
    failed = example.kind is ExampleKind.EVIDENCE
    masks = rule.weights if failed else UNMASKED  # every changed token of a verified fix is right
    weight_t = token_weights(
        reading, roles_t, rule=masks, failed=failed, only_in_notes=example.only_in_notes
    )
    return ExampleTarget(
        target=reading.target,
        weight_t=weight_t,
        context=_joined_targets(context) if context else None,
        facts=_facts(reading, weight_t),
    )


def _branches(
    base: CausalModel, example: Prepared, branches: Sequence[Sequence[int]]
) -> list[Tensor]:
    """Hidden states (t, d) of the trained positions in every context; all end with the action."""
    first = example.positions[0]
    shared = min(_shared(branches), first - 1)
    prefix = SharedPrefix(base, branches[0][:shared])
    found = []
    for ids in branches:
        offset = len(ids) - len(example.ids) - shared
        positions = [position + offset for position in example.positions]
        found.append(prefix.hidden(ids[shared:], positions))
    return found


def _shared(branches: Sequence[Sequence[int]]) -> int:
    length = 0
    for column in zip(*branches, strict=False):
        if len(set(column)) > 1:
            break
        length += 1
    return length


@torch.no_grad()
def _snapshot(base: CausalModel, ids: Sequence[int], positions: Sequence[int]) -> TokenTarget:
    hidden_td = SharedPrefix(base, ()).hidden(ids, positions)
    return _distributions(base, hidden_td, ids, positions)


@torch.no_grad()
def _of_pack(base: CausalModel, examples: Sequence[Prepared]) -> list[TokenTarget]:
    """The distributions of these weights on the trained tokens of each example."""
    hidden_td = read(base, [example.ids for example in examples])
    start, found = 0, []
    for example in examples:
        rows_td = hidden_td[[start + position - 1 for position in example.positions]]
        start += len(example.ids)
        found.append(_distributions(base, rows_td, example.ids, example.positions))
    return found


def _distributions(
    base: CausalModel, hidden_td: Tensor, ids: Sequence[int], positions: Sequence[int]
) -> TokenTarget:
    ids_t = torch.tensor([ids[position] for position in positions])
    return _joined_targets(
        [
            teacher_target(logits(base, hidden_td[rows]).cpu(), ids_t[rows], top_k=_ANCHOR_TOP_K)
            for rows in chunks(len(ids_t))
        ]
    )


def _stack(controls: Sequence[Tensor], anchor: Tensor) -> Tensor:
    return torch.stack(list(controls)) if controls else anchor.new_empty(0, *anchor.shape)


def _joined(parts: Sequence[EvidenceReading]) -> EvidenceReading:
    return EvidenceReading(
        target=_joined_targets([part.target for part in parts]),
        log_a_tb=torch.cat([part.log_a_tb for part in parts]),
        evidence_mt=torch.cat([part.evidence_mt for part in parts], dim=-1),
        style_t=torch.cat([part.style_t for part in parts]),
    )


def _joined_targets(parts: Sequence[TokenTarget]) -> TokenTarget:
    return TokenTarget(
        support_ts=torch.cat([part.support_ts for part in parts]),
        log_q_tb=torch.cat([part.log_q_tb for part in parts]),
    )


def _facts(reading: EvidenceReading, weight_t: Tensor) -> dict[str, float]:
    evidence_t = reading.evidence_mt.mean(0)
    told_t = evidence_t + reading.style_t
    spread = float(told_t.var(correction=0))
    return {
        "evidence_nats": float(evidence_t.abs().mean()),
        "style_share": float(reading.style_t.var(correction=0)) / spread if spread > 0 else 0.0,
        "agreement": _agreement(reading.evidence_mt),
        "tokens_used": float((weight_t > 0).float().mean()),
    }


def _agreement(evidence_mt: Tensor) -> float:
    contexts, tokens = evidence_mt.shape
    if contexts == 1 or tokens == 1:
        return 1.0
    centred_mt = evidence_mt - evidence_mt.mean(-1, keepdim=True)
    unit_mt = centred_mt / centred_mt.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return float((unit_mt.sum(0).square().sum() - contexts) / (contexts * (contexts - 1)))


def _flat(read: ExampleTarget) -> dict[str, Any]:
    context = read.context
    return {
        "support": read.target.support_ts,
        "log_q": read.target.log_q_tb,
        "weight": read.weight_t,
        "context": None if context is None else (context.support_ts, context.log_q_tb),
        "facts": dict(read.facts),
    }


def _unflat(saved: Mapping[str, Any]) -> ExampleTarget:
    context = saved["context"]
    return ExampleTarget(
        target=TokenTarget(support_ts=saved["support"], log_q_tb=saved["log_q"]),
        weight_t=saved["weight"],
        context=None
        if context is None
        else TokenTarget(support_ts=context[0], log_q_tb=context[1]),
        facts=saved["facts"],
    )
