from __future__ import annotations

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


async def test_a_batch_is_made_and_kept_together(tmp_path: Path) -> None:
    batches: list[Sequence[str]] = []

    async def make(keys: Sequence[str]) -> list[int]:
        batches.append(keys)
        return [len(key) for key in keys]

    found = await complete_in_batches(file_in(tmp_path), ["a", "bb", "ccc", "a"], make, at_once=2)
    assert found == {"a": 1, "bb": 2, "ccc": 3}
    assert batches == [["a", "bb"], ["ccc"]]
