"""PEFT LoRA folder to GGUF adapter, so that llama.cpp serves what torch trained.

Writes plain LoRA on linear layers of the Llama and Qwen families. Anything it could not express
exactly (DoRA, saved modules, per-module ranks) is refused, never approximated.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learning.model.engine import EngineError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_ARCHITECTURES = {"llama": "llama", "mistral": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}
ADAPTABLE = frozenset(_ARCHITECTURES.values())
"""Architectures, as GGUF calls them, that llama.cpp takes our adapters for."""
_LAYERS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_KEY = re.compile(
    r"^base_model\.model\.model\.layers\.(?P<layer>\d+)\.(?P<module>[\w.]+)\.lora_(?P<side>[AB])\.weight$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Base:
    architecture: str
    heads: int
    key_value_heads: int


def export_gguf(peft_folder: Path, hf_folder: Path, out: Path) -> None:
    """Write the adapter of `peft_folder`, made for the model in `hf_folder`, to `out`.

    Raises:
        EngineError: If the folder is not an adapter, or is of a kind that GGUF cannot express.
    """
    from gguf import GGUFWriter

    base = _read_base(hf_folder)
    alpha = _read_alpha(peft_folder)
    partial = out.with_name(f".{out.name}.partial")
    writer = GGUFWriter(partial, base.architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    for name, array in _tensors(peft_folder, base):
        writer.add_tensor(name, array)
    try:
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(out)
    except OSError as err:
        raise EngineError(f"The adapter {peft_folder.name} cannot be written: {err}.") from err
    finally:
        partial.unlink(missing_ok=True)


def _read_base(hf_folder: Path) -> _Base:
    config = _read_config(hf_folder / "config.json")
    architecture = _ARCHITECTURES.get(str(config.get("model_type")))
    if architecture is None:
        raise EngineError(
            f"Adapters for models of type {config.get('model_type')!r} cannot be served by "
            "llama.cpp here; use the torch engine."
        )
    heads = int(config["num_attention_heads"])
    return _Base(
        architecture=architecture,
        heads=heads,
        key_value_heads=int(config.get("num_key_value_heads", heads)),
    )


def _read_alpha(peft_folder: Path) -> float:
    """The alpha that makes llama.cpp's `alpha / rank` equal to the scale that PEFT uses."""
    config = _read_config(peft_folder / "adapter_config.json")
    wrong = [
        name for name in ("rank_pattern", "alpha_pattern", "modules_to_save") if config.get(name)
    ]
    wrong += ["use_dora"] if config.get("use_dora") else []
    wrong += ["bias"] if config.get("bias", "none") != "none" else []
    if config.get("peft_type") != "LORA" or wrong:
        raise EngineError(
            f"The adapter {peft_folder.name} is not plain LoRA "
            f"({', '.join(wrong) or config.get('peft_type')}); use the torch engine for it."
        )
    alpha, rank = float(config["lora_alpha"]), int(config["r"])
    return alpha * math.sqrt(rank) if config.get("use_rslora") else alpha


def _tensors(peft_folder: Path, base: _Base) -> Iterator[tuple[str, NDArray[np.float32]]]:
    for key, array in _read_safetensors(peft_folder / "adapter_model.safetensors"):
        match = _KEY.match(key)
        layer = _LAYERS.get(match["module"]) if match else None
        if match is None or layer is None:
            raise EngineError(
                f"The adapter {peft_folder.name} changes {key}, which llama.cpp cannot adapt; "
                "use the torch engine for it."
            )
        if match["side"] == "B" and base.architecture == "llama" and layer in ("attn_q", "attn_k"):
            heads = base.heads if layer == "attn_q" else base.key_value_heads
        else:
            heads = 0
        name = f"blk.{match['layer']}.{layer}.weight.lora_{match['side'].lower()}"
        yield name, _permute(array, heads) if heads else array


def _permute(rows: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Reorder the rows of q and k as GGUF does for Llama, where rotary pairs are interleaved."""
    out, rank = rows.shape
    return rows.reshape(heads, 2, out // heads // 2, rank).swapaxes(1, 2).reshape(out, rank).copy()


def _read_safetensors(path: Path) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """All tensors as float32. numpy has no bfloat16: it is the upper half of a float32."""
    import numpy as np
    from safetensors import SafetensorError, deserialize

    try:
        entries = deserialize(path.read_bytes())  # type: ignore[no-untyped-call]
    except (OSError, SafetensorError) as err:
        raise EngineError(f"{path} cannot be read: the adapter is damaged.") from err
    kinds = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}
    for name, entry in entries:
        if entry["dtype"] not in kinds:
            raise EngineError(f"{path} has a tensor of type {entry['dtype']}, which is not usable.")
        data = np.frombuffer(entry["data"], dtype=kinds[entry["dtype"]])
        if entry["dtype"] == "BF16":
            data = (data.astype(np.uint32) << 16).view(np.float32)
        yield name, data.astype(np.float32).reshape(entry["shape"])


def _read_config(path: Path) -> dict[str, Any]:
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise EngineError(f"{path} cannot be read: not an adapter or model folder.") from err
    if not isinstance(config, dict):
        raise EngineError(f"{path} is damaged.")
    return config
