"""Checks what another member shared before anything of it is believed: manifests and adapter settings."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path

from learning.errors import LearningError
from learning.promotion.claims import claim_of
from learning.promotion.gate import from_record, in_words
from learning.promotion.manifest import AdapterManifest, is_adapter_name, parse_manifest
from learning.promotion.report import LearningReport, terminal_report
from learning.team.errors import TeamError

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
FILES = frozenset({WEIGHTS, CONFIG})
"""The files of a shared adapter: nothing that is unpickled or run."""
MAX_MANIFEST_CHARACTERS = 8_000_000
MAX_ANCESTORS = 1_000
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PLAIN_LORA: Mapping[str, tuple[object, ...]] = {
    "peft_type": ("LORA",),
    "task_type": ("CAUSAL_LM",),
    "bias": ("none",),
    "init_lora_weights": (True,),
    "megatron_core": ("megatron.core",),
    "qalora_group_size": (16,),
}
"""Values that these keys of adapter_config.json may have."""
_FREE = frozenset(
    (
        *("base_model_name_or_path", "peft_version", "r", "lora_alpha", "lora_dropout"),
        *("target_modules", "layers_to_transform", "inference_mode", "use_rslora"),
    )
)
"""Keys that may have any value of numbers and names; all others must be empty."""


def read_shared(manifest: str, ancestors: str, *, member: str) -> tuple[AdapterManifest, ...]:
    """The manifests of an adapter that `member` shared and of its ancestors, as of an untried one.

    Raises:
        TeamError: If one is malformed, too large, or names files that no shared adapter has.
    """
    if len(manifest) + len(ancestors) > MAX_MANIFEST_CHARACTERS:
        raise TeamError(f"the manifests of an adapter of {member} are too large; it was left out")
    try:
        texts = json.loads(ancestors)
        if not isinstance(texts, list) or len(texts) > MAX_ANCESTORS:
            raise TypeError("the list of ancestors is none")
        found = [parse_manifest(text, name="of the team") for text in (manifest, *texts)]
        for each in found:
            _check(each)
    except (*_MALFORMED, LearningError) as err:
        raise TeamError(
            f"the manifest of an adapter of {member} is damaged ({err}); it was left out"
        ) from err
    return tuple(_marked(each, member) for each in found)


def check_settings(folder: Path, name: str) -> None:
    """Check that an adapter's settings are those of plain LoRA, which loads no code of anybody.

    Raises:
        TeamError: If they are anything else.
    """
    try:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        wrong = [key for key, value in config.items() if not _is_plain(key, value)]
        if config.get("peft_type") != "LORA":
            wrong.append("peft_type")
    except (OSError, ValueError, AttributeError, RecursionError) as err:
        raise TeamError(f"the settings of adapter {name} cannot be read: {err}") from err
    if wrong:
        raise TeamError(
            f"adapter {name} is not plain LoRA ({', '.join(sorted(wrong))}): it was not fetched"
        )


def _is_plain(key: str, value: object) -> bool:
    if key in _FREE:
        items = value if isinstance(value, list) else [value]
        return all(isinstance(item, str | int | float | None) for item in items)
    return not value or value in _PLAIN_LORA.get(key, ())


def _check(manifest: AdapterManifest) -> None:
    if not is_adapter_name(manifest.name):
        raise ValueError("that is not a name for an adapter")
    if set(manifest.files) != FILES:
        raise ValueError("it has other files than an adapter")
    if not all(map(_DIGEST.fullmatch, manifest.files.values())):
        raise ValueError("a digest is none")
    claim_of(manifest)
    for decision in (manifest.decision, manifest.decision_there):
        in_words(from_record(decision))
    for _ in terminal_report(LearningReport(manifest=manifest, examples=())):
        pass  # whatever is shown later can be shown


def _marked(manifest: AdapterManifest, member: str) -> AdapterManifest:
    """The manifest marked as that member's and untried here; its own decision is kept beside."""
    return dataclasses.replace(
        manifest,
        shared_by=manifest.shared_by or member,
        decision={},
        decision_there=manifest.decision_there or manifest.decision,
    )
