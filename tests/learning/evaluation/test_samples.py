from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from learning.evaluation.samples import (
    ResultManifest,
    Sample,
    SampleFile,
    SamplesError,
    read_manifest,
    read_samples,
    write_human_eval,
)
from learning.records import Sampling


def manifest(**changes: object) -> ResultManifest:
    base = ResultManifest(
        suite="humaneval",
        model="m",
        weights_sha256="w",
        adapter=None,
        prompt="chat",
        prompt_sha256="p",
        data_sha256="d",
        sampling=Sampling(),
        image_id="sha256:1",
        versions={"python": "3.11"},
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def sample(task: str = "T/0", index: int = 0, verdict: str = "pass", **changes: object) -> Sample:
    base = Sample(
        task_id=task,
        index=index,
        reply="r",
        raw="x = 1",
        sanitised="x = 1",
        raw_verdict=verdict,
        sanitised_verdict=verdict,
    )
    return replace(base, **changes)  # type: ignore[arg-type]


def test_what_was_appended_is_read_again(tmp_path: Path) -> None:
    file = SampleFile(tmp_path, manifest())
    file.append([sample(reply="zażółć \u2028 \n")])
    again = SampleFile(tmp_path, manifest())
    assert again.read() == {("T/0", 0): sample(reply="zażółć \u2028 \n")}
    assert read_samples(tmp_path) == again.read()
    assert read_manifest(tmp_path) == manifest()


def test_a_torn_last_line_is_dropped_and_written_over(tmp_path: Path) -> None:
    file = SampleFile(tmp_path, manifest())
    file.append([sample("T/0"), sample("T/1")])
    content = file.path.read_bytes()
    file.path.write_bytes(content[:-9])
    assert set(file.read()) == {("T/0", 0)}
    file.append([sample("T/1")])
    assert set(file.read()) == {("T/0", 0), ("T/1", 0)}


@pytest.mark.parametrize(
    "change",
    [
        {"model": "other"},
        {"adapter": "el-1"},
        {"prompt_sha256": "q"},
        {"sampling": Sampling(temperature=0.8)},
        {"image_id": "sha256:2"},
        {"versions": {"python": "3.12"}},
        {"data_sha256": "e"},
    ],
)
def test_results_of_other_settings_are_never_taken_up(
    tmp_path: Path, change: dict[str, object]
) -> None:
    SampleFile(tmp_path, manifest()).append([sample()])
    with pytest.raises(SamplesError, match=next(iter(change))):
        SampleFile(tmp_path, manifest(**change))


def test_lines_of_another_manifest_do_not_count(tmp_path: Path) -> None:
    file = SampleFile(tmp_path, manifest())
    file.append([sample()])
    with file.path.open("a") as out:
        out.write(json.dumps({"manifest": "other", "task_id": "T/9"}) + "\n")
    assert set(file.read()) == {("T/0", 0)}


def test_a_folder_without_results_is_named(tmp_path: Path) -> None:
    with pytest.raises(SamplesError, match="not a results folder"):
        read_manifest(tmp_path)


def test_results_are_written_as_human_eval_writes_them(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    write_human_eval(
        path, [sample(), sample("T/1", verdict="fail", message="1 != 2"), sample(verdict="timeout")]
    )
    records = [json.loads(line) for line in path.read_text().splitlines()]
    assert [record["passed"] for record in records] == [True, False, False]
    assert [record["result"] for record in records] == ["passed", "failed: 1 != 2", "timed out"]
