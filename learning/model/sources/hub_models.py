"""The models that the Hugging Face hub delivers as GGUF files, in Q4_K_M, the smaller ones first.

Facts are those of the model cards and of published lists of the files; none of these files was at hand
when the list was written. Only models whose keys and values can be cut and copied are here: the engine
keeps prompts, which a recurrent state (Qwen3.5, LFM2, Granite 4 "h") does not allow; and none whose
template or configuration wants code of its own (SmolLM3, Phi-4-mini).
"""

from __future__ import annotations

from learning.model.sources.entries import HubFile, ModelEntry, Shape

_QWEN25 = "Qwen/Qwen2.5-Coder-{}-Instruct"
_WORDS = 151_936
"""Rows of the embedding matrix of Qwen2.5 and Qwen3."""


def _coder(
    size: str,
    file: HubFile,
    *,
    parameters: int,
    shape: Shape,
    licence: str = "Apache-2.0",
    remark: str = "",
) -> ModelEntry:
    """One size of Qwen2.5-Coder, trained to fill in the middle (arXiv 2409.12186)."""
    return ModelEntry(
        name=f"qwen2.5-coder-{size.lower()}",
        summary=f"Qwen2.5-Coder-{size}-Instruct{remark}",
        hub_id=_QWEN25.format(size),
        licence=licence,
        parameters=parameters,
        context_length=32_768,
        architecture="qwen2",
        shape=shape,
        fills_gaps=True,
        file=file,
    )


def _coder_file(size: str, size_bytes: int, *, commit: str, sha256: str) -> HubFile:
    return HubFile(
        repository=f"{_QWEN25.format(size)}-GGUF",
        name=f"qwen2.5-coder-{size.lower()}-instruct-q4_k_m.gguf",
        size_bytes=size_bytes,
        commit=commit,
        sha256=sha256,
    )


_UP_TO_4_B = (
    ModelEntry(
        name="qwen3-0.6b",
        summary="Qwen3-0.6B, thinking switched off",
        hub_id="Qwen/Qwen3-0.6B",
        licence="Apache-2.0",
        parameters=596_049_920,
        context_length=32_768,
        architecture="qwen3",
        shape=Shape(layers=28, key_value_heads=8, head_width=128, width=1024, vocabulary=_WORDS),
        thinking_switch="enable_thinking",
        file=HubFile(
            repository="unsloth/Qwen3-0.6B-GGUF",
            name="Qwen3-0.6B-Q4_K_M.gguf",
            size_bytes=396_705_472,
        ),
    ),
    ModelEntry(
        name="qwen3-1.7b",
        summary="Qwen3-1.7B, thinking switched off",
        hub_id="Qwen/Qwen3-1.7B",
        licence="Apache-2.0",
        parameters=1_720_574_976,
        context_length=32_768,
        architecture="qwen3",
        shape=Shape(layers=28, key_value_heads=8, head_width=128, width=2048, vocabulary=_WORDS),
        thinking_switch="enable_thinking",
        file=HubFile(
            repository="unsloth/Qwen3-1.7B-GGUF",
            name="Qwen3-1.7B-Q4_K_M.gguf",
            size_bytes=1_107_409_472,
        ),
    ),
    _coder(
        "3B",
        _coder_file(
            "3B",
            2_104_932_800,
            commit="f74adce6aa16316c625447af059dbebe4983757c",
            sha256="724fb256bec1ff062b2f65e4569e871ad2e95ab2a3989723d1769c54294730b7",
        ),
        parameters=3_397_103_616,  # as of 1.5B: the output matrix a second time
        shape=Shape(layers=36, key_value_heads=2, head_width=128, width=2048, vocabulary=_WORDS),
        licence="Qwen-Research",
        remark=": research licence, no commercial use",
    ),
    ModelEntry(
        name="granite-4.0-micro",
        summary="Granite 4.0 Micro, 3.4 B",
        hub_id="ibm-granite/granite-4.0-micro",
        licence="Apache-2.0",
        parameters=3_403_000_000,
        context_length=131_072,
        architecture="granite",
        shape=Shape(layers=40, key_value_heads=8, head_width=64, width=2560, vocabulary=100_352),
        fills_gaps=True,
        file=HubFile(
            repository="ibm-granite/granite-4.0-micro-GGUF",
            name="granite-4.0-micro-Q4_K_M.gguf",
            size_bytes=2_099_502_528,
        ),
    ),
    ModelEntry(
        name="granite-4.1-3b",
        summary="Granite 4.1 3B",
        hub_id="ibm-granite/granite-4.1-3b",
        licence="Apache-2.0",
        parameters=3_403_000_000,
        context_length=131_072,
        architecture="granite",
        shape=Shape(layers=40, key_value_heads=8, head_width=64, width=2560, vocabulary=100_352),
        file=HubFile(
            repository="ibm-granite/granite-4.1-3b-GGUF",
            name="granite-4.1-3b-Q4_K_M.gguf",
            size_bytes=2_099_501_664,
        ),
    ),
    ModelEntry(
        name="ministral-3-3b",
        summary="Ministral 3 3B Instruct 2512",
        hub_id="mistralai/Ministral-3-3B-Instruct-2512",
        licence="Apache-2.0",
        parameters=3_430_000_000,
        context_length=262_144,
        architecture="mistral3",
        shape=Shape(layers=26, key_value_heads=8, head_width=128, width=3072, vocabulary=131_072),
        file=HubFile(
            repository="mistralai/Ministral-3-3B-Instruct-2512-GGUF",
            name="Ministral-3-3B-Instruct-2512-Q4_K_M.gguf",
            size_bytes=2_147_023_008,
            commit="eb599d408350ea2bb60452cb86be7c7b2fc28227",
            sha256="9ed150d4367e68df0ac8e1540f6ddc65b42d0ee26378329d1ecbca60f93fc5f8",
        ),
    ),
    ModelEntry(
        name="qwen3-4b",
        summary="Qwen3-4B-Instruct-2507, which never thinks",
        hub_id="Qwen/Qwen3-4B-Instruct-2507",
        licence="Apache-2.0",
        parameters=4_022_468_096,
        context_length=262_144,
        architecture="qwen3",
        shape=Shape(layers=36, key_value_heads=8, head_width=128, width=2560, vocabulary=_WORDS),
        file=HubFile(
            repository="unsloth/Qwen3-4B-Instruct-2507-GGUF",
            name="Qwen3-4B-Instruct-2507-Q4_K_M.gguf",
            size_bytes=2_497_281_120,
            commit="a06e946bb6b655725eafa393f4a9745d460374c9",
            sha256="3605803b982cb64aead44f6c1b2ae36e3acdb41d8e46c8a94c6533bc4c67e597",
        ),
    ),
)

