"""The target and the losses are the formulas, token by token."""

from __future__ import annotations

import math

import pytest
import torch  # noqa: TID253 - tensors are the subject
from torch import Tensor  # noqa: TID253

from learning.training.objective import (
    Target,
    TargetRule,
    evidence_target,
    forward_kl,
    guarded_nll,
    teacher_target,
)

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
        TargetRule(top_k=5),
        TargetRule(gamma_s=0.0, clip=3.0, top_k=5, move_tail=False),
        TargetRule(gamma_c=0.5, gamma_s=0.5, clip=1.0, top_k=3),
        TargetRule(gamma_c=2.0, gamma_s=0.0, clip=0.7, top_k=4, plausibility=0.3, move_tail=False),
        TargetRule(gamma_c=0.0, gamma_s=0.0, top_k=5, move_tail=False),
    ],
)
def test_the_target_is_the_formula_of_every_token(rule: TargetRule) -> None:
    anchor, evidence, control, y = _branches()
    target = evidence_target(anchor, evidence, control, y, rule=rule)
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
    target = evidence_target(anchor, evidence[:1], control, y, rule=TargetRule(top_k=top_k))
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
    long_way = evidence_target(anchor, evidence[:1], control, y, rule=TargetRule(top_k=_V))
    short_way = teacher_target(evidence[0], y, top_k=_V)
    assert torch.allclose(forward_kl(long_way, student), forward_kl(short_way, student), atol=1e-5)
    exact = torch.nn.functional.kl_div(
        student.log_softmax(-1), evidence[0].log_softmax(-1), reduction="none", log_target=True
    ).sum(-1)
    assert torch.allclose(forward_kl(short_way, student), exact, atol=1e-4)


def test_without_shift_there_is_no_loss_and_no_gradient_at_the_anchor() -> None:
    anchor, evidence, control, y = _branches()
    rule = TargetRule(gamma_c=0.0, gamma_s=0.0, top_k=4)
    target = evidence_target(anchor, evidence, control, y, rule=rule)
    student = anchor.clone().requires_grad_()
    loss = forward_kl(target, student).sum()
    loss.backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    assert float(loss.detach()) == pytest.approx(0.0, abs=1e-9)
    assert float(student.grad.abs().max()) < 1e-9


@pytest.mark.parametrize("clip", [0.5, 1.0, 3.0])
def test_the_target_stays_near_the_anchor_for_any_teacher(clip: float) -> None:
    anchor, evidence, control, y = _branches(scale=60.0)
    rule = TargetRule(gamma_s=0.0, clip=clip, top_k=_V, move_tail=False)
    target = evidence_target(anchor, evidence, control, y, rule=rule)
    assert float(forward_kl(target, anchor).max()) <= 2 * clip
    assert float(forward_kl(target, anchor).max()) > 0.01


def test_gradients_are_those_of_finite_differences() -> None:
    anchor, evidence, control, y = _branches()
    student = _logits(_T, _V, seed=4).requires_grad_()
    rule = TargetRule(gamma_c=1.0, gamma_s=0.3, clip=3.0, top_k=4)
    target = evidence_target(anchor, evidence, control, y, rule=rule)
    assert torch.autograd.gradcheck(lambda z: forward_kl(target, z), (student,))


def test_the_guard_weighs_by_probability_without_a_gradient_of_its_own() -> None:
    student = _logits(_T, _V, seed=5).requires_grad_()
    y = student.argmin(-1)
    guarded_nll(student, y, floor=0.25).sum().backward()  # type: ignore[no-untyped-call]
    assert student.grad is not None
    p = student.detach().softmax(-1)
    guard = 0.25 + 0.75 * p.gather(-1, y[:, None])
    expected = guard * (p - torch.nn.functional.one_hot(y, _V))
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
    assert guarded_nll(student, y, floor=0.25).dtype == torch.float32


def test_a_target_with_zero_mass_somewhere_gives_a_finite_loss() -> None:
    target = Target(
        support_ts=torch.tensor([[0, 1]]), log_q_tb=torch.tensor([[0.0, -math.inf, -math.inf]])
    )
    student = torch.tensor([[-500.0, 500.0, 0.0]])
    assert math.isfinite(float(forward_kl(target, student)))
