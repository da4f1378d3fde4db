"""What only the tests use is told from what they are about."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sandbox.verdict.instruments import Instruments
from sandbox.verdict.pristine import is_pinned

CALC = "def add(a, b):\n    return a - b\n"
TEST = "from calc import add\nfrom other import x\n\n\ndef test_add():\n    {body}\n"


def instruments(test: str, other: str = "x = 3\n", **more: str) -> Instruments:
    files: Mapping[str, str] = {
        "calc.py": CALC,
        "other.py": other,
        "tests/test_calc.py": test,
        **{f"{name}.py": text for name, text in more.items()},
    }
    return Instruments({path: text.encode() for path, text in files.items()}, is_pinned)


@pytest.mark.parametrize(
    ("body", "other"),
    [
        ("assert add(1, 2) == x", "x = 3\n"),
        ("assert x == add(1, 2)", "x = 3\n"),
        ("assert add(1, 2) == x(1, 2)", "def x(a, b): return a + b\n"),
        ("x(add(1, 2), 3)", "def x(a, b):\n    assert a == b\n"),
        ("self.assertEqual(add(1, 2), x)", "x = 3\n"),
    ],
)
def test_the_word_that_a_result_is_held_against_belongs_to_the_tests(body: str, other: str) -> None:
    found = instruments(TEST.format(body=body), other)
    assert "other.py" in found
    assert "calc.py" not in found


@pytest.mark.parametrize(
    "test",
    [
        TEST.format(body="assert add(1, 2) == 3\n    assert x(1) == 2"),
        TEST.format(body="x(add(1, 2))\n    assert add(1, 2) == 3"),
        TEST.format(body="assert x == 1") + "\n\nclass Mine(x):\n    pass\n",
        TEST.format(body="@x\n    def inner(): return add(1, 2)\n    assert inner() == 3"),
        "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
    ],
)
def test_what_the_tests_are_about_does_not(test: str) -> None:
    found = instruments(test, "def x(a): return a\n")
    assert "calc.py" not in found
    assert "other.py" not in found


def test_a_base_class_or_decorator_of_tests_belongs_to_them() -> None:
    base = TEST.format(body="assert add(1, 2) == 3") + "\n\nclass TestIt(x):\n    pass\n"
    decorated = TEST.format(body="pass") + "\n\n@x\ndef test_more():\n    assert add(1, 2)\n"
    assert "other.py" in instruments(base)
    assert "other.py" in instruments(decorated)


def test_what_the_code_itself_imports_does_not() -> None:
    found = instruments(TEST.format(body="assert add(1, 2) == x"), shop="import other\n")
    assert "other.py" not in found
