"""Loads the weights of a model folder for torch, on the device and in the dtype that fit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from learning.model.engine import EngineError
from learning.model.processor import computes_bf16

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel


def load_base(
    hf_folder: Path, *, device: str = "auto", four_bits: bool = False
) -> tuple[PreTrainedModel, torch.dtype]:
    """The model in evaluation mode: bf16 where the device computes in it, float32 elsewhere.

    `four_bits`, on CUDA only: linear layers but the head in NF4 (QLoRA, arXiv 2305.14314), as the
    package bitsandbytes does it.

    Raises:
        EngineError: If the folder is not a usable model, bitsandbytes is missing, or memory is short.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]
    chosen = _pick_device(device)
    dtype = torch.bfloat16 if chosen != "cpu" or computes_bf16() else torch.float32
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            hf_folder,
            dtype=dtype,
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            **(_in_four_bits(dtype) if four_bits else {}),
        )
        if not four_bits:  # what is quantised was loaded to its place
            model.to(chosen)
    except ImportError as err:
        if not four_bits:
            raise
        raise EngineError(
            f"Training {hf_folder} in four bits needs bitsandbytes: install elagent with the extra"
            " `cuda`."
        ) from err
    except (OSError, ValueError, KeyError, RuntimeError, MemoryError) as err:
        reason = (str(err).strip() or type(err).__name__).splitlines()[0]
        raise EngineError(f"torch cannot load {hf_folder}: {reason}") from err
    model.eval()
    return model, dtype


def _in_four_bits(dtype: torch.dtype) -> dict[str, Any]:
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )
    return {"quantization_config": config, "device_map": {"": 0}}


def _pick_device(device: str) -> str:
    import torch

    if device != "auto":
        return device
    return "cuda" if torch.cuda.is_available() else "cpu"
