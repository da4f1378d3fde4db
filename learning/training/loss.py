"""The loss of one example: terms with a formula, token positions and weights.

Experiences:
L = evidence · KL(q || p) + eta · [KL + nu · self-weighted likelihood] of a verified fix
    + echo · CE(the tool's words) + base_anchor · KL(base || p) + context_anchor · KL(snapshot || p)

Rows about an API that changed, and rows on which nothing should change:
L = names · CE(new name) + rest · CE(other tokens) + held · KL(base || p) on these + contrast · softplus(margin - log-odds(new, stale))
L = anchor · KL(base || p) + own · CE(completion)

Every term is a mean over its own positions, so a long reply weighs no more than a short one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from learning.training.api_rows import ApiTokens
from learning.training.causal_model import CausalModel
from learning.training.job import MIX, ExampleKind
from learning.training.objective import (
    TokenTarget,
    cross_entropy,
    forward_kl,
    margin_loss,
    self_weighted_nll,
)
from learning.training.passes import Pass, Term, measure
from learning.training.prepare import Prepared
from learning.training.replay import Anchored
from learning.training.rules import LossRule, SpanRule
from learning.training.teacher import ExampleTarget

if TYPE_CHECKING:
    from torch import Tensor

_EPSILON = 1e-6


def rows_of(example: Prepared, kept: TokenTarget | None, rule: SpanRule) -> tuple[Pass, ...]:
    """The pass of a row about an API; none if all its terms have weight 0.

    `kept` is the base model's distribution on the trained tokens, for the terms that hold a row there.
    """
    if example.api is not None:
        terms = [_span(example, example.api, rule), _held(example, example.api, kept, rule)]
    else:
        terms = _kept(example, kept, rule)
    used = tuple(term for term in terms if term is not None)
    return (Pass(ids=example.ids, terms=used),) if used else ()


def reads_base(example: Prepared, rule: SpanRule) -> bool:
    """True if the loss of a row needs the base model's distribution on its trained tokens."""
    if example.api is not None:
        return rule.held > 0
    return rule.anchor > 0 and example.kind in MIX


def _span(example: Prepared, api: ApiTokens, rule: SpanRule) -> Term | None:
    """Likelihood and contrast of a changed API as one term, so that the head runs once a token."""
    named = set(api.names)
    rest = len(example.positions) - len(named)
    likelihood = {
        position: rule.names / len(named) if position in named else rule.rest / max(1, rest)
        for position in example.positions
    }
    contrast = rule.contrast if api.differs is not None else 0.0
    used = [p for p in example.positions if likelihood[p] or (contrast and p == api.differs)]
    if not used:
        return None
    loss = _Span(
        ids_t=torch.tensor([example.ids[position] for position in used]),
        likelihood_t=torch.tensor([likelihood[position] for position in used]),
        at=used.index(api.differs) if contrast and api.differs is not None else None,
        stale_id=api.stale_id or 0,
        contrast=contrast,
        margin=rule.margin,
    )
    return Term(positions=used, loss=loss, weight_t=torch.full((len(used),), example.weight))


def _held(
    example: Prepared, api: ApiTokens, kept: TokenTarget | None, rule: SpanRule
) -> Term | None:
    """The tokens beside the name and beside the place of the contrast, held where the base model has them."""
    learned = {*api.names, api.differs}
    rest = [i for i, position in enumerate(example.positions) if position not in learned]
    if kept is None or not rule.held or not rest:
        return None
    there = TokenTarget(support_ts=kept.support_ts[rest], log_q_tb=kept.log_q_tb[rest])
    positions = [example.positions[i] for i in rest]
    return _even(positions, rule.held * example.weight, _Divergence(there, math.inf))


def _kept(example: Prepared, kept: TokenTarget | None, rule: SpanRule) -> list[Term | None]:
    terms: list[Term | None] = []
    if kept is not None and rule.anchor:
        towards = _Divergence(kept, math.inf)
        terms.append(_even(example.positions, rule.anchor * example.weight, towards))
    if rule.own:
        likelihood = _CrossEntropy(_ids(example))
        terms.append(_even(example.positions, rule.own * example.weight, likelihood))
    return terms


def passes_of(example: Prepared, read: ExampleTarget | None, rule: LossRule) -> tuple[Pass, ...]:
    """The passes that an example needs; none if all its terms have weight 0."""
    own = [*_learned(example, read, rule), *_echo(example, rule)]
    ids = example.ids
    if own and own[-1].positions[-1] >= len(ids) and example.echo:
        ids += example.echo.ids
    found = [Pass(ids=ids, terms=tuple(own))] if own else []
    return (*found, *_context(example, read, rule))


def anchor_pass(anchored: Anchored, target: TokenTarget, rule: LossRule) -> Pass:
    """The pass that keeps the student near the base model on a conversation from elsewhere."""
    term = _even(anchored.positions, rule.base_anchor, _Divergence(target, math.inf))
    return Pass(ids=anchored.ids, terms=(term,))


