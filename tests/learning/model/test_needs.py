"""The arithmetic of `elagent models ls`: memory to serve and to train, and the speed to expect."""

from __future__ import annotations

import pytest

from learning.model.catalog import find
from learning.model.needs import GIB, Host, serving, tokens_per_s, training
from learning.model.sources.entries import ModelEntry

GB = 10**9


def entry(name: str) -> ModelEntry:
    found = find(name)
    assert found
    return found


@pytest.mark.parametrize(
    ("name", "ram_gib", "gpu_gib", "serves", "trains"),
    [
        ("qwen2.5-coder-1.5b", 8, 0, True, False),
        ("qwen2.5-coder-1.5b", 16, 0, True, True),
        ("smollm2-135m", 8, 0, True, True),
        ("smollm2-135m", 0.9, 0, False, False),
        ("qwen2.5-coder-7b", 8, 0, True, False),
        ("qwen2.5-coder-7b", 48, 12, True, True),
        ("qwen2.5-coder-14b", 8, 0, False, False),
        ("qwen3-coder-30b-a3b", 24, 80, True, False),
    ],
)
def test_uses_of_a_machine(
    name: str, ram_gib: float, gpu_gib: float, *, serves: bool, trains: bool
) -> None:
    host = Host(ram_bytes=int(ram_gib * GIB), gpu_bytes=int(gpu_gib * GIB))
    assert serving(entry(name), host).fits is serves
    assert training(entry(name), host).fits is trains


def test_serving_is_the_file_the_cache_of_the_chosen_context_and_buffers() -> None:
    found = serving(entry("qwen2.5-coder-7b"), Host(ram_bytes=25 * GB))
    assert found.context == 32_768
    cache = 32_768 * 2 * 28 * 4 * 128 * 2  # keys and values, layers, heads, width, half precision
    assert found.need_bytes == 4_683_073_536 + cache + GIB // 2
    assert found.fits


def test_less_memory_gives_less_context_before_it_gives_nothing() -> None:
    found = serving(entry("qwen2.5-coder-7b"), Host(ram_bytes=8 * GB))
    assert found.fits
    assert 8192 <= found.context < 32_768


def test_a_processor_with_bf16_trains_the_default_model_in_8_gib() -> None:
    default = entry("qwen2.5-coder-1.5b")
    assert training(default, Host(ram_bytes=8 * GIB, bf16=True)).fits
    assert not training(default, Host(ram_bytes=8 * GIB)).fits


def test_float32_takes_twice_the_weights_of_bf16() -> None:
    small = entry("qwen3-1.7b")
    float32 = training(small, Host(ram_bytes=64 * GB)).need_bytes
    bf16 = training(small, Host(ram_bytes=64 * GB, bf16=True)).need_bytes
    assert float32 - bf16 == 2 * small.parameters


@pytest.mark.parametrize(
    ("name", "gigabytes"),
    [("qwen2.5-coder-7b", 9.8), ("qwen2.5-coder-14b", 15.2), ("qwen2.5-coder-32b", 27.0)],
)
def test_from_seven_billion_on_training_is_a_matter_of_the_gpu(name: str, gigabytes: float) -> None:
    found = training(entry(name), Host(ram_bytes=1000 * GB, bf16=True))
    assert not found.fits
    assert found.four_bits
    assert found.need_bytes / GB == pytest.approx(gigabytes, abs=0.05)
    assert training(entry(name), Host(ram_bytes=1000 * GB, gpu_bytes=40 * GB)).fits


def test_a_gpu_does_not_help_where_the_weights_cannot_be_unpacked() -> None:
    found = training(entry("qwen2.5-coder-7b"), Host(ram_bytes=16 * GB, gpu_bytes=40 * GB))
    assert not found.fits
    assert found.obstacle.startswith("unpacking its weights")
    assert found.need_bytes == 4 * 7_615_616_512


@pytest.mark.parametrize("name", ["granite-4.1-3b", "ministral-3-3b", "qwen3-coder-30b-a3b"])
def test_a_model_whose_adapters_cannot_be_served_is_not_trained(name: str) -> None:
    found = training(entry(name), Host(ram_bytes=500 * GB, gpu_bytes=140 * GB, bf16=True))
    assert not found.fits
    assert found.obstacle.endswith("is served only")


@pytest.mark.parametrize(("offloads", "fits"), [(True, True), (False, False)])
def test_a_gpu_serves_a_file_only_with_a_build_that_uses_it(*, offloads: bool, fits: bool) -> None:
    host = Host(ram_bytes=8 * GB, gpu_bytes=24 * GB, offloads=offloads)
    found = serving(entry("qwen2.5-coder-14b"), host)
    assert (found.fits, found.on_gpu) == (fits, fits)


def test_speed_scales_with_the_bytes_that_a_token_reads() -> None:
    default, seven = entry("qwen2.5-coder-1.5b"), entry("qwen2.5-coder-7b")
    known = {"measured": 20.0, "measured_bytes": default.bytes_per_token}
    assert tokens_per_s(default.bytes_per_token, **known) == 20.0  # type: ignore[arg-type]
    expected = tokens_per_s(seven.bytes_per_token, **known)  # type: ignore[arg-type]
    assert expected == pytest.approx(20 * 1_117_320_768 / 4_683_073_536)


def test_a_mixture_of_experts_reads_only_the_weights_that_are_active() -> None:
    mixture = entry("qwen3-coder-30b-a3b")
    assert mixture.bytes_per_token == pytest.approx(mixture.gguf_bytes * 3.3 / 30.53, rel=0.01)
