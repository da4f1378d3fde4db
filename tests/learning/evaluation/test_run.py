from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from learning.evaluation.rows import RowFile
from learning.evaluation.run import complete, complete_in_batches


def file_in(folder: Path) -> RowFile[str, int]:
    return RowFile(
        path=folder / "rows.jsonl",
        encode=lambda key, row: {"key": key, "row": row},
        decode=lambda record: (record["key"], record["row"]),
    )


async def test_only_missing_rows_are_made_and_each_is_reported(tmp_path: Path) -> None:
    file = file_in(tmp_path)
    file.append({"b": 7, "not wanted": 9})
    made: list[str] = []
    reported: list[tuple[int, int, int]] = []

    async def make(key: str) -> int:
        made.append(key)
        return len(made)

    found = await complete(
        file, ["a", "b", "c"], make, on_row=lambda *report: reported.append(report)
    )
    assert found == {"a": 1, "b": 7, "c": 2}
    assert made == ["a", "c"]
    assert reported == [(1, 2, 3), (2, 3, 3)]


async def test_what_was_made_before_a_failure_is_kept(tmp_path: Path) -> None:
    async def make(key: str) -> int:
        if key == "c":
            raise ValueError(key)
        return 1

    with pytest.raises(ValueError, match="c"):
        await complete(file_in(tmp_path), ["a", "b", "c"], make)
    assert file_in(tmp_path).read() == {"a": 1, "b": 1}


async def test_no_more_rows_are_in_the_making_than_allowed_and_each_is_kept_as_it_comes(
    tmp_path: Path,
) -> None:
    running, most = 0, 0
    gates = {key: asyncio.Event() for key in "abcd"}
    gates["b"].set()

    async def make(key: str) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await gates[key].wait()
        running -= 1
        return ord(key)

    reported: list[int] = []

    def on_row(row: int, _done: int, _total: int) -> None:
        reported.append(row)
        assert set(file_in(tmp_path).read().values()) >= set(reported)
        for gate in gates.values():
            gate.set()

    found = await complete(file_in(tmp_path), "abcd", make, at_once=2, on_row=on_row)
    assert list(found) == list("abcd")
    assert reported[0] == ord("b")
    assert sorted(reported) == [ord(key) for key in "abcd"]
    assert most == 2


async def test_a_failure_beside_others_keeps_what_is_finished_and_gives_the_rest_up(
    tmp_path: Path,
) -> None:
    given_up: list[str] = []

    async def make(key: str) -> int:
        if key == "bad":
            raise ValueError(key)
        if key == "good":
            return 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.append(key)
            raise
        return 2

    keys = ["good", "bad", "slow", "later"]
    with pytest.raises(ValueError, match="bad"):
        await complete(file_in(tmp_path), keys, make, at_once=3)
    assert file_in(tmp_path).read() == {"good": 1}
    assert given_up == ["slow"]


async def test_a_batch_is_made_and_kept_together(tmp_path: Path) -> None:
    batches: list[Sequence[str]] = []

    async def make(keys: Sequence[str]) -> list[int]:
        batches.append(keys)
        return [len(key) for key in keys]

    found = await complete_in_batches(file_in(tmp_path), ["a", "bb", "ccc", "a"], make, at_once=2)
    assert found == {"a": 1, "bb": 2, "ccc": 3}
    assert batches == [["a", "bb"], ["ccc"]]
