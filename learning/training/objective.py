"""The target and the losses of learning from feedback, as pure functions of tensors.

Axes: t action tokens, v vocabulary, m teacher contexts, k controls, s kept vocabulary entries,
b kept entries and the tail bucket. The same frozen weights score the action under the prompt alone (the
anchor), under every teacher context and under every control. Reductions are float32 or wider, whatever
the dtype of the weights. Inputs are logits; outputs are in nats.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from learning.training.rules import TargetRule, WeightRule

if TYPE_CHECKING:
    from torch import Tensor

_LOWEST = -60.0
"""Stands in for log 0 where the target has mass, so that a loss stays finite."""
_T_EPSILON = 1e-3
"""Avoids a division by zero where all teacher contexts agree exactly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTarget:
    """A distribution for every action token, on a few vocabulary entries and one tail bucket."""

    support_ts: Tensor
    """Vocabulary ids, sorted; a repeated id carries its mass once."""
    log_q_tb: Tensor
    """Log-probability of every kept entry, then of the tail; b is s + 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceReading:
    """Effect of the evidence on the frozen weights, for each token of the action."""

    target: TokenTarget
    log_a_tb: Tensor
    """The anchor's log-probabilities on the target's buckets."""
    evidence_mt: Tensor
    """Log-probability of each token in each teacher context, less that under the controls, in nats."""
    style_t: Tensor
    """Log-probability of each token under the controls, less that under the bare prompt, in nats."""

    @property
    def shift_t(self) -> Tensor:
        """KL(q || anchor) of every token, in nats."""
        return _kl(self.target.log_q_tb, self.log_a_tb, tau=math.inf)


def read_evidence(
    anchor_tv: Tensor,
    evidence_mtv: Tensor,
    control_ktv: Tensor,
    token_ids_t: Tensor,
    *,
    rule: TargetRule,
) -> EvidenceReading:
    """Compute the contrastive evidence target and the statistics behind the token weights.

    Teacher contexts, and controls, are averaged as a product of experts (geometric mean, normalised).
    Without any control the anchor takes its place, which leaves the plain teacher with `gamma_c` alone.
    """
    anchor = _log_softmax(anchor_tv)
    evidence = _expert(evidence_mtv)
    control = _expert(control_ktv) if len(control_ktv) else anchor
    support = _support(rule.top_k, token_ids_t, anchor, evidence)
    a, c, n = (_bucketed(branch, support) for branch in (anchor, evidence, control))
    shift = _clipped(c - n, rule.clip) * rule.gamma_c + _clipped(n - a, rule.clip) * rule.gamma_s
    shift = torch.where(torch.isnan(shift), 0.0, shift)  # repeated ids: -inf minus -inf
    if rule.plausibility > 0:
        shift = _only_plausible(shift, anchor, evidence, support, rule.plausibility)
    if not rule.move_tail:
        shift = torch.cat([shift[:, :-1], torch.zeros_like(shift[:, -1:])], dim=-1)
    return EvidenceReading(
        target=TokenTarget(support_ts=support, log_q_tb=(a + shift).log_softmax(-1)),
        log_a_tb=a,
        evidence_mt=torch.stack(
            [_at(_log_softmax(view_tv) - control, token_ids_t) for view_tv in evidence_mtv]
        ),
        style_t=_at(control - anchor, token_ids_t),
    )


def teacher_target(teacher_tv: Tensor, token_ids_t: Tensor, *, top_k: int) -> TokenTarget:
    """The target that `read_evidence` gives for SDPO's rule and one teacher context, from that context alone.

    With gammas of 1 and no clip, anchor and controls cancel out. The same function stores the
    distributions that a round must not change.
    """
    teacher = _log_softmax(teacher_tv)
    support = _support(top_k, token_ids_t, teacher)
    return TokenTarget(support_ts=support, log_q_tb=_bucketed(teacher, support))


def token_weights(
    reading: EvidenceReading,
    role_t: Tensor,
    *,
    rule: WeightRule,
    failed: bool,
    only_in_notes: Collection[int] = (),
) -> Tensor:
    """Weight of each action token in the evidence term, from 0 to the weight of its role.

    `role_t` is the weight by kind of text (1 for code, less for prose, 0 for tokens that are never
    trained); `only_in_notes` are vocabulary ids of values that only the notes contain.
    """
    weight_t = role_t.float().clone()
    weight_t[: rule.skip_first] = 0.0
    shift_t = reading.shift_t
    mean_t = reading.evidence_mt.mean(0)
    score_t = shift_t * (weight_t > 0)
    if rule.snr_min > 0 and len(reading.evidence_mt) > 1:
        spread_t = reading.evidence_mt.std(0) / math.sqrt(len(reading.evidence_mt))
        score_t = score_t * (mean_t.abs() / (spread_t + _T_EPSILON) >= rule.snr_min)
    if rule.mask_literals and only_in_notes:
        score_t = score_t * ~_raises(reading, only_in_notes)
    if rule.keep < 1:
        count = max(1, int(rule.keep * int((role_t > 0).sum())))
        score_t = torch.where(score_t >= score_t.topk(count).values[-1], score_t, 0.0)
    weight_t = weight_t * (score_t > 0)
    if not math.isinf(rule.shift_cap):
        weight_t = weight_t * (rule.shift_cap / shift_t.clamp(min=rule.shift_cap))
    return torch.where(mean_t > 0, rule.endorsed * weight_t, weight_t) if failed else weight_t


def forward_kl(target: TokenTarget, student_tv: Tensor, *, tau: float = math.inf) -> Tensor:
    """KL(q || student) for every action token: kept entries exactly, the rest as one bucket.

    `tau` caps what one entry adds (arXiv 2601.18734), so that no token of style outweighs the rest.
    """
    log_p = _bucketed(_log_softmax(student_tv), target.support_ts)
    return _kl(target.log_q_tb, log_p, tau=tau)


def self_weighted_nll(student_tv: Tensor, token_ids_t: Tensor, *, floor: float) -> Tensor:
    """Negative log-likelihood of every token, weighted by its own probability.

    The weight (arXiv 2508.05629) keeps tokens of tiny probability from dominating the loss. It carries
    no gradient; `floor` keeps a rare but right token learnable.
    """
    nll = -_at(_log_softmax(student_tv), token_ids_t)
    confidence = floor + (1.0 - floor) * (-nll).detach().exp()
    return confidence * nll


def cross_entropy(student_tv: Tensor, token_ids_t: Tensor) -> Tensor:
    """Negative log-likelihood of every token."""
    return -_at(_log_softmax(student_tv), token_ids_t)


def margin_loss(student_tv: Tensor, new_t: Tensor, old_t: Tensor, *, margin: float) -> Tensor:
    """softplus(margin - [log p(new) - log p(old)]) for every position, in nats.

    Both tokens follow the same prefix, so one forward pass gives both. Its gradient fades once the new
    token leads by the margin. After the preference part of CPO-like losses, on one token.
    """
    log_p_tv = _log_softmax(student_tv)
    lead_t = _at(log_p_tv, new_t) - _at(log_p_tv, old_t)
    return torch.nn.functional.softplus(margin - lead_t)


def _kl(log_q_tb: Tensor, log_p_tb: Tensor, *, tau: float) -> Tensor:
    q = log_q_tb.exp()
    parts = torch.where(q > 0, q * (log_q_tb.clamp(min=_LOWEST) - log_p_tb.clamp(min=_LOWEST)), 0.0)
    return (parts if math.isinf(tau) else parts.clamp(max=tau)).sum(-1)


def _raises(reading: EvidenceReading, ids: Collection[int]) -> Tensor:
    """True for tokens whose most raised entry of the target is one of these ids."""
    kept = reading.target.log_q_tb[:, :-1]
    gain = torch.where(kept > -math.inf, kept.exp() - reading.log_a_tb[:, :-1].exp(), -1.0)
    best_t1 = gain.argmax(-1, keepdim=True)
    raised_t1 = reading.target.support_ts.gather(-1, best_t1)
    ids_x = torch.tensor(sorted(ids), device=raised_t1.device)
    return torch.isin(raised_t1, ids_x).squeeze(-1) & (gain.gather(-1, best_t1).squeeze(-1) > 0)


def _at(log_p_tv: Tensor, token_ids_t: Tensor) -> Tensor:
    return log_p_tv.gather(-1, token_ids_t[:, None]).squeeze(-1)


def _log_softmax(logits: Tensor) -> Tensor:
    wide = logits if logits.dtype == torch.float64 else logits.float()
    return wide.log_softmax(-1)


def _expert(logits_xtv: Tensor) -> Tensor:
    """The geometric mean of several distributions, normalised."""
    total = sum(_log_softmax(logits_tv) for logits_tv in logits_xtv[1:])
    mean: Tensor = (_log_softmax(logits_xtv[0]) + total) / len(logits_xtv)
    return mean.log_softmax(-1)


def _support(top_k: int, token_ids_t: Tensor, *log_p_tv: Tensor) -> Tensor:
    count = min(top_k, log_p_tv[0].size(-1))
    best = [log_p.topk(count, dim=-1).indices for log_p in log_p_tv]
    return torch.cat([*best, token_ids_t[:, None]], dim=-1).sort(-1).values


def _repeated(support_ts: Tensor) -> Tensor:
    repeated = torch.zeros_like(support_ts, dtype=torch.bool)
    repeated[:, 1:] = support_ts[:, 1:] == support_ts[:, :-1]
    return repeated


def _bucketed(log_p_tv: Tensor, support_ts: Tensor) -> Tensor:
    """Log-probabilities of the support (-inf for repeats), then of the rest as one bucket."""
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
