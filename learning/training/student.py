"""A student for experiments: loaded once, it learns one lesson after another, each from the same weights.

Between the steps it can be asked for the probabilities of next tokens. A round of the product is one
job in one process instead; see `learning.training.worker`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import torch

from learning.training.causal_model import CausalModel
from learning.training.checkpoint import StepReport, resume
from learning.training.fused import fused
from learning.training.job import TrainingJob
from learning.training.lora import load_student
from learning.training.packing import packed_attention, packs, read
from learning.training.passes import chunks, logits
from learning.training.prepare import Prepared
from learning.training.resources import available_bytes, check_memory, checkpoint_every
from learning.training.trainer import train

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


class Student:
    """A model with LoRA weights that are put back before each lesson."""

    def __init__(self, job: TrainingJob) -> None:
        """Load the model of a job, with the weights of its parent adapter if it names one.

        Raises:
            NotEnoughMemoryError: If the model does not fit into memory.
            TrainingError: If its weights cannot be read.
        """
        source, available = Path(job.model_folder), available_bytes()
        check_memory(source, available_bytes=available)
        tokens = max(job.max_tokens, job.pack_tokens)
        self._every = checkpoint_every(source, tokens=tokens, available_bytes=available)
        self._job = job
        self._model = load_student(job)
        self._base = cast("CausalModel", self._model.get_base_model())
        self._start = {name: weight.detach().clone() for name, weight in self._trained().items()}

    def restore(self) -> None:
        """Put the weights back that the student was loaded with."""
        with torch.no_grad():
            for name, weight in self._trained().items():
                weight.copy_(self._start[name])

    def resume(self, folder: Path) -> int:
        """Take the weights that an interrupted lesson left in its folder; return its number of steps."""
        trained = self._trained()
        done = resume(folder, trained, torch.optim.AdamW(trained.values(), fused=True))
        return len(done)

    def learn(
        self,
        examples: Sequence[Prepared],
        folder: Path,
        *,
        steps: int,
        batch: int,
        learning_rate: float,
        on_step: Callable[[StepReport], None],
    ) -> None:
        """Learn a lesson from the weights as they are, or go on with the one in `folder`.

        The teacher is the student as it is when the targets are read, so call it after `restore`.
        """
        job = dataclasses.replace(self._job, steps=steps, batch=batch, learning_rate=learning_rate)
        folder.mkdir(parents=True, exist_ok=True)
        train(*(self._model, examples, job, folder), checkpoint_every=self._every, on_step=on_step)

    @torch.no_grad()
    def next_probabilities(
        self, rows: Sequence[Sequence[int]], choices: Sequence[int]
    ) -> list[tuple[float, ...]]:
        """Probability of each choice as the token after each row, under the whole vocabulary."""
        found: list[tuple[float, ...]] = [()] * len(rows)
        with fused(self._model), packed_attention(self._base):
            for pack in packs([len(row) for row in rows], self._job.pack_tokens):
                members = [rows[index] for index in pack]
                ends = itertools.accumulate(len(row) for row in members)
                last_td = read(self._base, members)[[end - 1 for end in ends]]
                for index, values in zip(pack, self._chosen(last_td, choices), strict=True):
                    found[index] = values
        return found

    def _chosen(self, last_td: Tensor, choices: Sequence[int]) -> list[tuple[float, ...]]:
        found: list[tuple[float, ...]] = []
        for chunk in chunks(len(last_td)):
            chances_tv = torch.softmax(logits(self._base, last_td[chunk]).float(), dim=-1)
            found += [tuple(row) for row in chances_tv[:, list(choices)].tolist()]
        return found

    def _trained(self) -> Mapping[str, torch.nn.Parameter]:
        return {name: p for name, p in self._model.named_parameters() if p.requires_grad}
