"""The arms of `benchmarks.training`: the same experiences through our loop, a plain one, and TRL's."""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from benchmarks.training_rows import alone, packed, rows

if TYPE_CHECKING:
    from peft import PeftModel
    from torch import Tensor

    from learning.training.job import TrainingJob
    from learning.training.prepare import Prepared

ARMS = ("plain", "ours", "trl", "ours-one", "rows-alone", "rows")
_NOTE = 40
"""Tokens of a note."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Work that every arm does."""

    model: str
    tokens: int
    experiences: int
    steps: int
    batch: int


class Run(NamedTuple):
    """Cost of one run, loading the model left out, its memory included."""

    cpu_s: float
    wall_s: float
    tokens: int
    """Tokens of examples that steps were made from: the same for the arms that are compared."""
    peak_mib: int


def measure(arm: str, work: Work) -> Run:
    """Do the work in this process."""
    from agent.paths import from_environ
    from learning.model.resolve import resolve
    from learning.model.weights import ensure_weights
    from learning.training.job import TrainingJob
    from learning.training.resources import peak_rss_mib, return_memory_at_once
    from learning.training.rules import LearningRule, LossRule, TargetRule

    return_memory_at_once(larger_than=2**20 if arm == "rows-alone" else 2**25)
    model = resolve(work.model, from_environ(os.environ).models)
    rule = LearningRule(loss=LossRule(echo=0.0, base_anchor=0.0, context_anchor=0.0), held_out=0.0)
    if arm in {"trl", "ours-one"}:
        rule = replace(rule, target=TargetRule(gamma_s=1.0), teacher_contexts=1, controls=0)
    job = TrainingJob(
        id="benchmark",
        model=model.name,
        model_folder=str(ensure_weights(model, on_progress=lambda *_: None)),
        base=model.identity,
        adapter_prefix="el-benchmark-v0001",
        created_at=0.0,
        steps=work.steps,
        max_tokens=work.tokens,
        rule=replace(rule, min_cosine=-1.0),
    )
    if arm.startswith("rows"):
        job = replace(job, batch=work.batch)
        tokens = sum(len(row.ids) for row in rows(job))
        run = (packed if arm == "rows" else alone)(job)
    else:
        tokens = work.steps * work.tokens
        examples = [_example(number, job) for number in range(work.experiences)]
        run = {"plain": _plain, "trl": _trl}.get(arm, _ours)(examples, job)
    cpu_s, wall_s = time.process_time(), time.perf_counter()
    run()
    return Run(
        cpu_s=time.process_time() - cpu_s,
        wall_s=time.perf_counter() - wall_s,
        tokens=tokens,
        peak_mib=peak_rss_mib(),
    )


def _example(number: int, job: TrainingJob) -> Prepared:
    """One experience of made-up ids: what they spell costs nothing."""
    from learning.training.job import ExampleKind
    from learning.training.prepare import Prepared

    ids = tuple(1000 + (7 * n + 13 * number) % 5000 for n in range(job.max_tokens))
    action = job.max_tokens // 3
    prompt, said = ids[:-action], ids[-action:]

    def noted(which: int) -> tuple[int, ...]:
        note = tuple(2000 + (which * 31 + n) % 900 for n in range(_NOTE))
        return (*prompt[:-4], *note, *prompt[-4:], *said)

    return Prepared(
        kind=ExampleKind.EVIDENCE,
        ids=ids,
        positions=tuple(range(len(prompt), len(ids))),
        teacher_contexts=tuple(noted(view) for view in range(job.rule.teacher_contexts)),
        controls=tuple(noted(10 + control) for control in range(job.rule.controls)),
    )


def _ours(examples: Sequence[Prepared], job: TrainingJob) -> Callable[[], object]:
    from learning.training.lora import load_student
    from learning.training.resources import available_bytes, checkpoint_every
    from learning.training.trainer import train

    student = load_student(job)
    every = checkpoint_every(
        Path(job.model_folder), tokens=job.max_tokens, available_bytes=available_bytes()
    )

    def run() -> None:
        with tempfile.TemporaryDirectory() as folder:
            train(student, examples, job, Path(folder), checkpoint_every=every)

    return run