def _learned(example: Prepared, read: ExampleTarget | None, rule: LossRule) -> list[Term]:
    """The terms of the action: towards the evidence target, or towards the fix."""
    if example.kind is not ExampleKind.EVIDENCE:
        return _fix(example, read, rule) if rule.eta else []
    if read is None or not rule.evidence or not bool(read.weight_t.any()):
        return []
    weight_t = read.weight_t / (read.weight_t.sum() + _EPSILON)
    return [
        Term(
            positions=example.positions,
            loss=_Divergence(read.target, rule.tau),
            weight_t=weight_t * (rule.evidence * example.weight),
        )
    ]


def _fix(example: Prepared, read: ExampleTarget | None, rule: LossRule) -> list[Term]:
    share, likelihood = rule.eta * example.weight, _Likelihood(_ids(example), rule.nll_floor)
    if read is None:  # without an evidence target only the fix itself is learned
        return [_even(example.positions, share, likelihood)]
    towards = _even(example.positions, share, _Divergence(read.target, rule.tau))
    if not rule.nu:
        return [towards]
    return [towards, _even(example.positions, rule.nu * share, likelihood)]


def _echo(example: Prepared, rule: LossRule) -> list[Term]:
    if example.echo is None or not rule.echo:
        return []
    behind = len(example.ids)
    words_t = torch.tensor([example.echo.ids[position] for position in example.echo.positions])
    positions = [behind + position for position in example.echo.positions]
    return [_even(positions, rule.echo * example.weight, _CrossEntropy(words_t))]


def _context(example: Prepared, read: ExampleTarget | None, rule: LossRule) -> list[Pass]:
    if read is None or read.context is None or not rule.context_anchor:
        return []
    ids = example.teacher_contexts[0]
    offset = len(ids) - len(example.ids)
    positions = [position + offset for position in example.positions]
    share = rule.context_anchor * example.weight
    return [Pass(ids=ids, terms=(_even(positions, share, _Divergence(read.context, math.inf)),))]


def _ids(example: Prepared) -> Tensor:
    return torch.tensor([example.ids[position] for position in example.positions])


@dataclass(frozen=True, slots=True)
class _Divergence:
    target: TokenTarget
    tau: float

    def __call__(self, logits_tv: Tensor, rows: slice) -> Tensor:
        device = logits_tv.device
        part = TokenTarget(
            support_ts=self.target.support_ts[rows].to(device),
            log_q_tb=self.target.log_q_tb[rows].to(device),
        )
        return forward_kl(part, logits_tv, tau=self.tau)


@dataclass(frozen=True, slots=True)
class _Likelihood:
    ids_t: Tensor
    floor: float

    def __call__(self, logits_tv: Tensor, rows: slice) -> Tensor:
        return self_weighted_nll(logits_tv, self.ids_t[rows].to(logits_tv.device), floor=self.floor)


@dataclass(frozen=True, slots=True)
class _CrossEntropy:
    ids_t: Tensor

    def __call__(self, logits_tv: Tensor, rows: slice) -> Tensor:
        return cross_entropy(logits_tv, self.ids_t[rows].to(logits_tv.device))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Span:
    ids_t: Tensor
    likelihood_t: Tensor
    """Weight of each token's cross-entropy."""
    at: int | None
    """Index of the token where the stale completion differs first; None without a contrast."""
    stale_id: int
    contrast: float
    margin: float

    def __call__(self, logits_tv: Tensor, rows: slice) -> Tensor:
        device = logits_tv.device
        ids_t = self.ids_t[rows].to(device)
        loss_t = self.likelihood_t[rows].to(device) * cross_entropy(logits_tv, ids_t)
        if self.at is None or not rows.start <= self.at < rows.stop:
            return loss_t
        here = self.at - rows.start
        stale_t = torch.tensor([self.stale_id], device=device)
        one_tv = logits_tv[here : here + 1]
        lead = margin_loss(one_tv, ids_t[here : here + 1], stale_t, margin=self.margin)
        place_t = torch.zeros_like(loss_t)
        place_t[here] = self.contrast
        return loss_t + place_t * lead


def _even(
    positions: Sequence[int], share: float, loss: _Divergence | _Likelihood | _CrossEntropy
) -> Term:
    weight_t = torch.full((len(positions),), share / max(1, len(positions)))
    return Term(positions=positions, loss=loss, weight_t=weight_t)


def log_likelihoods(base: CausalModel, fixes: Sequence[Prepared]) -> list[float]:
    """Mean log-probability, in nats, of each fix's changed tokens at the prompt that had failed.

    It is measured on fixes that the round does not learn, and it decides nothing. After VR-CLI
    (arXiv 2503.22828), which rewards a text for making a known continuation more likely.
    """
    return [-measure(base, [_likelihood_of(fix)]) for fix in fixes]


def _likelihood_of(fix: Prepared) -> Pass:
    return Pass(ids=fix.ids, terms=(_even(fix.positions, 1.0, _CrossEntropy(_ids(fix))),))
