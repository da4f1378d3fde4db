"""A job folder holds exactly what was put in, whole or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from learning.model.catalog import ModelIdentity
from learning.training import resources
from learning.training.job import (
    Example,
    ExampleKind,
    JobError,
    JobResult,
    TrainingJob,
    read_examples,
    read_job,
    read_result,
    write_job,
    write_result,
)
from learning.training.progress import ProgressLine, ProgressReader, append_progress
from learning.training.resources import (
    NotEnoughMemoryError,
    available_bytes,
    check_memory,
    checkpoint_every,
    estimated_s,
    needed_bytes,
    pack_tokens,
    parameter_count,
)
from learning.training.rules import LearningRule, LossRule
from tests.fakes.experiences import make_experience

_JOB = TrainingJob(
    id="j1",
    model="tiny",
    model_folder="/models/tiny",
    base=ModelIdentity(weights_sha256="w", tokenizer_sha256="t", template_sha256="c"),
    adapter_prefix="el-shop-v0001",
    created_at=12.5,
    budget_s=3.25,
)
_EXAMPLES = (
    Example(kind=ExampleKind.EVIDENCE, step=make_experience("a"), weight=0.5),
    Example(kind=ExampleKind.HINDSIGHT, step=make_experience("a"), fix=make_experience("b")),
)


def test_a_job_survives_the_round_trip(tmp_path: Path) -> None:
    write_job(tmp_path / "j1", _JOB, _EXAMPLES)
    assert read_job(tmp_path / "j1") == _JOB
    assert read_examples(tmp_path / "j1") == _EXAMPLES
    assert [path.name for path in tmp_path.iterdir()] == ["j1"]


def test_the_rule_is_stored_under_the_names_that_earlier_versions_read(tmp_path: Path) -> None:
    rule = LearningRule(teacher_contexts=2, loss=LossRule(nll_floor=0.5))
    write_job(tmp_path / "j1", replace(_JOB, rule=rule), _EXAMPLES)
    stored = json.loads((tmp_path / "j1" / "job.json").read_text())["rule"]
    assert (stored["views"], stored["loss"]["guard_floor"]) == (2, 0.5)
    assert read_job(tmp_path / "j1").rule == rule


def test_a_damaged_job_is_named(tmp_path: Path) -> None:
    write_job(tmp_path / "j1", _JOB, _EXAMPLES)
    (tmp_path / "j1" / "job.json").write_text('{"id": "j1"}')
    (tmp_path / "j1" / "examples.jsonl").write_text('{"kind": "evidence"}\n')
    with pytest.raises(JobError, match="j1"):
        read_job(tmp_path / "j1")
    with pytest.raises(JobError, match="j1"):
        read_examples(tmp_path / "j1")


def test_there_is_no_result_before_it_is_written(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    result = JobResult(adapter=None, trained=0, skipped={"too long": 2})
    write_result(tmp_path, result)
    assert read_result(tmp_path) == result


def test_a_progress_line_is_read_once_it_is_whole(tmp_path: Path) -> None:
    append_progress(tmp_path, ProgressLine(stage="of an earlier run"))
    reader = ProgressReader(tmp_path)
    assert reader.read() == ()
    line = ProgressLine(stage="training", step=1, steps=2, loss=0.5)
    append_progress(tmp_path, line)
    with (tmp_path / "progress.jsonl").open("a") as file:
        file.write('{"stage": "half')
    assert reader.read() == (line,)
    with (tmp_path / "progress.jsonl").open("a") as file:
        file.write(' a line"}\n')
    assert reader.read() == (ProgressLine(stage="half a line"),)


def _write_weights(folder: Path, elements: int) -> None:
    header = json.dumps(
        {"w": {"dtype": "BF16", "shape": [elements], "data_offsets": [0, 2 * elements]}}
    ).encode()
    data = len(header).to_bytes(8, "little") + header
    (folder / "model.safetensors").write_bytes(data)


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """A processor that does not compute in bf16."""
    monkeypatch.setattr(resources, "computes_bf16", lambda: False)


@pytest.mark.usefixtures("float32")
def test_memory_is_checked_from_the_headers_alone(tmp_path: Path) -> None:
    _write_weights(tmp_path, 1_500_000_000)
    assert parameter_count(tmp_path) == 1_500_000_000
    needed = needed_bytes(tmp_path)
    assert 6.0e9 < needed < 11 * 2**30
    check_memory(tmp_path, available_bytes=needed)
    check_memory(tmp_path, available_bytes=None)
    with pytest.raises(NotEnoughMemoryError, match=r"needs \d+\.\d GiB"):
        check_memory(tmp_path, available_bytes=needed - 1)


def test_a_processor_with_bf16_needs_half_the_memory_for_weights_and_half_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_weights(tmp_path, 1_500_000_000)
    needed, took = [], []
    for known in (False, True):
        monkeypatch.setattr(resources, "computes_bf16", lambda known=known: known)
        needed.append(needed_bytes(tmp_path))
        took.append(estimated_s(tmp_path, read=10_000, trained=10_000, cores=2))
    assert needed[0] - needed[1] == 2 * 1_500_000_000
    assert took[1] < 0.6 * took[0]


@pytest.mark.usefixtures("float32")
def test_activations_are_kept_only_where_there_is_room(tmp_path: Path) -> None:
    _write_weights(tmp_path, 1_500_000_000)
    config = {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28}
    needed = needed_bytes(tmp_path)
    assert checkpoint_every(tmp_path, tokens=512, available_bytes=2 * needed) == 1
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert checkpoint_every(tmp_path, tokens=512, available_bytes=2 * needed) == 2
    assert checkpoint_every(tmp_path, tokens=1024, available_bytes=10 * needed) == 2, "11 GiB"
    assert checkpoint_every(tmp_path, tokens=64, available_bytes=2 * needed) == 0
    assert checkpoint_every(tmp_path, tokens=512, available_bytes=needed + 2**30) == 1
    assert checkpoint_every(tmp_path, tokens=512, available_bytes=None) == 1


def test_packs_are_as_large_as_need_no_activation_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _write_weights(tmp_path, 1_780_000_000)
    config = {"hidden_size": 1536, "intermediate_size": 8960, "num_hidden_layers": 28}
    (tmp_path / "config.json").write_text(json.dumps(config))
    found = []
    for half in (True, False):
        monkeypatch.setattr(resources, "computes_bf16", lambda half=half: half)
        found += [pack_tokens(tmp_path, available_bytes=gib * 2**30) for gib in (9, 10, 16)]
    assert found == [512, 768, 896, 512, 512, 512]


def test_the_limit_of_a_container_counts(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 4096 kB\n")
    assert available_bytes(proc=tmp_path, cgroup=tmp_path) == 4096 * 1024
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 1\ninactive_file 50000\n")
    assert available_bytes(proc=tmp_path, cgroup=tmp_path) == 150_000
    (tmp_path / "memory.max").write_text("max\n")
    assert available_bytes(proc=tmp_path, cgroup=tmp_path) == 4096 * 1024
    assert available_bytes(proc=tmp_path / "no", cgroup=tmp_path / "no") is None
