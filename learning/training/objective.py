"""The target and the losses of learning from feedback, as pure functions of tensors.

Axes: t action tokens, v vocabulary, m views of the evidence, k controls, s kept vocabulary entries.
All branches are scored with the same frozen weights. Reductions are float32 or wider, whatever the
weights are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

_LOWEST = -60.0
"""Stands in for log 0 where the target has mass, so that a loss stays finite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRule:
    """How far the target moves from the anchor, and why.

    `q ∝ a · (n/a)^gamma_s · (c/n)^gamma_c`, each log-ratio clipped at `clip`: `gamma_c` weighs what
    this evidence says beyond what any note of its shape says, `gamma_s` the latter (its style).
    The defaults are the teacher of SDPO (arXiv 2601.20802); (g, g) is its trust-region form.
    """

    gamma_c: float = 1.0
    gamma_s: float = 1.0
    clip: float = math.inf
    """With a finite clip, KL(q || anchor) <= 2 · (gamma_c + gamma_s) · clip for any teacher."""
    top_k: int = 20
    plausibility: float = 0.0
    """A token may be raised only if the anchor or the teacher gives it this share of its maximum."""
    move_tail: bool = True
    """Whether the entries that are not kept move too, as one bucket; else they stay put."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A distribution for every action token, on a few vocabulary entries and one tail bucket."""

    support_ts: Tensor
    """Vocabulary ids, sorted; a repeated id carries its mass once."""
    log_q_tb: Tensor
    """Log-probability of every kept entry, then of the tail; b is s + 1."""


def evidence_target(
    anchor_tv: Tensor,
    evidence_mtv: Tensor,
    control_ktv: Tensor,
    token_ids_t: Tensor,
    *,
    rule: TargetRule,
) -> Target:
    """The contrastive evidence target from the logits of the three branches."""
    anchor = _log_softmax(anchor_tv)
    evidence = _expert(evidence_mtv)
    control = _expert(control_ktv)
    support = _support(rule.top_k, token_ids_t, anchor, evidence)
    a, c, n = (_bucketed(branch, support) for branch in (anchor, evidence, control))
    shift = _clipped(c - n, rule.clip) * rule.gamma_c + _clipped(n - a, rule.clip) * rule.gamma_s
    shift = torch.where(torch.isnan(shift), 0.0, shift)  # repeated ids: -inf minus -inf
    if rule.plausibility > 0:
        shift = _only_plausible(shift, anchor, evidence, support, rule.plausibility)
    if not rule.move_tail:
        shift = torch.cat([shift[:, :-1], torch.zeros_like(shift[:, -1:])], dim=-1)
    return Target(support_ts=support, log_q_tb=(a + shift).log_softmax(-1))


def teacher_target(teacher_tv: Tensor, token_ids_t: Tensor, *, top_k: int) -> Target:
    """What `evidence_target` gives for the default rule and one view, from that view alone.

    With gammas of 1 and no clip, anchor and controls cancel out.
    """
    teacher = _log_softmax(teacher_tv)
    support = _support(top_k, token_ids_t, teacher)
    return Target(support_ts=support, log_q_tb=_bucketed(teacher, support))


def forward_kl(target: Target, student_tv: Tensor) -> Tensor:
    """KL(q || student) for every action token: kept entries exactly, the rest as one bucket."""
    log_p = _bucketed(_log_softmax(student_tv), target.support_ts).clamp(min=_LOWEST)
    log_q = target.log_q_tb
    q = log_q.exp()
    return torch.where(q > 0, q * (log_q.clamp(min=_LOWEST) - log_p), 0.0).sum(-1)


def guarded_nll(student_tv: Tensor, token_ids_t: Tensor, *, floor: float) -> Tensor:
    """Negative log-likelihood of every token, weighted by its own probability.

    The weight (arXiv 2508.05629) keeps tokens that the model would never say from dominating; it
    carries no gradient, and `floor` keeps a rare but right token learnable.
    """
    nll = -_log_softmax(student_tv).gather(-1, token_ids_t[:, None]).squeeze(-1)
    guard = floor + (1.0 - floor) * (-nll).detach().exp()
    return guard * nll


def _log_softmax(logits: Tensor) -> Tensor:
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return wide.log_softmax(-1)


def _expert(logits_xtv: Tensor) -> Tensor:
    """The geometric mean over views or controls, normalised again."""
    return _log_softmax(logits_xtv).mean(0).log_softmax(-1)


def _support(top_k: int, token_ids_t: Tensor, *log_p_tv: Tensor) -> Tensor:
    count = min(top_k, log_p_tv[0].size(-1))
    best = [log_p.topk(count, dim=-1).indices for log_p in log_p_tv]
    return torch.cat([*best, token_ids_t[:, None]], dim=-1).sort(-1).values


def _repeated(support_ts: Tensor) -> Tensor:
    repeated = torch.zeros_like(support_ts, dtype=torch.bool)
    repeated[:, 1:] = support_ts[:, 1:] == support_ts[:, :-1]
    return repeated


def _bucketed(log_p_tv: Tensor, support_ts: Tensor) -> Tensor:
    """Log-probabilities of the support (-inf for repeats), then of everything else together."""
    kept = log_p_tv.gather(-1, support_ts).masked_fill(_repeated(support_ts), -math.inf)
    mass = kept.exp().sum(-1, keepdim=True)
    return torch.cat([kept, torch.log1p(-mass.clamp(max=1 - 1e-6))], dim=-1)


def _clipped(ratio: Tensor, limit: float) -> Tensor:
    return ratio if math.isinf(limit) else ratio.clamp(-limit, limit)


def _only_plausible(
    shift_tb: Tensor, anchor_tv: Tensor, evidence_tv: Tensor, support_ts: Tensor, share: float
) -> Tensor:
    plausible = torch.zeros_like(support_ts, dtype=torch.bool)
    for log_p in (anchor_tv, evidence_tv):
        threshold = log_p.max(-1, keepdim=True).values + math.log(share)
        plausible |= log_p.gather(-1, support_ts) >= threshold
    kept = shift_tb[:, :-1]
    return torch.cat([torch.where(plausible, kept, kept.clamp(max=0.0)), shift_tb[:, -1:]], dim=-1)
