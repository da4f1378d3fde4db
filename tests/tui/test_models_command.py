"""`elagent models ls` says what is known: the memory that serving and training take, and why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.library.machine import Machine
from agent.library.models import measured_speed, model_row, model_rows
from learning.model.catalog import ModelNotFoundError, find
from learning.model.speed import DecodeSpeed

GB = 10**9


@pytest.mark.parametrize(
    ("name", "machine", "serving", "training"),
    [
        ("qwen2.5-coder-1.5b", Machine(ram=16 * GB, gpu=0, bf16=True),
         "yes: 2.6 GB, 32k context", "yes: 7.0 GB bf16"),
        ("qwen2.5-coder-1.5b", Machine(ram=8 * GB, gpu=0, bf16=False),
         "yes: 2.6 GB, 32k context", "no: 10.6 GB float32"),
        ("qwen2.5-coder-7b", Machine(ram=25 * GB, gpu=0, bf16=True),
         "yes: 7.1 GB, 32k context", "needs a CUDA GPU with 9.8 GB"),
        ("qwen2.5-coder-7b", Machine(ram=48 * GB, gpu=25 * GB, bf16=False),
         "yes: 7.1 GB, 32k context", "yes: 9.8 GB GPU, 4 bits"),
        ("qwen2.5-coder-7b", Machine(ram=5 * GB, gpu=25 * GB, bf16=False, offloads=True),
         "yes: 7.1 GB GPU, 32k context",
         "no: unpacking its weights takes more memory than there is (30.5 GB)"),
        ("qwen2.5-coder-32b", Machine(ram=16 * GB, gpu=0, bf16=True),
         "no: 22.5 GB, 8k context", "needs a CUDA GPU with 27.0 GB"),
        ("granite-4.1-3b", Machine(ram=25 * GB, gpu=0, bf16=True),
         "yes: 7.4 GB, 57k context", "no: architecture granite is served only"),
    ],
)  # fmt: skip
def test_memory_is_told_with_the_answer(
    name: str, machine: Machine, serving: str, training: str
) -> None:
    row = model_row(name, find(name), size=0, machine=machine)
    assert (row["serving"], row["training"]) == (serving, training)
    assert (row["serves"] == "yes") == serving.startswith("yes")
    assert (row["trains"] == "yes") == training.startswith("yes")


def test_a_model_of_ones_own_is_listed_without_a_guess() -> None:
    row = model_row("mine", None, size=7, machine=Machine(ram=8 * GB, gpu=0, bf16=True))
    assert (row["serving"], row["training"], row["size_bytes"]) == ("-", "-", 7)


def test_the_speed_of_the_others_is_estimated_from_a_measured_one(tmp_path: Path) -> None:
    machine = Machine(ram=25 * GB, gpu=0, bf16=True)
    speed = DecodeSpeed(
        model="qwen2.5-coder-1.5b", tokens_per_s=20.0, bytes_per_token=1_117_320_768
    )
    rows = {row["name"]: row for row in model_rows(tmp_path, machine, speed)}
    assert rows["qwen2.5-coder-7b"]["tokens_per_s"] == 4.8
    assert rows["qwen3-coder-30b-a3b"]["tokens_per_s"] == 11
    assert "tokens_per_s" not in model_rows(tmp_path, machine)[0]


def test_a_measurement_without_a_model_says_what_to_fetch(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match=r"fetch one first.*elagent models pull"):
        measured_speed(tmp_path)
