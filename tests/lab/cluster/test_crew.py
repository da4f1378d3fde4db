"""Workers that make rows together: nothing is lost, nothing counted twice, and who is left out is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lab.cluster.crew import ClusterError, Report, WorkerLostError, muster
from lab.rows.work import Opened, Work
from learning.evaluation.rows import RowFile
from learning.evaluation.run import complete
from learning.evaluation.samples import ResultManifest
from learning.records import Sampling
from tests.fakes.works import EchoWork, unheard

MANIFEST = ResultManifest(
    suite="s",
    model="m",
    weights_sha256="aaa",
    adapter=None,
    prompt="p",
    prompt_sha256="",
    data_sha256="",
    sampling=Sampling(),
    image_id="",
    versions={"elagent": "1"},
)
WORK = EchoWork()


@dataclass
class FakeWorker:
    """Makes rows in this process; ends at given keys, as a killed one would."""

    name: str
    manifest: ResultManifest = MANIFEST
    recipe: str = ""
    refuses: str = ""
    lost_at: frozenset[str] = frozenset()
    made: list[str] = field(default_factory=list)
    running: int = 0
    lost: bool = False

    async def open(self, work: Work[str, int]) -> Report:
        assert work is WORK
        if self.refuses:
            raise ClusterError(self.refuses)
        return Report(manifest=self.manifest, recipe=self.recipe)

    async def make(self, key: str) -> int:
        assert not self.lost, "a lost worker is never asked again"
        assert not self.running, "a worker makes one row at a time"
        self.running += 1
        await asyncio.sleep(0)
        self.running -= 1
        if key in self.lost_at:
            self.lost = True
            raise WorkerLostError("its process ended")
        self.made.append(key)
        return ord(key)


def file_in(folder: Path) -> RowFile[str, int]:
    return RowFile(
        path=folder / "rows.jsonl",
        encode=lambda key, row: {"key": key, "row": row},
        decode=lambda record: (record["key"], record["row"]),
    )


async def run(
    folder: Path, workers: list[FakeWorker], keys: str, say: Callable[[str], None] = unheard
) -> dict[str, int]:
    opened: Opened[str, int] = await muster(workers, WORK, say=say)
    return await complete(file_in(folder), keys, opened.make, at_once=opened.at_once)


async def test_workers_share_the_rows_and_no_row_is_made_twice(tmp_path: Path) -> None:
    workers = [FakeWorker("one"), FakeWorker("two")]
    found = await run(tmp_path, workers, "abcdefgh")
    assert found == {key: ord(key) for key in "abcdefgh"}
    assert sorted(workers[0].made + workers[1].made) == list("abcdefgh")
    assert workers[0].made
    assert workers[1].made


async def test_the_row_of_a_lost_worker_is_made_by_another(tmp_path: Path) -> None:
    said: list[str] = []
    workers = [FakeWorker("one", lost_at=frozenset("a")), FakeWorker("two")]
    found = await run(tmp_path, workers, "abcdef", said.append)
    assert found == {key: ord(key) for key in "abcdef"}
    assert len((tmp_path / "rows.jsonl").read_text().splitlines()) == len(found)
    assert said[-1] == "one is lost (its process ended); 1 left, its row is made anew"


async def test_without_a_worker_left_the_rows_are_kept_and_the_same_run_goes_on(
    tmp_path: Path,
) -> None:
    everything = frozenset("cd")
    workers = [FakeWorker("one", lost_at=everything), FakeWorker("two", lost_at=everything)]
    with pytest.raises(ClusterError, match=r"no worker .* left \(.*its process ended.*2 rows"):
        await run(tmp_path, workers, "abcdef")
    assert file_in(tmp_path).read() == {"a": ord("a"), "b": ord("b")}
    fresh = [FakeWorker("three")]
    assert len(await run(tmp_path, fresh, "abcdef")) == 6
    assert fresh[0].made == list("cdef")


async def test_a_row_that_ends_worker_after_worker_does_not_end_them_all(tmp_path: Path) -> None:
    workers = [FakeWorker(str(number), lost_at=frozenset("x")) for number in range(5)]
    with pytest.raises(ClusterError, match="3 workers in a row were lost while they made x"):
        await run(tmp_path, workers, "x")
    assert sum(worker.lost for worker in workers) == 3


async def test_a_worker_with_another_model_is_left_out_and_told(tmp_path: Path) -> None:
    said: list[str] = []
    other = FakeWorker("odd", manifest=replace(MANIFEST, weights_sha256="bbb"))
    workers = [other, FakeWorker("one"), FakeWorker("two")]
    await run(tmp_path, workers, "abc", said.append)
    assert not other.made
    assert said[0] == (
        "odd left out: its rows would not be the same (weights_sha256: aaa elsewhere, bbb there)"
    )
    assert said[1] == "2 of 3 workers take part: one, two"


async def test_results_to_go_on_with_say_which_workers_are_right() -> None:
    old = replace(MANIFEST, versions={"elagent": "0"})
    workers = [FakeWorker("one"), FakeWorker("two"), FakeWorker("old", manifest=old)]
    opened = await muster(workers, WORK, wanted=old, say=unheard)
    assert opened.manifest == old
    assert await opened.make("a") == ord("a")
    assert workers[2].made == ["a"]


async def test_images_of_one_recipe_are_the_same_whatever_their_ids() -> None:
    ids = ["sha256:1", "sha256:2", "sha256:3"]
    workers = [
        FakeWorker(id_, manifest=replace(MANIFEST, image_id=id_), recipe=recipe)
        for id_, recipe in zip(ids, ["lite", "lite", "debian"], strict=True)
    ]
    said: list[str] = []
    opened = await muster(workers, WORK, say=said.append)
    assert (opened.manifest.image_id, opened.at_once) == ("sha256:1", 2)
    assert "sha256:3 left out: its rows would not be the same (image_id" in said[0]
    going_on = await muster(workers, WORK, wanted=workers[1].manifest, say=unheard)
    assert (going_on.manifest.image_id, going_on.at_once) == ("sha256:2", 2)


async def test_a_refusal_is_told_once_for_all_that_refuse_for_it() -> None:
    refusing = [FakeWorker(name, refuses="no container engine answers") for name in ("a", "b")]
    said: list[str] = []
    opened = await muster([*refusing, FakeWorker("c")], WORK, say=said.append)
    assert opened.at_once == 1
    assert said[0] == "a, b left out: no container engine answers"
    with pytest.raises(ClusterError, match=r"no machine .*: a, b left out: no container engine"):
        await muster(refusing, WORK, say=unheard)
    with pytest.raises(ClusterError, match="no node with a processor"):
        await muster([], WORK, say=unheard)
