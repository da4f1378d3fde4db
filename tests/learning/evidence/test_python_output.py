"""Tool output becomes facts: the right ones, in order, whatever the output looks like."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from learning.evidence.facts import compared_values
from learning.evidence.output import parse_output
from learning.records import Evidence, EvidenceKind, Tier
from tests.growth import grows_linearly


def _run(tmp_path: Path, source: str) -> str:
    script = tmp_path / "script.py"
    script.write_text(source)
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False
    )
    return done.stderr


def test_a_traceback_names_exception_message_and_deepest_frame(tmp_path: Path) -> None:
    output = _run(tmp_path, "def share(n):\n    return 1 / n\n\nshare(0)\n")
    (fact,) = parse_output(output, subject="script.py")
    assert fact == Evidence(
        kind=EvidenceKind.TRACEBACK,
        tier=Tier.HARNESS,
        subject="script.py",
        exception="ZeroDivisionError",
        message="division by zero",
        file=str(tmp_path / "script.py"),
        line=2,
        function="share",
    )


def test_chained_exceptions_come_cause_first(tmp_path: Path) -> None:
    source = "try:\n    {}['a']\nexcept KeyError as err:\n    raise ValueError('no a') from err\n"
    facts = parse_output(_run(tmp_path, source))
    assert [(fact.exception, fact.message) for fact in facts] == [
        ("KeyError", "'a'"),
        ("ValueError", "no a"),
    ]


def test_an_exception_during_handling_comes_last(tmp_path: Path) -> None:
    source = "try:\n    int('x')\nexcept ValueError:\n    [].pop()\n"
    assert [fact.exception for fact in parse_output(_run(tmp_path, source))] == [
        "ValueError",
        "IndexError",
    ]


def test_a_syntax_error_names_its_line(tmp_path: Path) -> None:
    (fact,) = parse_output(_run(tmp_path, "x = 1\ny = (2\n"))
    assert (fact.exception, fact.line) == ("SyntaxError", 2)
    assert fact.message == "'(' was never closed"


def test_a_qualified_exception_is_named_without_its_module(tmp_path: Path) -> None:
    (fact,) = parse_output(_run(tmp_path, "import json\njson.loads('{')\n"))
    assert fact.exception == "JSONDecodeError"


def test_members_of_an_exception_group_are_found(tmp_path: Path) -> None:
    source = (
        "errors = []\n"
        "try:\n    int('x')\nexcept ValueError as err:\n    errors.append(err)\n"
        "raise ExceptionGroup('two', [*errors])\n"
    )
    exceptions = [fact.exception for fact in parse_output(_run(tmp_path, source))]
    assert exceptions == ["ExceptionGroup", "ValueError"]


def test_no_source_line_is_quoted(tmp_path: Path) -> None:
    output = _run(
        tmp_path, "def wrong_on_purpose():\n    raise ValueError('no')\nwrong_on_purpose()\n"
    )
    assert "raise ValueError" in output
    assert "raise ValueError" not in str(parse_output(output))


@pytest.mark.parametrize(
    "output",
    [
        "",
        "all good\n",
        "Traceback (most recent call last):\n",
        '  File "x.py", line 3\n',
        "Error: no",
    ],
)
def test_output_without_a_whole_traceback_says_nothing(output: str) -> None:
    assert parse_output(output) == ()


_PIECES = st.sampled_from(
    [
        "Traceback (most recent call last):\n",
        '  File "a.py", line 1, in f\n',
        "    code()\n",
        "ValueError: x\n",
        "E.F.G: \n",
        "+-+---------------- 1 ----------------\n",
        "| | |\n",
        "\n",
        "\x00\ufffd",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=400) | st.lists(_PIECES, max_size=30).map("".join))
def test_garbage_never_raises(output: str) -> None:
    for fact in parse_output(output):
        assert len(fact.message) <= 600


@pytest.mark.parametrize(
    "piece",
    ["A.", "| ", '  File "', "Traceback (most recent call last):\n", "+-", "FAILED a.py - x != "],
)
def test_ten_megabytes_take_linear_time(piece: str) -> None:
    assert grows_linearly(parse_output, piece, 10_000_000)


def test_the_short_summary_of_pytest_names_every_test_with_its_values() -> None:
    printed = (
        "tests/test_shop.py:7: AssertionError\n"
        "=== short test summary info ===\n"
        "FAILED tests/test_shop.py::test_total[a b] - AssertionError: assert 9 == 6\n"
        "FAILED tests/test_shop.py::test_short - assert 1 == 2\n"
        "ERROR tests/test_other.py - ModuleNotFoundError: No module named 'other'\n"
        "2 failed, 1 error in 0.12s\n"
    )
    total, short, other = parse_output(printed)
    assert total.kind is EvidenceKind.TEST_FAILURE
    assert (total.subject, total.function, total.line) == (
        "tests/test_shop.py::test_total[a b]",
        "test_total",
        7,
    )
    assert (total.got, total.expected) == ("9", "6")
    assert (short.exception, short.expected) == ("AssertionError", "2")
    assert (other.exception, other.message) == ("ModuleNotFoundError", "No module named 'other'")


@pytest.mark.parametrize(
    ("message", "expected", "got"),
    [
        ("assert 9 == 6\n +  where 9 = total()", "6", "9"),
        ("AssertionError: 3 != 4", "4", "3"),
        ("'a' != 'b' : names differ", "'b'", "'a'"),
        ("DID NOT RAISE <class 'shop.errors.Empty'>", "Empty is raised", "no exception"),
        ("ValueError not raised by load", "ValueError is raised", "no exception"),
        ("assert is_open(door)", "", ""),
        ("division by zero", "", ""),
    ],
)
def test_a_failed_check_says_what_it_expected_and_got(
    message: str, expected: str, got: str
) -> None:
    assert compared_values(message) == (expected, got)
