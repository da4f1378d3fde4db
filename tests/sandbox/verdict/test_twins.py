"""A twin asks for something else than its test, in the same words: no right result can meet it."""

from __future__ import annotations

import ast
import contextlib
import random
from collections.abc import Mapping

import pytest
from hypothesis import given, strategies as st

from sandbox.box.contract import SourceFile
from sandbox.verdict.report import TestOutcome, TestResult
from sandbox.verdict.twins.making import make_twins
from sandbox.verdict.twins.values import helper, other_literal

SEEDS = range(6)
BODIES = (
    "assert add(1, 2) == 3",
    "assert 3 == add(1, 2)",
    "assert add(1, 2) == 3 and add(2, 2) == 4",
    "wanted = 3\n    assert add(1, 2) == wanted",
    "assert add(1, 2) != 4",
    "assert add(1, 2) > 2",
    "assert add(1, 2) <= 3",
    "assert add(1, 2) in (3, 4)",
    "assert 'a' in add('a', 'b')",
    "assert 'c' not in add('a', 'b')",
    "assert add([], []) is not None",
    "assert not add(0, 0)",
    "assert add(1, 2)",
    "assert add('a', 'b') == 'ab', 'why'",
    "assert add([1], [2]) == [1, 2]",
    "assert [add(1, 2)] == [\n        3,\n    ]  # three",
    "assert add(0.5, 1) == pytest.approx(1.5)",
    "assert add(5e8, 5e8) == pytest.approx(1e9)",
    "assert add(1, 2) == pytest.approx(4, abs=5)",
    "assert abs(add(0.5, 1) - 1.5) < 1e-9",
    "assert math.isclose(add(0.5, 1), 1.5)",
    "assert 2 < add(1, 2) < 4",
    "with pytest.raises(TypeError):\n        add(1, 'a')",
    "with pytest.raises(Exception):\n        add(1, 'a')",
    "with contextlib.nullcontext():\n        assert add(1, 2) == 3",
    "case = unittest.TestCase()\n    case.assertEqual(add(1, 2), 3)",
    "case = unittest.TestCase()\n    case.assertTrue(add(1, 2) == 3)",
    "case = unittest.TestCase()\n    case.assertAlmostEqual(add(0.5, 1), 1.5)",
    "case = unittest.TestCase()\n    case.assertIn(add(1, 2), [3])",
    "case = unittest.TestCase()\n    case.assertListEqual(add([1], [2]), [1, 2])",
    "case = unittest.TestCase()\n    with case.assertRaises(TypeError):\n        add(1, 'a')",
    "case = unittest.TestCase()\n    case.assertRaises(TypeError, add, 1, 'a')",
    "case = unittest.TestCase()\n    case.assertLess(add(1, 2), 4)",
    "for a, b, c in [(1, 2, 3)]:\n        assert add(a, b) == c",
    "agree(add(1, 2), 3)",
    "check_sum(add(1, 2), 3)",
    "\u00fc = '\u00e4'; assert add('\u00e4', '\u00f6') == '\u00e4\u00f6'",
)
FRAME = """import contextlib, math, unittest
import pytest
from calc import add

def agree(a, b):
    assert a == b

def check_sum(a, b):
    agree(a, b)

def test_it():
    {body}
"""


def files(test: str) -> list[SourceFile]:
    return [SourceFile(path="tests/test_calc.py", content=test.encode())]


def red(line: int = 0) -> Mapping[str, TestResult]:
    name = "tests/test_calc.py::test_it"
    failed = TestResult(
        id=name, outcome=TestOutcome.FAILED, file="tests/test_calc.py" if line else "", line=line
    )
    return {name: failed}


def run(source: str) -> None:
    """Run the test on a right result."""
    tree = ast.parse(source)
    tree.body = [n for n in tree.body if not (isinstance(n, ast.ImportFrom) and n.module == "calc")]
    space: dict[str, object] = {"add": lambda a, b: a + b}
    exec(compile(tree, "test_calc.py", "exec"), space)  # noqa: S102
    test = space["test_it"]
    assert callable(test)
    test()


@pytest.mark.parametrize("body", BODIES)
def test_a_right_result_passes_the_test_and_fails_every_twin(body: str) -> None:
    source = FRAME.format(body=body)
    run(source)
    for seed in SEEDS:
        twins = make_twins(files(source), red(), draw=random.Random(seed))  # noqa: S311
        assert twins.unmade == frozenset()
        assert len(twins.rounds) == 2
        for (twin,) in twins.rounds:
            assert isinstance(twin.content, bytes)
            text = twin.content.decode()
            assert text != source
            with pytest.raises(BaseException):  # noqa: B017, PT011
                run(text)


def test_the_place_is_drawn_among_those_that_did_not_hold_before() -> None:
    source = FRAME.format(
        body="assert 1 == 1\n    assert add(1, 2) == 3\n    assert add(2, 2) == 4"
    )
    seen: set[int] = set()
    for seed in range(20):
        draw = random.Random(seed)  # noqa: S311
        (twin,), _ = make_twins(files(source), red(line=13), draw=draw).rounds
        assert isinstance(twin.content, bytes)
        assert b"assert 1 == 1\n" in twin.content
        changed = zip(source.encode().splitlines(), twin.content.splitlines(), strict=False)
        seen.update(number for number, (old, new) in enumerate(changed, start=1) if old != new)
    assert seen == {13, 14}


def test_a_test_that_expects_nothing_has_no_twin() -> None:
    twins = make_twins(files(FRAME.format(body="add(1, 2)")), red())
    assert (twins.rounds, twins.ids) == ((), frozenset())
    assert twins.unmade == {"tests/test_calc.py::test_it"}


def test_nothing_is_looked_for_in_a_test_that_somebody_changed() -> None:
    source = FRAME.format(body="assert add(1, 2) == 3")
    assert make_twins(files(source), red(), changed={"tests/test_calc.py"}).rounds == ()


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.binary()
    | st.floats(allow_nan=False, allow_infinity=False, width=32),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
    max_leaves=5,
)


@given(LITERALS, st.randoms(use_true_random=False))
def test_another_value_is_never_equal_and_of_the_same_type(
    value: object, draw: random.Random
) -> None:
    text = other_literal(ast.parse(repr(value), mode="eval").body, draw)
    space: dict[str, object] = {}
    exec(helper("other"), space)  # noqa: S102
    other = space["other"]
    assert callable(other)
    for changed in (ast.literal_eval(text) if value is not None else object(), other(value)):
        assert changed != value
        assert value is None or type(changed) is type(value)


@given(st.text(alphabet="assert()=<>[]{}'\"#\\ \n\tnotinsadd123,:\u00e4", max_size=80))
def test_no_test_breaks_the_making(body: str) -> None:
    source = f"def test_it():\n    {body}\n"
    twins = make_twins(files(source), red())
    with contextlib.suppress(SyntaxError, ValueError):
        ast.parse(source)
        for (twin,) in twins.rounds:
            assert isinstance(twin.content, bytes)
            compile(twin.content, "t.py", "exec")
