"""Decides how many tokens of context our own server keeps for a model: as many as the model reads and fit."""

from __future__ import annotations

import json
from pathlib import Path

from learning.model.llama.gpu_layers import Footprint

USUAL = 8192
"""Tokens where nothing is known of the model's size or of the memory; never fewer on purpose."""
_STEP = 1024
_SHARE = 4
"""The keys and values may take one part in so many of the memory that is available."""
_BYTES = 2
"""Bytes of one number in the cache: half precision."""


def fitting_window(
    config: Path, *, model_context: int, available_bytes: int | None, weights_bytes: int = 0
) -> int:
    """Tokens of context to keep, at most `model_context`.

    `config` is the model's `config.json`, which says how large the keys and values of a token are;
    `weights_bytes` will be taken from the available memory first.
    """
    size = _bytes_per_token(config)
    if size is None or available_bytes is None:
        return min(model_context, USUAL)
    return fitting_tokens(
        size, model_context=model_context, free_bytes=available_bytes - weights_bytes
    )


def fitting_tokens(bytes_per_token: int, *, model_context: int, free_bytes: int) -> int:
    """Tokens whose keys and values take their share of the free memory, but never fewer than usual."""
    fits = free_bytes // _SHARE // bytes_per_token // _STEP * _STEP
    return min(model_context, max(fits, USUAL))


def footprint(config: Path, *, gguf: Path, context_length: int) -> Footprint | None:
    """Memory of a model's layers with that context; None if `config` does not say."""
    size = _bytes_per_token(config)
    if size is None:
        return None
    model = json.loads(config.read_text(encoding="utf-8"))
    return Footprint(
        layers=int(model.get("text_config", model)["num_hidden_layers"]),
        weights_bytes=gguf.stat().st_size,
        cache_bytes=size * context_length,
    )


def _bytes_per_token(config: Path) -> int | None:
    """Bytes of the keys and values of one token in all layers; None if the file does not say."""
    try:
        model = json.loads(config.read_text(encoding="utf-8"))
        model = model.get("text_config", model)
        heads = int(model["num_attention_heads"])
        width = int(model.get("head_dim") or model["hidden_size"] // heads)
        shared = int(model.get("num_key_value_heads") or heads)
        return 2 * int(model["num_hidden_layers"]) * shared * width * _BYTES
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError, AttributeError):
        return None
