"""`elagent models ls` says what is known: the memory that serving and training take, and why not."""

from __future__ import annotations

import pytest

from agent.library.machine import Machine
from agent.library.models import model_row
from learning.model.catalog import find

GB = 10**9


@pytest.mark.parametrize(
    ("name", "machine", "serving", "training"),
    [
        ("qwen2.5-coder-1.5b", Machine(ram=8 * GB, gpu=0, bf16=True),
         "yes: 2.2 GB Q4", "yes: 6.8 GB bf16"),
        ("qwen2.5-coder-1.5b", Machine(ram=8 * GB, gpu=0, bf16=False),
         "yes: 2.2 GB Q4", "no: 10.3 GB float32"),
        ("qwen2.5-coder-7b", Machine(ram=25 * GB, gpu=0, bf16=True),
         "yes: 16.8 GB bf16", "yes: 18.5 GB bf16"),
        ("qwen2.5-coder-7b", Machine(ram=25 * GB, gpu=0, bf16=False),
         "own Q4: 5.7 GB", "no: 33.7 GB float32"),
        ("qwen2.5-coder-7b", Machine(ram=8 * GB, gpu=25 * GB, bf16=False),
         "yes: 16.8 GB GPU", "yes: 18.5 GB GPU"),
        ("qwen2.5-coder-32b", Machine(ram=16 * GB, gpu=0, bf16=True),
         "no: 20.9 GB Q4", "no: 68.7 GB bf16"),
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