_LARGER = (
    _coder(
        "7B",
        _coder_file(
            "7B",
            4_683_073_536,
            commit="13fb94bfda8c8cf22497dc57b78f391a9acb426a",
            sha256="509287f78cb4d4cf6b3843734733b914b2c158e43e22a7f4bf5e963800894d3c",
        ),
        parameters=7_615_616_512,
        shape=Shape(layers=28, key_value_heads=4, head_width=128, width=3584, vocabulary=152_064),
    ),
    _coder(
        "14B",
        _coder_file(
            "14B",
            8_988_110_272,
            commit="d0a692ef765eefbf2fabb130b3cb2e8917e3d225",
            sha256="c1e659736d89ac1065fb495330fb824d94001974a4bfa78e7270e43476a8d940",
        ),
        parameters=14_770_033_664,
        shape=Shape(layers=48, key_value_heads=8, head_width=128, width=5120, vocabulary=152_064),
    ),
    _coder(
        "32B",
        _coder_file(
            "32B",
            19_851_335_872,
            commit="9d3053fce650fe1cdbdb75998c2a87add9d178ef",
            sha256="4d64b316b5e6319d9613e0d97935d9ebd631fc7e334da400d00085eca749d085",
        ),
        parameters=32_763_876_352,
        shape=Shape(layers=64, key_value_heads=8, head_width=128, width=5120, vocabulary=152_064),
    ),
    ModelEntry(
        name="qwen3-coder-30b-a3b",
        summary="Qwen3-Coder-30B-A3B-Instruct, mixture of experts, 3.3 B active, never thinks",
        hub_id="Qwen/Qwen3-Coder-30B-A3B-Instruct",
        licence="Apache-2.0",
        parameters=30_532_122_624,
        active_parameters=3_300_000_000,
        context_length=262_144,
        architecture="qwen3moe",
        shape=Shape(layers=48, key_value_heads=4, head_width=128, width=2048, vocabulary=_WORDS),
        file=HubFile(
            repository="unsloth/Qwen3-Coder-30B-A3B-Instruct-GGUF",
            name="Qwen3-Coder-30B-A3B-Instruct-Q4_K_M.gguf",
            size_bytes=18_556_689_568,
        ),
    ),
)

HUB_MODELS: tuple[ModelEntry, ...] = (*_UP_TO_4_B, *_LARGER)
