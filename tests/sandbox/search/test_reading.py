"""What a box says of lines is taken only where it can be true: the project may write it itself."""

from __future__ import annotations

import hmac
import json

import pytest

from agent.editing.source_files import is_test_path
from agent.localisation.places import rank
from sandbox.search.reading import TrialReader
from sandbox.search.values import Searched

KEY = "key"


def told(lines: object, **usual: object) -> Searched:
    reader = TrialReader(KEY)
    records = [
        {"kind": "lines", "lines": lines},
        {"kind": "usual", "red": 1, "green": 1, "red_ids": ["t"], **usual},
    ]
    for number, record in enumerate(records):
        body = json.dumps({**record, "n": number}).encode()
        seal = hmac.new(KEY.encode(), body, "sha256").hexdigest().encode()
        reader.feed(b"el1 " + seal + b" " + body + b"\n")
    return reader.searched


@pytest.mark.parametrize(
    "numbers",
    [
        [1, 1, -1, 1],
        [1, -1, 1, 1],
        [1, 0, 1, 1],
        [1, 10**400, 0, 1],
        [1, 1, 10**400, 1],
        [1, True, 0, 1],
        [1, 1, 0, -1],
        [1, 1, 0, 1 << 60],
        [1, 1, 0, 1, 1],
        [1, 1, 0],
        [1, 1.0, 0, 1],
    ],
)
def test_a_line_with_impossible_numbers_is_left_out(numbers: list[object]) -> None:
    searched = told([["a.py", *numbers], ["a.py", 2, 1, 0, 1]])
    assert list(searched.lines) == [("a.py", 2)]
    assert rank(searched, [], {"a.py": "x = 1\ny = 2\n"}.get, is_test=is_test_path)


def test_impossible_numbers_of_all_tests_do_not_end_the_ranking() -> None:
    searched = told([["a.py", 1, 1, 0, 1]], red=10**400, green=10**400)
    assert (searched.red, searched.green) == (0, 0)
    assert rank(searched, [], {"a.py": "x = 1\n"}.get, is_test=is_test_path) == ()


def test_only_so_many_groups_of_tests_are_kept_in_memory() -> None:
    searched = told(
        [["a.py", n, 1, 0, n] for n in range(1, 20_001)], red_ids=[*"abcdefghijklmnopq"]
    )
    assert len(searched.lines) == 20_000
    assert len({id(counts.by) for counts in searched.lines.values()}) <= 5001
    assert searched.lines["a.py", 1].by == {"a"}
