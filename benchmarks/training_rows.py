"""The arms of `benchmarks.training` for rows about APIs: the trainer, and how it read rows before.

`rows-alone` is that older way, kept as the measure: each row is read by itself, peft adds the low-rank
part in float32, the head takes 64 positions at a time, large blocks go back to the system at once,
torch fills new memory, and the state is written after every step.
"""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from learning.training.causal_model import CausalModel
    from learning.training.job import TrainingJob
    from learning.training.prepare import Prepared

_SHORTEST, _LONGEST = 110, 300
"""Tokens of a row: prompt and completion of one small task."""


def rows(job: TrainingJob) -> list[Prepared]:
    """Rows of made-up ids for all steps, a third of each trained, the name in three tokens."""
    from learning.training.api_rows import ApiTokens
    from learning.training.job import ExampleKind
    from learning.training.prepare import Prepared

    lengths = random.Random(0)  # noqa: S311 - the same rows for every arm
    found = []
    for number in range(job.steps * job.batch):
        length = lengths.randint(_SHORTEST, _LONGEST)
        ids = tuple(1000 + (7 * n + 13 * number) % 5000 for n in range(length))
        start = length - length // 3
        place = start + length // 6
        api = ApiTokens(names=tuple(range(place, place + 3)), differs=place, stale_id=900)
        found.append(
            Prepared(
                kind=ExampleKind.API_PAIR, ids=ids, positions=tuple(range(start, length)), api=api
            )
        )
    return found


def packed(job: TrainingJob) -> Callable[[], object]:
    """The trainer as it is."""
    from learning.training.lora import load_student
    from learning.training.resources import available_bytes, checkpoint_every, pack_tokens
    from learning.training.trainer import train

    folder, free = Path(job.model_folder), available_bytes()
    job = replace(job, pack_tokens=pack_tokens(folder, available_bytes=free))
    every = checkpoint_every(folder, tokens=job.pack_tokens, available_bytes=free)
    examples, student = rows(job), load_student(job)

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            train(student, examples, job, Path(folder), checkpoint_every=every)

    return run


def alone(job: TrainingJob) -> Callable[[], object]:
    """One row at a time."""
    import torch

    from learning.training import passes
    from learning.training.lora import load_student
    from learning.training.loss import rows_of
    from learning.training.teacher import save

    student = load_student(job)
    torch.utils.deterministic.fill_uninitialized_memory = True  # type: ignore[attr-defined]
    passes.HEAD_CHUNK = 64
    base = cast("CausalModel", student.get_base_model())
    weights = [p for p in student.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=job.learning_rate, weight_decay=0.0)
    examples = [rows_of(example, None, job.rule.span) for example in rows(job)]

    def step(batch: Sequence[tuple[passes.Pass, ...]], folder: Path) -> None:
        halves = passes.HalvedGradient(weights)
        for example in batch:
            passes.backward(base, example)
            halves.take(halves.next_half())
        halves.agreement()
        halves.put()
        torch.nn.utils.clip_grad_norm_(weights, 0.5)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        save(folder / "state.pt", {"weights": weights, "optimizer": optimizer.state_dict()})

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            for first in range(0, len(examples), job.batch):
                step(examples[first : first + job.batch], Path(folder))

    return run
