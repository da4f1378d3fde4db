"""What real tools print becomes the facts that they state, and nothing else gets out."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from learning.evidence.output import PARSERS, parse_output
from learning.records import EvidenceKind, Tier
from tests.growth import grows_linearly

_DATA = Path(__file__).resolve().parents[2] / "data" / "evidence"
_SHOP = "/home/ada/shop/"


def _facts(name: str) -> list[tuple[str, str, str, str]]:
    facts = parse_output((_DATA / f"{name}.txt").read_text())
    return [(e.kind.value, e.exception, f"{e.file}:{e.line}", e.function) for e in facts]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "chained",
            [
                ("traceback", "JSONDecodeError", f"{_SHOP}chained.py:6", "load"),
                ("traceback", "RuntimeError", f"{_SHOP}chained.py:8", "load"),
            ],
        ),
        (
            "group",
            [
                ("traceback", "ExceptionGroup", f"{_SHOP}group.py:13", "check_all"),
                ("traceback", "ValueError", f"{_SHOP}group.py:3", "check"),
                ("traceback", "ValueError", f"{_SHOP}group.py:3", "check"),
            ],
        ),
        ("syntax", [("traceback", "SyntaxError", f"{_SHOP}syntax.py:1", "")]),
        (
            "pytest_short",
            [
                ("test_failure", "OSError", "test_basket.py:8", "broken"),
                ("test_failure", "AssertionError", "test_basket.py:13", "test_sum"),
                ("test_failure", "IndexError", "basket.py:9", "cheapest"),
            ],
        ),
        (
            "unittest",
            [
                ("test_failure", "IndexError", f"{_SHOP}basket.py:9", "cheapest"),
                ("test_failure", "AssertionError", f"{_SHOP}test_unit.py:8", "test_sum"),
            ],
        ),
        ("doctest", [("test_failure", "", f"{_SHOP}doc.py:4", "doc.total")]),
        (
            "mypy",
            [
                ("diagnostic", "return-value", "typed.py:5", ""),
                ("diagnostic", "arg-type", "typed.py:8", ""),
                ("diagnostic", "name-defined", "typed.py:9", ""),
            ],
        ),
        *(
            (
                name,
                [
                    ("diagnostic", "F401", "typed.py:1", ""),
                    ("diagnostic", "F821", "typed.py:9", ""),
                ],
            )
            for name in ("ruff", "ruff_concise")
        ),
        ("gcc", [("diagnostic", "", f"sum.c:{n}", "total") for n in (5, 5, 5, 5, 6)]),
        ("gcc_link", [("diagnostic", "linker", "link.c:0", "helper")]),
        ("clang", [("diagnostic", "", "sum.c:4", ""), ("diagnostic", "", "sum.c:6", "")]),
        (
            "rustc",
            [("diagnostic", "E0425", "sum.rs:3", ""), ("diagnostic", "E0308", "sum.rs:2", "")],
        ),
        (
            "cargo_test",
            [
                ("test_failure", "panic", "src/lib.rs:11", "tests::sums"),
                ("test_failure", "panic", "src/lib.rs:16", "tests::empty"),
            ],
        ),
        *(
            (
                name,
                [
                    ("diagnostic", "TS2322", "typed.ts:2", ""),
                    ("diagnostic", "TS2552", "typed.ts:2", ""),
                    ("diagnostic", "TS2345", "typed.ts:4", ""),
                ],
            )
            for name in ("tsc", "tsc_pretty")
        ),
        ("node", [("traceback", "TypeError", f"{_SHOP}fail.js:2", "total")]),
        ("node_assert", [("traceback", "AssertionError", f"{_SHOP}assert.js:2", "")]),
        ("node_syntax", [("traceback", "SyntaxError", f"{_SHOP}bad.js:2", "")]),
        (
            "go_build",
            [("diagnostic", "", "basket.go:6", ""), ("diagnostic", "", "basket.go:10", "")],
        ),
        (
            "go_test",
            [
                ("test_failure", "", "basket_test.go:9", "TestTotal"),
                ("test_failure", "", "basket_test.go:21", "TestTable"),
            ],
        ),
        ("go_panic", [("traceback", "panic", f"{_SHOP}main.go:6", "main.cheapest")]),
        (
            "pairs",
            [("io_pair", "", ":0", name) for name in ("total", "total", "cheapest")],
        ),
        (
            "repl",
            [
                ("io_pair", "", ":0", "total"),
                ("traceback", "IndexError", f"{_SHOP}basket.py:9", "cheapest"),
            ],
        ),
    ],
)
def test_every_error_that_a_tool_printed_is_a_fact_with_its_place(
    name: str, expected: list[tuple[str, str, str, str]]
) -> None:
    assert _facts(name) == expected


def test_pytest_facts_carry_the_full_id_and_both_values() -> None:
    facts = {fact.subject: fact for fact in parse_output((_DATA / "pytest.txt").read_text())}
    assert list(facts) == [
        "test_basket.py::test_fixture",
        "test_basket.py::TestTotal::test_sum",
        "test_basket.py::test_empty",
    ]
    compared = facts["test_basket.py::TestTotal::test_sum"]
    assert (compared.got, compared.expected) == ("4", "3")
    assert compared.message == "assert 4 == 3\n+  where 4 = total([1, 2])"


@pytest.mark.parametrize(
    ("name", "got", "expected"),
    [
        ("unittest", "4", "3"),
        ("doctest", "4", "3"),
        ("cargo_test", "4", "3"),
        ("node_assert", "2", "3"),
        ("go_test", "4", "3"),
    ],
)
def test_a_comparison_gives_what_came_and_what_was_wanted(
    name: str, got: str, expected: str
) -> None:
    facts = parse_output((_DATA / f"{name}.txt").read_text())
    assert (got, expected) in [(fact.got, fact.expected) for fact in facts]


def test_a_printed_pair_states_no_expectation() -> None:
    pairs = parse_output((_DATA / "pairs.txt").read_text(), tier=Tier.OUTPUT)
    assert pairs[0].message == "total([1, 2]) gave 4"
    assert {(fact.expected, fact.tier) for fact in pairs} == {("", Tier.OUTPUT)}


def test_the_summary_alone_still_names_the_tests() -> None:
    facts = parse_output("FAILED tests/test_a.py::test_x[1-2] - ValueError: no\n1 failed\n")
    assert [(f.subject, f.exception, f.message) for f in facts] == [
        ("tests/test_a.py::test_x[1-2]", "ValueError", "no")
    ]


def test_a_compiler_warning_is_not_an_error() -> None:
    assert parse_output("sum.c:4:9: warning: unused variable [-Wunused]\n") == ()


def test_prose_and_listings_are_no_evidence() -> None:
    text = "\n".join(
        [
            "All good: 3 passed",
            "see https://example.com:80/a",
            "note: x",
            "1 -> 2",
            "README.md:3: hi",
        ]
    )
    assert parse_output(text) == ()


def test_the_newest_facts_of_very_many_are_kept() -> None:
    output = "".join(f"a.py:{n}: error: wrong  [misc]\n" for n in range(1, 500))
    facts = parse_output(output)
    assert len(facts) == 20
    assert facts[-1].line == 499


_PIECES = st.sampled_from(
    [line for path in sorted(_DATA.glob("*.txt")) for line in path.read_text().splitlines()]
)


@settings(max_examples=60, deadline=None)
@given(st.lists(_PIECES | st.text(max_size=80), max_size=60))
def test_no_mixture_of_lines_raises_or_leaks_its_tier(lines: list[str]) -> None:
    for fact in parse_output("\n".join(lines), subject="run", tier=Tier.OUTPUT):
        assert isinstance(fact.kind, EvidenceKind)
        assert fact.tier is Tier.OUTPUT
        assert len(fact.message) <= 700


@settings(max_examples=60, deadline=None)
@given(st.lists(_PIECES | st.text(max_size=80), max_size=40), st.sampled_from(PARSERS))
def test_every_parser_stays_within_the_lines(lines: list[str], parser: object) -> None:
    assert callable(parser)
    for fact in parser(lines):
        assert 0 <= fact.first <= fact.last < len(lines)


@pytest.mark.parametrize(
    "unit",
    [
        "x",
        " ",
        "\x1b[",
        "_",
        "a.py:1: ",
        "f(" * 3,
        "E   assert 1 == ",
        '  File "a.py", line 1, in f\n',
        "Traceback (most recent call last):\n",
        "error[E0308]: mismatched\n  |  ^ ",
        "    at f (a.js:1:2)\nTypeError: x\n",
        "____ test ____\nE   assert 1 == 2\n",
        "\x00\ud7ff\n",
    ],
)
def test_ten_megabytes_of_anything_take_linear_time(unit: str) -> None:
    assert grows_linearly(parse_output, unit, 10_000_000)
