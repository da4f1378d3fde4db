"""The loop learns what it is given, the same way every time, interrupted or not."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch  # noqa: TID253 - tensors are compared here
from torch import Tensor  # noqa: TID253

from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.training.checkpoint import RoundReport, StepReport
from learning.training.job import ExampleKind, TrainingJob
from learning.training.lora import load_student
from learning.training.prepare import Prepared
from learning.training.rules import PLAIN_SDPO
from learning.training.schedule import schedule_steps
from learning.training.trainer import train

_PROMPT = tuple(range(40, 60))


def _job(model: InstalledModel, **changes: object) -> TrainingJob:
    job = TrainingJob(
        id="j",
        model=model.name,
        model_folder=str(model.hf),
        base=model.identity,
        adapter_prefix="el-shop-v0001",
        created_at=0.0,
        steps=6,
        learning_rate=1e-2,
        rank=4,
        alpha=8,
        threads=1,
        save_every_s=0.0,
        rule=PLAIN_SDPO,
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def _hindsight(*action: int) -> Prepared:
    ids = (*_PROMPT, *action)
    return Prepared(
        kind=ExampleKind.HINDSIGHT, ids=ids, positions=tuple(range(len(_PROMPT), len(ids)))
    )


def _evidence(*action: int) -> Prepared:
    told = (*_PROMPT[:-3], 100, 101, 102, 103, *_PROMPT[-3:], *action)
    return replace(_hindsight(*action), kind=ExampleKind.EVIDENCE, teacher_contexts=(told,))


def _round(
    job: TrainingJob,
    folder: Path,
    examples: Sequence[Prepared],
    on_step: Callable[[StepReport], None] = lambda _: None,
) -> tuple[dict[str, Tensor], RoundReport]:
    folder.mkdir(exist_ok=True)
    model = load_student(job)
    report = train(model, examples, job, folder, on_step=on_step)
    return {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}, report


def _same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[n], second[n]) for n in first)


_EXAMPLES = (_hindsight(7, 8, 9), _evidence(5, 6), _hindsight(3))


def test_only_lora_weights_of_all_linear_layers_are_trained(random_model: InstalledModel) -> None:
    model = load_student(_job(random_model))
    trained = {n.split(".lora_")[0] for n, p in model.named_parameters() if p.requires_grad}
    kinds = {name.rsplit(".", 1)[-1] for name in trained}
    assert kinds == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert len(trained) == 2 * len(kinds)


def test_the_right_action_becomes_more_likely(random_model: InstalledModel, tmp_path: Path) -> None:
    _, report = _round(
        _job(random_model, steps=30, learning_rate=1e-2), tmp_path, [_hindsight(7, 8, 9)]
    )
    assert report.steps[-1].loss < 0.5 * report.steps[0].loss


def test_evidence_moves_the_student_towards_the_teacher(
    random_model: InstalledModel, tmp_path: Path
) -> None:
    _, report = _round(
        _job(random_model, steps=30, learning_rate=1e-2), tmp_path, [_evidence(5, 6, 7)]
    )
    assert 0 < report.steps[-1].loss < 0.2 * report.steps[0].loss


def test_the_first_loss_is_the_divergence_from_the_teacher(
    random_model: InstalledModel, tmp_path: Path
) -> None:
    example = _evidence(5, 6)
    job = _job(random_model, steps=1)
    _, report = _round(job, tmp_path, [example])
    model = load_student(job).eval()
    with torch.no_grad():
        student = model(input_ids=torch.tensor([example.ids])).logits[0, -3:-1].log_softmax(-1)
        told = torch.tensor([example.teacher_contexts[0]])
        teacher = model(input_ids=told).logits[0, -3:-1].log_softmax(-1)
    exact = (teacher.exp() * (teacher - student)).sum(-1).mean()
    # The kept 64 entries are exact; the rest counts as one bucket, which can only lower it.
    assert 0.2 * exact < report.steps[0].loss <= 1.001 * exact


def test_the_same_job_gives_the_same_weights(random_model: InstalledModel, tmp_path: Path) -> None:
    job = _job(random_model)
    first, report = _round(job, tmp_path / "a", _EXAMPLES)
    second, again = _round(job, tmp_path / "b", _EXAMPLES)
    assert _same(first, second)
    assert [s.loss for s in report.steps] == [s.loss for s in again.steps]
    other, _ = _round(replace(job, seed=1), tmp_path / "c", _EXAMPLES)
    assert not _same(first, other)


class _StoppedError(Exception):
    pass


@pytest.mark.parametrize("last", [1, 4, 6])
def test_an_interrupted_round_ends_at_the_same_weights(
    random_model: InstalledModel, tmp_path: Path, last: int
) -> None:
    def stop(report: StepReport) -> None:
        if report.step == last:
            raise _StoppedError

    job = _job(random_model, batch=2)
    whole, report = _round(job, tmp_path / "whole", _EXAMPLES)
    with pytest.raises(_StoppedError):
        _round(job, tmp_path / "cut", _EXAMPLES, stop)
    steps: list[int] = []
    resumed, again = _round(job, tmp_path / "cut", _EXAMPLES, lambda r: steps.append(r.step))
    assert steps == list(range(last + 1, 7))
    assert _same(whole, resumed)
    assert [s.loss for s in again.steps] == [s.loss for s in report.steps]


def test_keeping_more_activations_changes_no_bit(
    random_model: InstalledModel, tmp_path: Path
) -> None:
    job = _job(random_model)
    weights = []
    for every in (0, 1, 2):
        folder = tmp_path / str(every)
        folder.mkdir()
        model = load_student(job)
        train(model, _EXAMPLES, job, folder, checkpoint_every=every)
        weights.append({n: p.detach() for n, p in model.named_parameters() if p.requires_grad})
    assert _same(weights[0], weights[1])
    assert _same(weights[0], weights[2])


def test_targets_are_computed_once(random_model: InstalledModel, tmp_path: Path) -> None:
    job = _job(random_model)
    _round(job, tmp_path, _EXAMPLES)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "targets").iterdir()}
    assert [path.name for path in written] == ["1.pt"]
    _round(job, tmp_path, _EXAMPLES)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "targets").iterdir()} == written


def test_a_round_starts_from_its_parent(random_model: InstalledModel, tmp_path: Path) -> None:
    from learning.training.lora import save_adapter

    job = _job(random_model)
    model = load_student(job)
    (tmp_path / "job").mkdir()
    train(model, [_hindsight(7, 8, 9)], job, tmp_path / "job")
    save_adapter(model, tmp_path / "parent", model_name="tiny")
    child_job = replace(job, parent="p", parent_folder=str(tmp_path / "parent"), steps=1)
    child = load_student(child_job)
    parent = dict(model.named_parameters())
    trained = {n: p for n, p in child.named_parameters() if p.requires_grad}
    assert len(trained) == 28
    assert all(torch.equal(weight, parent[name]) for name, weight in trained.items())


def test_no_step_begins_that_would_end_after_the_budget(
    random_model: InstalledModel, tmp_path: Path
) -> None:
    ticks = itertools.count(step=10)
    model = load_student(_job(random_model))
    report = train(
        model,
        _EXAMPLES,
        _job(random_model, budget_s=35.0),
        tmp_path,
        clock=lambda: float(next(ticks)),
    )
    assert [step.step for step in report.steps] == [1, 2, 3]
    assert report.stopped_by_budget


def test_an_overflow_is_an_error_and_not_an_adapter(
    random_model: InstalledModel, tmp_path: Path
) -> None:
    broken = replace(_hindsight(7), weight=float("inf"))
    with pytest.raises(FloatingPointError, match="step 1"):
        _round(_job(random_model), tmp_path, [broken])


def test_chunks_of_the_head_do_not_change_the_gradient(
    random_model: InstalledModel,
    tmp_path: Path,
    chat: ChatFormat,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("learning.model.torch_loading.computes_bf16", lambda: False)
    action = chat.encode_text("a reply that is longer than one chunk of the head " * 3)
    example = _hindsight(*action)
    job = _job(random_model, steps=1)
    _, report = _round(job, tmp_path, [example])
    model = load_student(job)
    ids = torch.tensor([example.ids])
    log_p = model(input_ids=ids).logits[0, :-1].log_softmax(-1).gather(-1, ids[0, 1:, None])
    nll = -log_p[-len(action) :, 0]
    weighted = ((0.25 + 0.75 * (-nll).exp().detach()) * nll).mean()
    weighted.backward()
    gradients = [p.grad for p in model.parameters() if p.requires_grad and p.grad is not None]
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    assert report.steps[0].loss == pytest.approx(float(weighted.detach()), rel=1e-5)
    assert report.steps[0].grad_norm == pytest.approx(float(norm), rel=1e-4)


def test_every_example_comes_once_before_any_comes_twice() -> None:
    steps = schedule_steps(3, steps=4, batch=2, seed=5)
    assert [len(batch) for batch in steps] == [2, 2, 2, 2]
    flat = [index for batch in steps for index in batch]
    assert sorted(flat[:3]) == sorted(flat[3:6]) == [0, 1, 2]
    assert schedule_steps(3, steps=4, batch=2, seed=5) == steps
    assert schedule_steps(50, steps=5, batch=4, seed=6) != schedule_steps(
        50, steps=5, batch=4, seed=7
    )
