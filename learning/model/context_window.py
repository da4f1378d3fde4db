"""Decides how many tokens of context our own server keeps for a model: as many as the model reads and fit."""

from __future__ import annotations

import json
from pathlib import Path

USUAL = 8192
"""Tokens where nothing is known of the model's size or of the memory; never fewer on purpose."""
_STEP = 1024
_SHARE = 4
"""The keys and values may take one part in so many of the memory that is available."""
_BYTES = 2
"""Bytes of one number in the cache: half precision."""


def fitting_window(config: Path, *, model_context: int, available_bytes: int | None) -> int:
    """Tokens of context to keep, at most `model_context`.

    `config` is the model's `config.json`, which says how large the keys and values of a token are.
    """
    size = _bytes_per_token(config)
    if size is None or available_bytes is None:
        return min(model_context, USUAL)
    fits = available_bytes // _SHARE // size // _STEP * _STEP
    return min(model_context, max(fits, USUAL))


def _bytes_per_token(config: Path) -> int | None:
    """Bytes of the keys and values of one token in all layers; None if the file does not say."""
    try:
        model = json.loads(config.read_text(encoding="utf-8"))
        heads = int(model["num_attention_heads"])
        width = int(model.get("head_dim") or model["hidden_size"] // heads)
        shared = int(model.get("num_key_value_heads") or heads)
        return 2 * int(model["num_hidden_layers"]) * shared * width * _BYTES
    except (OSError, ValueError, KeyError, TypeError, ZeroDivisionError, AttributeError):
        return None
