"""A real Ray cluster of two nodes on this machine: rows are those of a local run, whatever is lost."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lab.cluster.crew import ClusterError
from lab.cluster.ray_cluster import Cluster, opened_on
from lab.rows.place import Place
from lab.rows.work import Opened
from learning.evaluation.humaneval import Problem
from learning.evaluation.run import complete, keys_of
from learning.evaluation.samples import Sample, SampleFile, SampleKey
from tests.fakes.history import build_history
from tests.fakes.tiny_llama import build_tiny_model
from tests.fakes.works import EchoWork, JudgedWork, unheard

if TYPE_CHECKING:
    from ray.cluster_utils import Cluster as RayNodes

ROOT = Path(__file__).resolve().parents[3]
PROBLEMS = tuple(
    Problem(
        task_id=f"T/{number}",
        prompt=f'def f{number}(x):\n    """Return x plus {number}."""\n',
        entry_point=f"f{number}",
        canonical_solution=f"    return x + {number}\n",
        test=f"def check(candidate):\n    assert candidate(1) == {1 + number}\n",
    )
    for number in range(8)
)
KEYS = keys_of(problem.task_id for problem in PROBLEMS)


@pytest.fixture
def nodes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RayNodes]:
    """A cluster of a head and one more node, which find this checkout and keep their state here."""
    pytest.importorskip("ray", reason="needs the extra ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("ELAGENT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    from ray.cluster_utils import Cluster as RayNodes

    memory = 100 * 2**20
    head = {"num_cpus": 1, "object_store_memory": memory, "include_dashboard": False}
    cluster = RayNodes(initialize_head=True, head_node_args=head)
    cluster.add_node(num_cpus=1, object_store_memory=memory)
    yield cluster
    cluster.shutdown()  # type: ignore[no-untyped-call]


def same(sample: Sample) -> Sample:
    """A row without its times."""
    return replace(sample, generation_s=0.0, sandbox_s=0.0, loop_s=0.0)


async def rows(
    opening: AbstractAsyncContextManager[Opened[SampleKey, Sample]], folder: Path
) -> tuple[SampleFile, dict[SampleKey, Sample]]:
    async with opening as opened:
        file = SampleFile(folder, opened.manifest)
        found = await complete(file.rows, KEYS, opened.make, at_once=opened.at_once)
        return file, {key: same(sample) for key, sample in found.items()}


@pytest.mark.slow
@pytest.mark.docker
async def test_with_a_node_killed_the_rows_are_those_of_a_local_run(
    nodes: RayNodes, tmp_path: Path
) -> None:
    local_file, local = await rows(JudgedWork(problems=PROBLEMS).open(Place.here()), tmp_path / "a")
    second, stuck = nodes.worker_nodes.copy().pop(), tmp_path / "stuck"
    work = JudgedWork(problems=PROBLEMS, stuck_in=second.node_id, stuck=stuck)
    said: list[str] = []

    async def kill_the_stuck_node() -> None:
        while not stuck.exists():  # noqa: ASYNC110 - another process writes it
            await asyncio.sleep(0.1)
        await asyncio.to_thread(nodes.remove_node, second, allow_graceful=False)

    killing = asyncio.create_task(kill_the_stuck_node())
    opening = opened_on(Cluster(address=nodes.address), work, say=said.append)
    file, found = await rows(opening, tmp_path / "b")
    await killing
    assert found == local
    assert len(file.path.read_text().splitlines()) == len(KEYS)
    assert file.manifest == local_file.manifest
    assert {sample.sanitised_verdict for sample in found.values()} == {"pass", "fail"}
    assert "2 of 2 workers take part" in said[0]
    assert [sentence for sentence in said if "worker 2" in sentence and "is lost" in sentence]


@pytest.mark.slow
async def test_nodes_say_in_one_sentence_why_they_cannot(nodes: RayNodes) -> None:
    work = EchoWork(refuses="no container engine answers at unix:///nowhere")
    with pytest.raises(ClusterError) as told:
        async with opened_on(Cluster(address=nodes.address), work, say=unheard):
            pass
    assert "worker 1 on " in str(told.value)
    assert str(told.value).count("no container engine answers") == 1


def elagent(*words: str, cwd: Path, home: Path) -> str:
    environ = {**os.environ, "ELAGENT_HOME": str(home)}
    run = subprocess.run(
        [sys.executable, "-P", str(ROOT / "elagent.py"), *words],
        cwd=cwd,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout + run.stderr


@pytest.mark.slow
def test_a_command_on_two_local_workers_writes_what_it_writes_alone(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    model, data, home = tmp_path / "tiny", tmp_path / "data.jsonl", tmp_path / "home"
    model.mkdir()
    build_tiny_model(model)
    lines = [{"question": f"What is {n} and {n}?", "answer": f"#### {2 * n}"} for n in range(6)]
    data.write_text("".join(json.dumps(line) + "\n" for line in lines))
    stranger = tmp_path / "stranger"
    (stranger / "lab").mkdir(parents=True)
    (stranger / "lab" / "__init__.py").write_text("raise SystemExit('a stranger is imported')\n")
    words = ["eval", "gsm8k", "--data", str(data), "--model", str(model), "--engine", "torch"]
    words += ["--temperature", "0.8", "--max-tokens", "16", "-n", "2"]
    alone, together = tmp_path / "alone", tmp_path / "together"
    elagent(*words, "--out", str(alone), cwd=stranger, home=home)
    told = elagent(
        *(*words, "--out", str(together), "--cluster", "local", "--workers", "2"),
        cwd=stranger,
        home=home,
    )
    assert "2 of 2 workers take part" in told
    assert (alone / "manifest.json").read_text() == (together / "manifest.json").read_text()
    assert replies(together) == replies(alone)
    assert len(replies(together)) == 12
    assert len((together / "samples.jsonl").read_text().splitlines()) == 12


@pytest.mark.slow
@pytest.mark.docker
def test_library_tasks_with_retries_are_those_of_one_machine(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    model, home = tmp_path / "tiny", tmp_path / "home"
    model.mkdir()
    build_tiny_model(model)
    words = ["eval", "drift", "--tasks", "drift-tools", "--ids", "pytest-*", "--limit", "4"]
    words += ["--arm", "both", "--tries", "2", "--max-tokens", "16"]
    words += ["--model", str(model), "--engine", "torch"]
    alone, together = tmp_path / "alone", tmp_path / "together"
    elagent(*words, "--out", str(alone), cwd=tmp_path, home=home)
    told = elagent(
        *(*words, "--out", str(together), "--cluster", "local", "--workers", "2"),
        cwd=tmp_path,
        home=tmp_path / "home of the workers",
    )
    assert "2 of 2 workers take part" in told
    assert (alone / "manifest.json").read_text() == (together / "manifest.json").read_text()
    assert replies(together) == replies(alone)
    assert len(replies(alone)) == 4


@pytest.mark.slow
@pytest.mark.docker
def test_the_tasks_of_a_repository_are_those_of_one_machine(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    model, project = tmp_path / "tiny", tmp_path / "project"
    for folder in (model, project):
        folder.mkdir()
    build_tiny_model(model)
    build_history(project, 3)
    words = ["eval", "repo", str(project), "--part", "all"]
    words += ["--model", str(model), "--engine", "torch"]
    alone, together = tmp_path / "alone", tmp_path / "together"
    elagent(*words, cwd=tmp_path, home=alone)
    told = elagent(*words, "--cluster", "local", "--workers", "2", cwd=tmp_path, home=together)
    assert "2 of 2 workers take part" in told
    (here,), (there,) = ([*home.rglob("answers/repo-base-*")] for home in (alone, together))
    assert (here / "manifest.json").read_text() == (there / "manifest.json").read_text()
    assert here.name == there.name
    assert replies(there) == replies(here)
    assert len(replies(here)) == 3


def replies(folder: Path) -> dict[tuple[str, int], tuple[str, str]]:
    rows = map(json.loads, (folder / "samples.jsonl").read_text().splitlines())
    return {
        (row["task_id"], row["index"]): (row["reply"], row["sanitised_verdict"]) for row in rows
    }


@pytest.mark.slow
def test_an_address_where_nobody_answers_is_told_in_one_sentence(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="needs the extra ray")
    data = tmp_path / "data.jsonl"
    data.write_text('{"question": "What is 1 and 1?", "answer": "#### 2"}\n')
    told = elagent(
        *("eval", "gsm8k", "--data", str(data), "--cluster", "127.0.0.1:1"),
        cwd=tmp_path,
        home=tmp_path / "home",
    )
    assert "elagent: no Ray cluster answers at 127.0.0.1:1" in told
    assert "Traceback" not in told
