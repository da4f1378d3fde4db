"""Trainers of TRL that learn from recorded replies.

Where a trainer would ask the model for replies it gets the recorded ones with their verdicts, so
that every arm learns from the same replies and the same sandbox runs; in their usual setting these
trainers sample anew after each step. GRPO on word problems does that, because its reward runs no
code. Needs the extra `baselines` (TRL 1.16.0).
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from lab.benchmarks.gsm8k import final_number
from learning.model.torch_loading import load_base
from learning.records import Experience, Verdict
from learning.training.job import TrainingJob

_GROUP = 8
"""Replies to one word problem, compared with each other; fewer if a step has fewer."""
_REPLY = "reply"
"""Column of a row: the place of its recorded reply."""


def grpo(job: TrainingJob, steps: Sequence[Experience], scratch: str) -> Any:  # noqa: ANN401
    """GRPO (arXiv 2402.03300): a step is the group of all replies to one task."""
    from trl import GRPOConfig, GRPOTrainer  # type: ignore[import-not-found]  # of the extra

    groups = _by_prompt(steps)
    size = min(map(len, groups.values()))

    def replies(prompts: Sequence[object], _trainer: object) -> dict[str, list[Any]]:
        dealt = list(_dealt(prompts, groups))
        return {
            "prompt_ids": [list(step.action.prompt_ids) for step in dealt],
            "completion_ids": [list(step.action.token_ids) for step in dealt],
            "logprobs": None,  # type: ignore[dict-item]  # TRL's own samples have none either
            "passed": [float(step.verdict is Verdict.PASS) for step in dealt],
        }

    return GRPOTrainer(
        model=_base(job),
        peft_config=_lora(job),
        reward_funcs=_reward,
        args=GRPOConfig(
            **_settings(job, scratch, batch=size),
            num_generations=size,
            loss_type="grpo",
            max_completion_length=max(len(step.action.token_ids) for step in steps),
        ),
        train_dataset=_dataset([{"prompt": json.loads(key)} for key in groups]),
        processing_class=_tokenizer(job),
        rollout_func=replies,
    )


def grpo_words(job: TrainingJob, steps: Sequence[Experience], scratch: str) -> Any:  # noqa: ANN401
    """GRPO on word problems, sampled as it learns: a reply is right if it ends with the number."""
    from trl import GRPOConfig, GRPOTrainer

    size = max(2, min(_GROUP, job.batch))
    tokenizer = _tokenizer(job)
    longest = max(
        len(tokenizer.apply_chat_template(_messages(step), add_generation_prompt=True)["input_ids"])
        for step in steps
    )

    def right(completions: Sequence[Any], answer: Sequence[str], **_: object) -> list[float]:
        replies = [completion[-1]["content"] for completion in completions]
        return [
            float(final_number(reply) == Fraction(number))
            for reply, number in zip(replies, answer, strict=True)
        ]

    return GRPOTrainer(
        model=_base(job),
        peft_config=_lora(job),
        reward_funcs=right,
        args=GRPOConfig(
            **_settings(job, scratch, batch=size),
            num_generations=size,
            loss_type="grpo",
            max_completion_length=max(1, job.max_tokens - longest),
        ),
        train_dataset=_dataset(
            [{"prompt": _messages(step), "answer": step.evidence[0].expected} for step in steps]
        ),
        processing_class=tokenizer,
    )


def sdpo(job: TrainingJob, steps: Sequence[Experience], scratch: str) -> Any:  # noqa: ANN401
    """SDPO (arXiv 2601.20802): the teacher sees a passing sibling and what the tools said."""
    from trl.experimental.sdpo import (  # type: ignore[import-not-found]  # of the extra
        SDPOConfig,
        SDPOTrainer,
    )

    groups = _by_prompt(steps)
    size = min(map(len, groups.values()))

    class RecordedSdpo(SDPOTrainer):  # type: ignore[misc]  # untyped
        def _prepare_training_batch(self, inputs: list[dict[str, Any]]) -> object:
            self.dealt = list(_dealt([row["prompt"] for row in inputs], groups))
            told = [
                {**row, "privileged_context": _said(step), "passed": step.verdict is Verdict.PASS}
                for row, step in zip(inputs, self.dealt, strict=True)
            ]
            return super()._prepare_training_batch(told)

        def _generate(self, prompt_ids: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
            return prompt_ids, [list(step.action.token_ids) for step in self.dealt]

    rows = [{"prompt": json.loads(key), "privileged_context": ""} for key in groups]
    return RecordedSdpo(
        model=_base(job),
        peft_config=_lora(job),
        reward_funcs=_reward,
        args=SDPOConfig(
            **_settings(job, scratch, batch=size),
            num_generations=size,
            max_prompt_length=None,
            include_environment_feedback=True,
        ),
        train_dataset=_dataset(rows),
        processing_class=_tokenizer(job),
    )


def sdft(job: TrainingJob, steps: Sequence[Experience], scratch: str) -> Any:  # noqa: ANN401
    """SDFT (arXiv 2601.19897): the teacher sees a reply that passed; each task has one."""
    from trl.experimental.sdft import (  # type: ignore[import-not-found]  # of the extra
        SDFTConfig,
        SDFTTrainer,
    )

    shown: dict[str, str] = {}
    for step in steps:
        if step.verdict is Verdict.PASS:
            shown.setdefault(step.targets[0], step.action.text)
    rows = [
        {"prompt": _messages(step), "privileged_context": shown[step.targets[0]], _REPLY: place}
        for place, step in enumerate(steps)
    ]

    class RecordedSdft(SDFTTrainer):  # type: ignore[misc]  # untyped
        def sample_rollouts(self, inputs: list[dict[str, Any]]) -> object:
            self.dealt = [steps[row[_REPLY]] for row in inputs]
            return super().sample_rollouts(inputs)

        def _generate(self, prompt_ids: list[list[int]]) -> tuple[list[list[int]], list[list[int]]]:
            return prompt_ids, [list(step.action.token_ids) for step in self.dealt]

    return RecordedSdft(
        model=_base(job),
        peft_config=_lora(job),
        args=SDFTConfig(
            **_settings(job, scratch, batch=1), num_generations=1, max_prompt_length=None
        ),
        train_dataset=_dataset(rows),
        processing_class=_tokenizer(job),
    )


def _by_prompt(steps: Sequence[Experience]) -> dict[str, list[Experience]]:
    """The recorded replies by prompt; the key is the prompt as JSON, which the trainers' rows hold."""
    groups: defaultdict[str, list[Experience]] = defaultdict(list)
    for step in steps:
        groups[json.dumps(_messages(step))].append(step)
    return dict(groups)


