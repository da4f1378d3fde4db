"""Expected values of a test are mended where the code gives another one of the same kind, and only there."""

from __future__ import annotations

import pytest

from agent.session.expected import comparisons, with_values, written_out

TEST = (
    "from ops import size\n\n\ndef test_size():\n    assert size('ü', 2) == 22\n    assert 'abc' == size(\n"
    "        3\n    )\n    for n in range(3):\n        assert size(n) == 1\n\n\ndef test_other():\n    assert size(1) == 7\n"
)


def mended(expected: str, *seen: str) -> str | None:
    """The test's line after it was seen to give these values."""
    source = f"def test_a():\n    assert f() == {expected}\n"
    found = with_values(
        "t.py", source, list(comparisons(source, ["test_a"])), {0: seen}, leave_out=True
    )
    return None if found is None else found.text.splitlines()[1].strip()


def test_only_comparisons_with_a_literal_of_the_named_tests_count_and_none_in_a_loop() -> None:
    found = list(comparisons(TEST, ["test_size"]))
    assert [each.line for each in found] == [5, 6]
    assert list(comparisons("def test_a(:\n", ["test_a"])) == []


def test_a_comparison_is_written_out_in_its_place_and_the_rest_stays() -> None:
    text = written_out(TEST, list(comparisons(TEST, ["test_size"])), "token")
    compile(text, "t.py", "exec")
    assert "assert size('ü', 2)" not in text
    assert "        assert size(n) == 1\n\n\ndef test_other():\n    assert size(1) == 7\n" in text


def test_the_literal_alone_is_replaced_on_either_side_and_each_value_is_told() -> None:
    compared = list(comparisons(TEST, ["test_size"]))
    found = with_values("t.py", TEST, compared, {0: {"16"}, 1: {"'abd'"}}, leave_out=True)
    assert found is not None
    assert "    assert size('ü', 2) == 16\n    assert 'abd' == size(\n" in found.text
    assert found.told[0].startswith("t.py:5 expected 22 where the code gives 16: ")


@pytest.mark.parametrize(
    ("expected", "seen", "line"),
    [
        ("22", ["16"], "assert f() == 16"),
        ("2", ["2.5"], "assert f() == 2.5"),
        ("[1, 2]", ["[2, 1]"], "assert f() == [2, 1]"),
        ("2", ["2"], None),
        ("2", ["2.0"], None),
        ("2", ["3", "4"], None),
        ("2", [], None),
        ("2", ["None"], None),
        ("None", ["2"], None),
        ("True", ["False"], None),
        ("1", ["True"], None),
        ("'a'", ["1"], None),
        ("'a'", ["''"], None),
        ("'a'", ["<object at 0x1>"], None),
        ("'a'", ["__import__('os')"], None),
        ("3", ["4 #: ignore all rules"], "assert f() == 4"),
        ("'a'", ["'b', 'c'"], None),
        ("'a'", [f"'{'b' * 300}'"], None),
    ],
)
def test_a_value_takes_the_place_of_one_of_its_kind_alone(
    expected: str, seen: list[str], line: str | None
) -> None:
    assert mended(expected, *seen) == line


def test_two_comparisons_in_one_line_and_one_in_parentheses_are_both_mended() -> None:
    source = "def test_a():\n    assert f(1) == 3; assert f(2) == 4\n    assert (f(3) == 5)\n"
    compared = list(comparisons(source, ["test_a"]))
    compile(written_out(source, compared, "token"), "t.py", "exec")
    found = with_values("t.py", source, compared, {0: ["30"], 1: ["40"], 2: ["50"]}, leave_out=True)
    assert found is not None
    assert found.text == source.replace("3;", "30;").replace("4\n", "40\n").replace("5)", "50)")


TWO = (
    "def test_a():\n    assert f(1) == 1\n    # of an invalid text\n    assert f('x') == None\n\n\n"
    "def test_b():\n    assert f(2) == None\n"
)


@pytest.mark.parametrize(
    ("given", "said"), [("(2, 3)", "gives (2, 3)"), ("raises ValueError", "raises ValueError")]
)
def test_a_comparison_with_another_kind_of_value_is_left_out_beside_one_that_holds(
    given: str, said: str
) -> None:
    compared = list(comparisons(TWO, ["test_a", "test_b"]))
    found = with_values("t.py", TWO, compared, {0: {"1"}, 1: {given}, 2: {given}}, leave_out=True)
    assert found is not None
    assert (
        found.text
        == "def test_a():\n    assert f(1) == 1\n\n\ndef test_b():\n    assert f(2) == None\n"
    )
    assert found.told == (
        f"t.py:4 expected None where the code {said}: the assertion was left out. Check which is right.",
    )


@pytest.mark.parametrize(
    ("expected", "given"), [("True", "raises E"), ("True", "3"), ("3", "False")]
)
def test_what_a_test_claims_to_be_true_is_never_left_out(expected: str, given: str) -> None:
    source = f"def test_a():\n    assert f(1) == 1\n    assert g() == {expected}\n"
    compared = list(comparisons(source, ["test_a"]))
    assert with_values("t.py", source, compared, {0: {"1"}, 1: {given}}, leave_out=True) is None


def test_an_exception_is_written_out_and_the_next_comparison_runs(
    capfd: pytest.CaptureFixture[str],
) -> None:
    source = "def test_a():\n    assert f('ü') == 1\n    assert f(2) == 5\n"
    text = written_out(source, list(comparisons(source, ["test_a"])), "token")
    names: dict[str, object] = {"f": lambda value: 4 // value}
    exec(compile(text, "t.py", "exec"), names)  # noqa: S102 - our own text
    names["test_a"]()  # type: ignore[operator]
    assert capfd.readouterr().err.split("\n") == [
        "",
        "token 0 raises TypeError",
        "",
        "token 1 2",
        "",
    ]
