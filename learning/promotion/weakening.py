"""Makes a weaker copy of an adapter: weights between the bare model's and those that were learned.

What a round learned can cost elsewhere; weights on the line between a model and its tuned form often keep most of the
gain and lose less (Wortsman et al., arXiv 2109.01903, WiSE-FT). There the whole weights are averaged; here `lora_alpha` is
scaled, which is the same for an adapter, and the copy is tried by the gates like any other.
"""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from learning.promotion.adapters import AdapterStore
from learning.promotion.manifest import (
    AdapterDamagedError,
    AdapterError,
    AdapterManifest,
    hash_files,
    write_manifest,
)

_CONFIG = "adapter_config.json"
_WEAKEST = 1e-3
"""Of `lora_alpha / r`: below it nothing is left of what was learned."""


def weakened(
    store: AdapterStore,
    name: str,
    *,
    prefix: str,
    strength: float,
    clock: Callable[[], float] = time.time,
) -> AdapterManifest:
    """Add a copy of an adapter with a share of its strength; its manifest.

    `prefix` is the readable part of the new name. `strength` is above 0 and below 1: 0.5 is halfway to the bare model.
    The copy has the same parent and experiences, so that forgetting one of these taints it, too.

    Raises:
        ValueError: If the strength is not between 0 and 1.
        AdapterError: If the adapter is missing, damaged, or weaker already than a thousandth.
    """
    if not 0 < strength < 1:
        raise ValueError("the strength of a weaker copy is between 0 and 1")
    manifest = store.verify(name, base=store.get(name).base)
    source = store.path(name)
    with tempfile.TemporaryDirectory(dir=source.parent, prefix=".weaker-") as scratch:
        folder = Path(scratch, "adapter")
        shutil.copytree(source, folder)
        _scale(folder / _CONFIG, strength)
        copy = replace(
            manifest,
            name=f"{prefix}-{name.rpartition('-')[2]}",
            files=hash_files(folder),
            config={**manifest.config, "weaker_copy_of": name, "strength": strength},
            created_at=clock(),
            decision={},
        )
        write_manifest(folder, copy)
        return store.adopt(folder)


def _scale(file: Path, strength: float) -> None:
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
        alpha, rank = float(config["lora_alpha"]), int(config["r"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as err:
        raise AdapterDamagedError(f"{file} cannot be read: {err}") from err
    if config.get("alpha_pattern"):
        raise AdapterError(
            f"{file.parent.name} has a strength of its own for some layers: it is not scaled"
        )
    if alpha * strength / rank < _WEAKEST:
        raise AdapterError(f"{file.parent.name} would have no effect at that strength")
    file.write_text(
        json.dumps({**config, "lora_alpha": alpha * strength}, indent=2) + "\n", encoding="utf-8"
    )