def _plain(examples: Sequence[Prepared], job: TrainingJob) -> Callable[[], object]:
    """A round as one would write it first: whole passes, all logits, targets made anew."""
    import torch

    from learning.training.lora import load_student
    from learning.training.objective import forward_kl, read_evidence, token_weights

    student: PeftModel = load_student(job)
    weights = [p for p in student.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=job.learning_rate, weight_decay=0.0)

    def logits(ids: Sequence[int], count: int) -> Tensor:
        whole_tv: Tensor = student(input_ids=torch.tensor([list(ids)])).logits[0]
        return whole_tv[-count - 1 : -1]

    def step(example: Prepared) -> None:
        count = len(example.positions)
        with torch.no_grad(), student.disable_adapter():
            reading = read_evidence(
                logits(example.ids, count),
                torch.stack([logits(ids, count) for ids in example.teacher_contexts]),
                torch.stack([logits(ids, count) for ids in example.controls]),
                torch.tensor(example.ids[-count:]),
                rule=job.rule.target,
            )
        weight_t = token_weights(reading, torch.ones(count), rule=job.rule.weights, failed=True)
        loss_t = forward_kl(reading.target, logits(example.ids, count), tau=job.rule.loss.tau)
        loss = (loss_t * weight_t).sum() / (weight_t.sum() + 1e-6)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(weights, 0.5)
        optimizer.step()

    def run() -> None:
        for number in range(job.steps):
            step(examples[number % len(examples)])

    return run


def _trl(examples: Sequence[Prepared], job: TrainingJob) -> Callable[[], object]:
    """TRL's SDFT trainer, handed the recorded prompts and replies where it would make its own.

    Its best settings for this comparison: no checkpointing of activations, the adapter switched off
    as the teacher, no pass for importance weights.
    """
    import datasets  # type: ignore[import-not-found]  # of the extra "baselines"
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl.experimental.sdft import (  # type: ignore[import-not-found]
        SDFTConfig,
        SDFTTrainer,
    )

    from learning.model.torch_loading import load_base

    def prompt_of(ids: Sequence[int], example: Prepared) -> list[int]:
        return list(ids[: len(ids) - len(example.positions)])

    class Replayed(SDFTTrainer):  # type: ignore[misc]  # untyped
        """Prompts are numbers of experiences; the teacher's have a note."""

        def _tokenize_prompts(self, prompts: list[str]) -> list[list[int]]:
            found = []
            for prompt in prompts:
                number, _, note = prompt.partition("\n\n")
                example = examples[int(number)]
                found.append(
                    prompt_of(example.teacher_contexts[0] if note else example.ids, example)
                )
            return found

        def _generate(self, prompt_ids: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
            replies = {
                tuple(prompt_of(e.ids, e)): list(e.ids[-len(e.positions) :]) for e in examples
            }
            return prompt_ids, [replies[tuple(ids)] for ids in prompt_ids]

    rows = [{"prompt": str(n), "privileged_context": "note"} for n in range(len(examples))]
    folder = tempfile.mkdtemp(prefix="elagent-trl-")
    settings: dict[str, Any] = {
        "output_dir": folder,
        "max_steps": job.steps,
        "learning_rate": job.learning_rate,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.5,
        "per_device_train_batch_size": 1,
        "gradient_accumulation_steps": 1,
        "steps_per_generation": 1,
        "num_generations": 1,
        "max_prompt_length": None,
        "gradient_checkpointing": False,
        "use_cpu": True,
        "bf16": False,
        "report_to": "none",
        "save_strategy": "no",
        "logging_strategy": "no",
        "disable_tqdm": True,
        "seed": job.seed,
    }
    base, _ = load_base(Path(job.model_folder))
    lora = LoraConfig(
        task_type="CAUSAL_LM", r=job.rank, lora_alpha=job.alpha, target_modules="all-linear"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TRL says that it is experimental, which we know
        trainer = Replayed(
            model=base,
            args=SDFTConfig(**settings),
            train_dataset=datasets.Dataset.from_list(rows),
            processing_class=AutoTokenizer.from_pretrained(job.model_folder),
            peft_config=lora,
        )
    run: Callable[[], object] = trainer.train
    return run
