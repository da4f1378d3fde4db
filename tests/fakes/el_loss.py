"""A second implementation of the target, the weights and the loss, to compare ours with.

Written before ours and apart from it. Shapes: T tokens, V vocabulary, M views, K controls.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch  # noqa: TID253 - tensors are the subject
from torch import Tensor  # noqa: TID253


class Reference(NamedTuple):
    support: Tensor
    repeated: Tensor
    log_q: Tensor
    log_p: Tensor
    mean: Tensor
    t: Tensor


def evidence_target(
    za: Tensor,
    zc: Tensor,
    zn: Tensor,
    y: Tensor,
    *,
    gamma_c: float,
    gamma_s: float,
    clip: float,
    top_k: int,
    plausible: float,
) -> Reference:
    la, lc, ln = za.log_softmax(-1), zc.log_softmax(-1), zn.log_softmax(-1)
    mc, mn = lc.mean(0).log_softmax(-1), ln.mean(0).log_softmax(-1)
    d = gamma_c * (mc - mn).clamp(-clip, clip) + gamma_s * (mn - la).clamp(-clip, clip)
    chosen = [la.topk(top_k, -1).indices, mc.topk(top_k, -1).indices, y[:, None]]
    support, _ = torch.cat(chosen, -1).sort(-1)
    repeated = torch.zeros_like(support, dtype=torch.bool)
    repeated[:, 1:] = support[:, 1:] == support[:, :-1]
    floor = math.log(plausible) if plausible > 0 else -math.inf
    ok = mc.gather(-1, support) >= mc.max(-1, keepdim=True).values + floor
    ok |= la.gather(-1, support) >= la.max(-1, keepdim=True).values + floor
    shift = d.gather(-1, support)
    shift = torch.where(ok, shift, shift.clamp(max=0.0))
    kept = la.gather(-1, support).masked_fill(repeated, -math.inf)
    tail = torch.log1p(-kept.exp().sum(-1, keepdim=True).clamp(max=1 - 1e-6))
    ev = (lc - mn).gather(-1, y[None, :, None].expand(lc.size(0), -1, 1)).squeeze(-1)
    mean = ev.mean(0)
    return Reference(
        support=support,
        repeated=repeated,
        log_q=torch.cat([kept + shift, tail], -1).log_softmax(-1),
        log_p=torch.cat([kept, tail], -1),
        mean=mean,
        t=mean / (ev.std(0) / ev.size(0) ** 0.5 + 1e-3),
    )


def kl_fwd(
    log_q: Tensor, zs: Tensor, support: Tensor, repeated: Tensor, tau: float = math.inf
) -> Tensor:
    kept = zs.log_softmax(-1).gather(-1, support).masked_fill(repeated, -math.inf)
    tail = torch.log1p(-kept.exp().sum(-1, keepdim=True).clamp(max=1 - 1e-6))
    log_p = torch.cat([kept, tail], -1).clamp(min=-60)
    q = log_q.exp()
    parts = torch.where(q > 0, q * (log_q - log_p), torch.zeros_like(q))
    return parts.clamp(max=tau).sum(-1)


def token_weights(
    found: Reference, role: Tensor, *, failed: bool, keep: float, least_t: float, skip: int
) -> Tensor:
    q = found.log_q.exp()
    parts = torch.where(q > 0, q * (found.log_q - found.log_p.clamp(min=-60)), torch.zeros_like(q))
    shift = parts.sum(-1)
    w = role.clone()
    w[:skip] = 0
    score = shift * (found.t.abs() >= least_t) * (w > 0)
    count = max(1, int(keep * int((role > 0).sum())))
    w = w * ((score > 0) & (score >= score.topk(count).values[-1])).float()
    w = w * (1.0 / shift.clamp(min=1.0))
    return torch.where(found.mean > 0, 0.25 * w, w) if failed else w
