"""Loads and saves the student: the base model with LoRA matrices on all its linear layers."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from learning.model.needs import FOUR_BITS_FROM
from learning.model.torch_loading import load_base
from learning.training.job import TrainingJob
from learning.training.resources import parameter_count

if TYPE_CHECKING:
    from peft import LoraConfig, PeftModel
    from transformers import PreTrainedModel


def load_student(job: TrainingJob) -> PeftModel:
    """Load the base model with fresh LoRA weights, or with the weights of the parent adapter.

    The result depends on the job's seed alone. Fresh LoRA weights have no effect before the first step.
    """
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]

    if job.threads:
        torch.set_num_threads(job.threads)
    torch.use_deterministic_algorithms(mode=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a tenth of a step, for nothing
    folder = Path(job.model_folder)
    base, _ = load_base(
        folder, four_bits=in_four_bits(parameter_count(folder), cuda=torch.cuda.is_available())
    )
    base.requires_grad_(requires_grad=False)
    torch.manual_seed(job.seed)
    with warnings.catch_warnings():
        # peft 0.21 asks transformers 5 for an attribute that it will have renamed in version 6.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        return _with_lora(base, job)


def in_four_bits(weights: int, *, cuda: bool) -> bool:
    """True for a model that is trained on weights in four bits: a large one, on a GPU that can."""
    return cuda and weights >= FOUR_BITS_FROM


def _with_lora(base: PreTrainedModel, job: TrainingJob) -> PeftModel:
    from peft import PeftModel, get_peft_model

    if job.parent_folder is not None:
        return PeftModel.from_pretrained(base, job.parent_folder, is_trainable=True)
    config = lora_config(job)
    if job.layers == "upper":
        config = _of_upper_half(config, base)
    student = get_peft_model(base, config)
    assert isinstance(student, PeftModel)  # noqa: S101 - the mixed kind was not asked for
    return student


def lora_config(job: TrainingJob) -> LoraConfig:
    """LoRA on every linear layer but the head."""
    from peft import LoraConfig

    return LoraConfig(
        task_type="CAUSAL_LM",
        r=job.rank,
        lora_alpha=job.alpha,
        lora_dropout=0.0,
        target_modules="all-linear",
    )


def _of_upper_half(config: LoraConfig, base: PreTrainedModel) -> LoraConfig:
    """The same for the upper half of the layers alone; peft takes numbers only beside names."""
    head: object = base.get_output_embeddings()  # type: ignore[no-untyped-call]
    linear = {
        name.rpartition(".")[2]
        for name, module in base.named_modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    }
    count = base.config.num_hidden_layers
    config.target_modules = sorted(linear)
    config.layers_to_transform = list(range(count // 2, count))
    return config


def save_adapter(model: PeftModel, folder: Path, *, model_name: str) -> None:
    """Write a plain PEFT folder; the same weights give the same bytes."""
    model.peft_config["default"].base_model_name_or_path = model_name
    model.save_pretrained(str(folder), save_embedding_layers=False)  # "auto" would ask a hub
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["target_modules"] = sorted(config["target_modules"])  # a set: any order otherwise
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
