"""Rows that are read together give what each gives alone, and LoRA as one operation what peft gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch  # noqa: TID253 - tensors are compared here
from torch import Tensor  # noqa: TID253

from learning.model.catalog import InstalledModel
from learning.training.causal_model import CausalModel
from learning.training.fused import fused
from learning.training.halves import reader_of
from learning.training.job import ExampleKind, TrainingJob
from learning.training.lora import load_student
from learning.training.loss import passes_of
from learning.training.packing import packed_attention, packs, read
from learning.training.passes import Pass, backward, measure
from learning.training.prepare import Prepared
from learning.training.rules import LossRule

_ROWS = [tuple(range(40, 40 + length)) for length in (23, 7, 31, 12)]


@pytest.fixture
def job(random_model: InstalledModel, monkeypatch: pytest.MonkeyPatch) -> TrainingJob:
    monkeypatch.setattr("learning.model.torch_loading.computes_bf16", lambda: False)
    return TrainingJob(
        id="j",
        model=random_model.name,
        model_folder=str(random_model.hf),
        base=random_model.identity,
        adapter_prefix="el-shop-v0001",
        created_at=0.0,
        rank=4,
        alpha=8,
        threads=1,
    )


def _passes() -> list[Pass]:
    rule = LossRule(eta=1.0)
    examples = [
        Prepared(kind=ExampleKind.FIRST_TRY, ids=row, positions=tuple(range(4, len(row))))
        for row in _ROWS
    ]
    return [row for example in examples for row in passes_of(example, None, rule)]


def _moved(job: TrainingJob) -> torch.nn.Module:
    """A student whose LoRA matrices have an effect."""
    model = load_student(job)
    torch.manual_seed(3)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.normal_(std=0.1)
    return model


def _gradients(model: torch.nn.Module) -> dict[str, Tensor]:
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    for weight in model.parameters():
        weight.grad = None
    return found


def _base(model: torch.nn.Module) -> CausalModel:
    return cast("CausalModel", model.get_base_model())  # type: ignore[operator]


def test_a_row_in_a_pack_attends_to_itself_alone(job: TrainingJob) -> None:
    base = _base(_moved(job))
    with torch.no_grad():
        alone = read(base, _ROWS)
        with packed_attention(base):
            together = read(base, _ROWS)
            others = read(base, [tuple(reversed(_ROWS[0])), *_ROWS[1:]])
    assert torch.allclose(alone, together, atol=1e-5)
    assert torch.allclose(others[len(_ROWS[0]) :], together[len(_ROWS[0]) :], atol=1e-5)
    assert not torch.allclose(others[: len(_ROWS[0])], together[: len(_ROWS[0])], atol=1e-2)


def test_a_pack_has_the_gradient_of_its_rows(job: TrainingJob) -> None:
    model = _moved(job)
    base, rows = _base(model), _passes()
    lost = sum(backward(base, [row]) for row in rows)
    alone = _gradients(model)
    with fused(model), packed_attention(base):  # type: ignore[arg-type]
        assert backward(base, rows) == pytest.approx(lost, rel=1e-5)
        together = _gradients(model)
        assert measure(base, rows) == pytest.approx(lost, rel=1e-5)
    assert alone.keys() == together.keys()
    for name, gradient in alone.items():
        assert torch.allclose(gradient, together[name], rtol=1e-3, atol=1e-6), name


def test_the_model_is_left_as_it_was(job: TrainingJob) -> None:
    model = _moved(job)
    base = _base(model)
    ids = torch.tensor([_ROWS[0]])
    with torch.no_grad():
        before = model(input_ids=ids).logits
        with fused(model), packed_attention(base):  # type: ignore[arg-type]
            read(base, _ROWS)
        assert torch.equal(model(input_ids=ids).logits, before)


def test_attention_of_another_kind_is_read_row_by_row(job: TrainingJob) -> None:
    base = _base(_moved(job))
    base.config.sliding_window = 16
    with torch.no_grad():
        alone = read(base, _ROWS)
        with packed_attention(base):
            assert torch.equal(read(base, _ROWS), alone)


def test_half_precision_stays_close(job: TrainingJob, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = _moved(job)
    expected = sum(backward(_base(exact), [row]) for row in _passes())
    exactly = _gradients(exact)
    monkeypatch.setattr("learning.model.torch_loading.computes_bf16", lambda: True)
    model = _moved(replace(job))
    with fused(model), packed_attention(_base(model)):  # type: ignore[arg-type]
        assert backward(_base(model), _passes()) == pytest.approx(expected, rel=0.02)
    for name, gradient in _gradients(model).items():
        assert gradient.dtype == torch.float32
        cosine = torch.cosine_similarity(gradient.flatten(), exactly[name].flatten(), dim=0)
        assert cosine > 0.99, name


def test_a_kept_lower_half_changes_nothing(job: TrainingJob, tmp_path: Path) -> None:
    model = _moved(replace(job, layers="upper"))
    base, rows = _base(model), _passes()
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert all(".layers.1." in name for name in trained)
    reader = reader_of(base, trained, tmp_path / "lower")
    assert reader is not base
    with fused(model), packed_attention(base):  # type: ignore[arg-type]
        lost = backward(base, rows)
        whole = _gradients(model)
        for _ in range(2):  # computed, then from the disk
            assert backward(reader, rows) == pytest.approx(lost, rel=1e-5)
            halved = _gradients(model)
            assert whole.keys() == halved.keys()
            assert all(torch.allclose(whole[n], halved[n], atol=1e-6) for n in whole)
    assert len(list((tmp_path / "lower").iterdir())) == len(rows)
    assert len(base.get_decoder().layers) == 2  # type: ignore[attr-defined]


def test_a_model_whose_lowest_layer_learns_is_read_whole(job: TrainingJob, tmp_path: Path) -> None:
    model = _moved(job)
    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert reader_of(_base(model), trained, tmp_path) is _base(model)


def test_packs_hold_every_row_once_and_no_more_than_their_limit() -> None:
    lengths = [5, 9, 3, 20, 4, 6]
    found = packs(lengths, 12)
    assert sorted(index for pack in found for index in pack) == list(range(6))
    assert [[lengths[index] for index in pack] for pack in found] == [[20], [9, 3], [6, 5], [4]]
    assert packs(lengths, 0) == [[3], [1], [5], [0], [4], [2]]
    assert packs([], 12) == []