def _dealt(
    prompts: Sequence[object], groups: Mapping[str, Sequence[Experience]]
) -> Iterator[Experience]:
    """Give the n-th recorded reply for the n-th time that a prompt comes in a batch."""
    seen: defaultdict[str, int] = defaultdict(int)
    for prompt in prompts:
        key = json.dumps(prompt)
        yield groups[key][seen[key]]
        seen[key] += 1


def _messages(step: Experience) -> list[dict[str, str]]:
    return [{"role": message.role, "content": message.content} for message in step.messages]


def _said(step: Experience) -> str:
    """The tools' words about a failure; TRL expects an empty text for a pass."""
    return "\n".join(f"{fact.exception}: {fact.message}".lstrip(": ") for fact in step.evidence)


def _reward(*, passed: Sequence[float], **_: object) -> list[float]:
    return [float(each) for each in passed]


def _dataset(rows: list[dict[str, Any]]) -> Any:  # noqa: ANN401
    import datasets  # type: ignore[import-not-found]  # of the extra

    return datasets.Dataset.from_list(rows)


def _base(job: TrainingJob) -> Any:  # noqa: ANN401
    """The frozen model; what is drawn from now on follows the job's seed."""
    import torch

    if job.threads:
        torch.set_num_threads(job.threads)
    base, _ = load_base(Path(job.model_folder))
    torch.manual_seed(job.seed)
    return base


def _lora(job: TrainingJob) -> object:
    from learning.training.lora import lora_config

    return lora_config(job)


def _tokenizer(job: TrainingJob) -> Any:  # noqa: ANN401
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(
        job.model_folder, local_files_only=True, trust_remote_code=False
    )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def _settings(job: TrainingJob, scratch: str, *, batch: int) -> dict[str, Any]:
    """Settings that all trainers share."""
    return {
        "output_dir": scratch,
        "max_steps": job.steps,
        "learning_rate": job.learning_rate,
        "lr_scheduler_type": "constant",
        "max_grad_norm": 0.5,
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": max(1, job.batch // batch),
        "steps_per_generation": 1,
        "gradient_checkpointing": False,
        "remove_unused_columns": False,
        "bf16": False,
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "seed": job.seed,
    }
