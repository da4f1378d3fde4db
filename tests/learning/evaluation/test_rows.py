from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from learning.evaluation.rows import DataError, RowFile, append_rows, read_json_lines, read_rows


def numbers(path: Path, made_under: str = "a") -> RowFile[str, int]:
    return RowFile(
        path=path,
        encode=lambda key, row: {"key": key, "row": row},
        decode=lambda record: (record["key"], int(record["row"])),
        mark={"under": made_under},
    )


def test_rows_are_read_as_they_were_written_and_the_last_of_a_key_counts(tmp_path: Path) -> None:
    file = numbers(tmp_path / "rows.jsonl")
    assert file.read() == {}
    file.append({"one": 1, "zażółć \u2028 \n \udc80": 2})
    file.append({"one": 3})
    assert file.read() == {"one": 3, "zażółć \u2028 \n \udc80": 2}


def test_rows_that_were_made_under_something_else_do_not_count(tmp_path: Path) -> None:
    numbers(tmp_path / "rows.jsonl").append({"one": 1})
    other = numbers(tmp_path / "rows.jsonl", "b")
    assert other.read() == {}
    other.append({"two": 2})
    assert other.read() == {"two": 2}


@pytest.mark.parametrize("write", [True, False], ids=["before writing", "before reading"])
def test_a_last_line_without_its_end_is_cut_off(tmp_path: Path, *, write: bool) -> None:
    file = numbers(tmp_path / "rows.jsonl")
    file.append({"one": 1, "two": 2})
    file.path.write_bytes(file.path.read_bytes()[:-4])
    if write:
        file.append({"three": 3})
    assert file.read() == ({"one": 1, "three": 3} if write else {"one": 1})


def test_a_line_that_is_no_row_is_named(tmp_path: Path) -> None:
    file = numbers(tmp_path / "rows.jsonl")
    file.append({"one": 1})
    append_rows(file.path, [{"under": "a", "key": "two"}])
    with pytest.raises(DataError, match=r"rows.jsonl, line 2 is no row of results: 'row'"):
        file.read()


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"a": 1}\n[2]\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 2 is not a JSON object"):
        list(read_rows(path))


def test_data_may_be_gzipped_and_need_no_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n\n{"a": 2}'))
    assert list(read_json_lines(path)) == [{"a": 1}, {"a": 2}]
