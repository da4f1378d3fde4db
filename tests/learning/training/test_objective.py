"""The target and the losses are the formulas, token by token."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch  # noqa: TID253 - tensors are the subject
from torch import Tensor  # noqa: TID253

from learning.training.objective import (
    TokenTarget,
    cross_entropy,
    forward_kl,
    read_evidence,
    self_weighted_nll,
    teacher_target,
    token_weights,
)
from learning.training.rules import SDPO, UNMASKED, TargetRule, WeightRule
from tests.fakes import el_loss

_T, _V, _M, _K = 6, 24, 3, 2


def _logits(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(*shape, generator=generator, dtype=torch.float64)


def _branches(scale: float = 2.0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    anchor = _logits(_T, _V, seed=1)
    evidence = anchor + _logits(_M, _T, _V, seed=2, scale=scale)
    control = anchor + _logits(_K, _T, _V, seed=3)
    return anchor, evidence, control, anchor.argmax(-1)


def _probabilities(logits: list[float]) -> list[float]:
    peak = max(logits)
    masses = [math.exp(value - peak) for value in logits]
    return [mass / sum(masses) for mass in masses]


def _geometric_mean(branches: list[list[float]]) -> list[float]:
    logs = [[math.log(p) for p in _probabilities(branch)] for branch in branches]
    return _probabilities([sum(column) / len(logs) for column in zip(*logs, strict=True)])


def _best(probabilities: list[float], count: int) -> set[int]:
    return set(sorted(range(_V), key=lambda v: -probabilities[v])[:count])


def _restated(
    a: list[float], c: list[list[float]], n: list[list[float]], y: int, rule: TargetRule
) -> tuple[dict[int, float], float]:
    """One token, in plain Python: q over the kept entries, and q of the tail."""
    anchor, evidence, control = _probabilities(a), _geometric_mean(c), _geometric_mean(n)
    kept = _best(anchor, rule.top_k) | _best(evidence, rule.top_k) | {y}

    def clipped(ratio: float) -> float:
        return max(-rule.clip, min(rule.clip, ratio))

    def moved(pa: float, pc: float, pn: float) -> float:
        return rule.gamma_c * clipped(math.log(pc / pn)) + rule.gamma_s * clipped(math.log(pn / pa))

    masses = {}
    for v in kept:
        shift = moved(anchor[v], evidence[v], control[v])
        plausible = evidence[v] >= rule.plausibility * max(evidence) or anchor[
            v
        ] >= rule.plausibility * max(anchor)
        masses[v] = anchor[v] * math.exp(shift if plausible else min(shift, 0.0))
    rest = [1 - sum(branch[v] for v in kept) for branch in (anchor, evidence, control)]
    tail = rest[0] * (math.exp(moved(*rest)) if rule.move_tail else 1.0)
    total = sum(masses.values()) + tail
    return {v: mass / total for v, mass in masses.items()}, tail / total


@pytest.mark.parametrize(
    "rule",
    [
        replace(SDPO, top_k=5),
        TargetRule(top_k=5),
        TargetRule(gamma_c=0.5, gamma_s=0.5, clip=1.0, top_k=3),
        TargetRule(gamma_c=2.0, gamma_s=0.0, clip=0.7, top_k=4, plausibility=0.3, move_tail=False),
        TargetRule(gamma_c=0.0, gamma_s=0.0, top_k=5, move_tail=False),
    ],
)
def test_the_target_is_the_formula_of_every_token(rule: TargetRule) -> None:
    anchor, evidence, control, y = _branches()
    target = read_evidence(anchor, evidence, control, y, rule=rule).target
    for t in range(_T):
        expected, tail = _restated(
            anchor[t].tolist(), evidence[:, t].tolist(), control[:, t].tolist(), int(y[t]), rule
        )
        actual: dict[int, float] = {}
        for v, log_q in zip(
            target.support_ts[t].tolist(), target.log_q_tb[t, :-1].tolist(), strict=True
        ):
            actual[v] = actual.get(v, 0.0) + math.exp(log_q)
        assert actual == pytest.approx(expected, abs=1e-9)
        assert math.exp(target.log_q_tb[t, -1]) == pytest.approx(tail, abs=1e-9)


@pytest.mark.parametrize("top_k", [4, _V])
def test_gammas_of_one_without_a_clip_are_the_teacher(top_k: int) -> None:
    anchor, evidence, control, y = _branches()
    target = read_evidence(anchor, evidence[:1], control, y, rule=replace(SDPO, top_k=top_k)).target
    teacher = evidence[0].log_softmax(-1)
    kept = target.log_q_tb[:, :-1]
    real = kept > -math.inf
    assert torch.allclose(kept[real], teacher.gather(-1, target.support_ts)[real], atol=1e-9)
    assert torch.allclose(
        target.log_q_tb[:, -1].exp(), 1 - kept.exp().sum(-1), atol=2e-6 if top_k == _V else 1e-9
    )


def test_the_short_way_to_the_teacher_gives_the_same_loss() -> None:
    anchor, evidence, control, y = _branches()
    student = _logits(_T, _V, seed=9)
    long_way = read_evidence(anchor, evidence[:1], control, y, rule=replace(SDPO, top_k=_V)).target
    short_way = teacher_target(evidence[0], y, top_k=_V)
    assert torch.allclose(forward_kl(long_way, student), forward_kl(short_way, student), atol=1e-5)
    exact = torch.nn.functional.kl_div(
        student.log_softmax(-1), evidence[0].log_softmax(-1), reduction="none", log_target=True
    ).sum(-1)
    assert torch.allclose(forward_kl(short_way, student), exact, atol=1e-4)


def test_without_shift_there_is_no_loss_and_no_gradient_at_the_anchor() -> None:
    anchor, evidence, control, y = _branches()
    rule = TargetRule(gamma_c=0.0, gamma_s=0.0, top_k=4)
    target = read_evidence(anchor, evidence, control, y, rule=rule).target
    student = anchor.clone().requires_grad_()
    loss = forward_kl(target, student).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-9)
    assert float(student.grad.abs().max()) < 1e-9


@pytest.mark.parametrize("clip", [0.5, 1.0, 3.0])
def test_the_target_stays_near_the_anchor_for_any_teacher(clip: float) -> None:
    anchor, evidence, control, y = _branches(scale=60.0)
    rule = TargetRule(clip=clip, top_k=_V, plausibility=0.0)
    target = read_evidence(anchor, evidence, control, y, rule=rule).target
    assert float(forward_kl(target, anchor).max()) <= 2 * clip
    assert float(forward_kl(target, anchor).max()) > 0.01


def test_gradients_are_those_of_finite_differences() -> None:
    anchor, evidence, control, y = _branches()
    student = _logits(_T, _V, seed=4).requires_grad_()
    rule = TargetRule(gamma_c=1.0, gamma_s=0.3, clip=3.0, top_k=4)
    target = read_evidence(anchor, evidence, control, y, rule=rule).target
    assert torch.autograd.gradcheck(lambda z: forward_kl(target, z), (student,))


def test_the_likelihood_of_a_fix_is_weighted_by_its_own_probability_without_a_gradient_of_its_own() -> (
    None
):
    student = _logits(_T, _V, seed=5).requires_grad_()
    y = student.argmin(-1)
    self_weighted_nll(student, y, floor=0.25).sum().backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    p = student.detach().softmax(-1)
    confidence = 0.25 + 0.75 * p.gather(-1, y[:, None])
    expected = confidence * (p - torch.nn.functional.one_hot(y, _V))
    assert torch.allclose(student.grad, expected, atol=1e-9)


def test_losses_of_half_precision_logits_are_reduced_in_single() -> None:
    anchor, evidence, _, y = _branches()
    half = evidence[0].bfloat16()
    target = teacher_target(half, y, top_k=4)
    student = anchor.bfloat16()
    assert target.log_q_tb.dtype == torch.float32
    assert forward_kl(target, student).dtype == torch.float32
    assert torch.equal(
        forward_kl(target, student),
        forward_kl(teacher_target(half.float(), y, top_k=4), student.float()),
    )
    assert self_weighted_nll(student, y, floor=0.25).dtype == torch.float32


def test_a_target_with_zero_mass_somewhere_gives_a_finite_loss() -> None:
    target = TokenTarget(
        support_ts=torch.tensor([[0, 1]]), log_q_tb=torch.tensor([[0.0, -math.inf, -math.inf]])
    )
    student = torch.tensor([[-500.0, 500.0, 0.0]])
    assert math.isfinite(float(forward_kl(target, student)))


_RULES = [
    TargetRule(top_k=5),
    TargetRule(top_k=_V, plausibility=0.0),
    TargetRule(gamma_c=0.5, gamma_s=0.5, clip=1.0, top_k=3),
    TargetRule(gamma_c=2.0, gamma_s=0.0, clip=5.0, top_k=8, plausibility=0.3),
]


@pytest.mark.parametrize("rule", _RULES)
@pytest.mark.parametrize("failed", [True, False])
def test_target_weights_and_loss_are_those_of_the_reference(
    rule: TargetRule, *, failed: bool
) -> None:
    anchor, evidence, control, y = _branches()
    student = _logits(_T, _V, seed=11)
    reading = read_evidence(anchor, evidence, control, y, rule=rule)
    found = el_loss.evidence_target(
        *(anchor, evidence, control, y),
        gamma_c=rule.gamma_c,
        gamma_s=rule.gamma_s,
        clip=rule.clip,
        top_k=rule.top_k,
        plausible=rule.plausibility,
    )
    assert torch.equal(reading.target.support_ts, found.support)
    assert torch.allclose(reading.target.log_q_tb.exp(), found.log_q.exp(), atol=1e-9)
    assert torch.allclose(reading.evidence_mt.mean(0), found.mean, atol=1e-9)
    for tau in (math.inf, 0.5):
        expected = el_loss.kl_fwd(found.log_q, student, found.support, found.repeated, tau=tau)
        assert torch.allclose(forward_kl(reading.target, student, tau=tau), expected, atol=1e-9)
    role = torch.tensor([1.0, 1.0, 0.3, 0.0, 1.0, 1.0])
    masks = WeightRule(skip_first=1, keep=0.5, snr_min=0.5)
    weights = token_weights(reading, role, rule=masks, failed=failed)
    expected = el_loss.token_weights(found, role, failed=failed, keep=0.5, least_t=0.5, skip=1)
    assert torch.allclose(weights.double(), expected.double(), atol=1e-6)


def test_the_divergence_is_that_of_an_independent_formula() -> None:
    anchor, evidence, control, y = _branches()
    student = _logits(_T, _V, seed=9)
    rule = TargetRule(top_k=_V, plausibility=0.0, move_tail=True)
    target = read_evidence(anchor, evidence, control, y, rule=rule).target
    q = torch.zeros(_T, _V, dtype=torch.float64)
    q.scatter_add_(-1, target.support_ts, target.log_q_tb[:, :-1].exp())
    exact = torch.distributions.kl_divergence(
        torch.distributions.Categorical(probs=q),
        torch.distributions.Categorical(logits=student),
    )
    assert torch.allclose(forward_kl(target, student), exact, atol=1e-4)


def test_every_mask_can_be_switched_off() -> None:
    anchor, evidence, control, y = _branches()
    reading = read_evidence(anchor, evidence, control, y, rule=TargetRule(top_k=_V))
    role = torch.tensor([1.0, 0.3, 1.0, 1.0, 1.0, 0.0])
    told = range(_V)
    weights = token_weights(reading, role, rule=UNMASKED, failed=True, only_in_notes=told)
    assert torch.equal(weights, role)
    masked = token_weights(
        reading, role, rule=replace(UNMASKED, mask_literals=True), failed=True, only_in_notes=told
    )
    assert not masked.any()


def test_a_value_that_only_the_note_tells_is_not_learned() -> None:
    anchor = torch.zeros(2, _V)
    anchor[:, 3] = 4.0
    view = anchor.clone()
    view[0, 7] = 9.0  # the note tells the answer
    view[1, 5] = 9.0  # the note tells what kind of thing is wrong
    y = torch.tensor([3, 3])
    reading = read_evidence(
        anchor, view[None].expand(3, -1, -1), anchor[None], y, rule=TargetRule(top_k=4)
    )
    rule = replace(UNMASKED, mask_literals=True)
    weights = token_weights(reading, torch.ones(2), rule=rule, failed=True, only_in_notes={7})
    assert weights.tolist() == [0.0, 1.0]


def test_the_weights_find_the_token_that_the_evidence_is_about() -> None:
    generator = torch.Generator().manual_seed(3)
    tokens, entries = 12, 64
    anchor = torch.randn(tokens, entries, generator=generator)
    anchor[torch.arange(tokens), torch.randint(entries, (tokens,), generator=generator)] += 6.0
    y = anchor.argmax(-1)
    style = 1.5 * torch.randn(entries, generator=generator)
    told = torch.zeros(tokens, entries)
    told[5, y[5]] = -2.5
    told[5, (y[5] + 1) % entries] = 4.0

    def noisy(count: int) -> Tensor:
        return anchor + style + 0.3 * torch.randn(count, tokens, entries, generator=generator)

    reading = read_evidence(anchor, noisy(4) + told, noisy(4), y, rule=TargetRule(top_k=entries))
    weights = token_weights(reading, torch.ones(tokens), rule=WeightRule(), failed=True)
    assert int((weights > 0).sum()) <= 3
    moved = weights * reading.shift_t
    assert int(moved.argmax()) == 5
    assert moved[5] > 0.8 * moved.sum()


def test_without_controls_the_anchor_stands_in_for_them() -> None:
    anchor, evidence, _, y = _branches()
    rule = TargetRule(top_k=_V, plausibility=0.0, clip=math.inf, move_tail=True)
    target = read_evidence(
        anchor, evidence[:1], anchor[:0].new_empty(0, _T, _V), y, rule=rule
    ).target
    teacher = teacher_target(evidence[0], y, top_k=_V)
    assert torch.allclose(forward_kl(target, anchor), forward_kl(teacher, anchor), atol=1e-5)


def test_the_cap_on_one_entry_bounds_a_wild_target() -> None:
    target = teacher_target(
        40 * _logits(_T, _V, seed=3), torch.zeros(_T, dtype=torch.long), top_k=3
    )
    student = 40 * _logits(_T, _V, seed=4)
    assert float(forward_kl(target, student).max()) > 10
    assert float(forward_kl(target, student, tau=1.0).max()) <= 3


@pytest.mark.parametrize("tau", [math.inf, 0.7])
def test_all_losses_have_the_gradients_of_finite_differences(tau: float) -> None:
    anchor, evidence, control, y = _branches()
    student = _logits(_T, _V, seed=4).requires_grad_()
    target = read_evidence(anchor, evidence, control, y, rule=TargetRule(top_k=4)).target
    assert torch.autograd.gradcheck(lambda z: forward_kl(target, z, tau=tau), (student,))
    assert torch.autograd.gradcheck(lambda z: cross_entropy(z, y), (student,))
