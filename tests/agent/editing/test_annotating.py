"""Docstrings and hints of a reply are put into the code, which stays to the last character otherwise."""

from __future__ import annotations

import ast
import sys

import pytest
from hypothesis import given, strategies as st

from agent.editing.annotating import (
    headers_to_annotate,
    stubs_to_document,
    with_docstrings_of,
    with_hints_of,
)
from agent.reply.parsed import FileEdit
from agent.turn.only_asked import asks_for_whole_file, only_asked, with_bodies

BEFORE = """import re

RATE = 0.19   # of the net


def with_tax(cents, rate=RATE, *more, **other):
    # rounded once
    return round(cents * (1 + rate))


class Cart:
    limit = 3

    @property
    def total(self): return sum(self.items)

    async def add(
        self,
        name,
        ü=(1, 2),
    ):
        self.items.append(name)
"""
REPLY = """\"""Taxes.\"""
import re

RATE: float = 0.2


def with_tax(cents: int, rate: float = RATE, *more: str, **other: object) -> int:
    \"""Add the tax.

    Rounds once.
    \"""
    return int(cents * (1 + rate))


class Cart:
    \"""A cart.\"""

    @property
    def total(self) -> int:
        \"""The sum.\"""
        return 0

    async def add(self, name: str, ü: tuple[int, int] = (1, 2)) -> None:
        \"""Add an item.\"""
"""


def test_docstrings_come_and_nothing_else() -> None:
    after = with_docstrings_of(REPLY, BEFORE)
    tree = ast.parse(after)
    assert ast.get_docstring(tree) == "Taxes."
    found = {
        node.name: ast.get_docstring(node)
        for node in ast.walk(tree)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    }
    assert found == {
        "with_tax": "Add the tax.\n\nRounds once.",
        "Cart": "A cart.",
        "total": None,
        "add": "Add an item.",
    }
    kept = [line for line in after.splitlines() if line in BEFORE.splitlines()]
    assert [line for line in kept if line] == [line for line in BEFORE.splitlines() if line]


def test_an_older_docstring_is_replaced_and_stays_where_the_reply_has_none() -> None:
    before = 'def f():\n    "Old."\n    return 1\n\n\ndef g():\n    "Old."\n'
    reply = 'def f():\n    """New."""\n    return 2\n\n\ndef g():\n    pass\n'
    assert with_docstrings_of(reply, before) == before.replace('"Old."', '"""New."""', 1)


def test_hints_come_and_nothing_else() -> None:
    after = with_hints_of(REPLY, BEFORE)
    assert (
        "def with_tax(cents: int, rate: float = RATE, *more: str, **other: object) -> int:" in after
    )
    assert "def total(self) -> int: return sum(self.items)" in after
    assert "        name: str,\n        ü: tuple[int, int] = (1, 2),\n    ) -> None:\n" in after
    assert "RATE = 0.19   # of the net" in after
    assert "return round(cents * (1 + rate))" in after


def test_only_those_that_are_named_are_taken() -> None:
    assert "Cart.add" not in with_hints_of(REPLY, BEFORE, names=["with_tax"])
    assert "name: str" not in with_hints_of(REPLY, BEFORE, names=["with_tax"])
    assert "Taxes." not in with_docstrings_of(REPLY, BEFORE, names=["Cart.add"])
    assert "Add an item." in with_docstrings_of(REPLY, BEFORE, names=["Cart.add"])


@pytest.mark.parametrize(
    ("request_", "changes"),
    [
        ("add type hints to with_tax in tax.py", True),
        ("annotate all functions of tax.py with types", True),
        ("add docstrings", True),
        ("document with_tax", True),
        ("add a docstring and type hints to with_tax", True),
        ("add type hints to with_tax and rename it to gross", False),
        ("add a function that has type hints", False),
        ("let with_tax round down", False),
        ("add a docstring to with_tax and make it round down", False),
        ("add type hints and handle missing values", False),
        ("add docstrings and simplify with_tax", False),
        ("add type hints to with_tax, cache the result", False),
        ("add a method count with a docstring to Cart", False),
        ("add two more types of coins", False),
        ("add google style docstrings to all functions in tax.py", True),
    ],
)
def test_a_request_for_nothing_else_changes_no_code(request_: str, changes: bool) -> None:
    edit = only_asked(FileEdit(path="tax.py", content=REPLY), BEFORE, request_)
    assert ("return round(cents" in edit.content) == changes
    assert edit.exact == changes


_SIGNATURES = st.lists(st.sampled_from(["a", "b=1", "*c", "d='ü'", "**e"]), max_size=5, unique=True)


@given(_SIGNATURES, st.booleans(), st.sampled_from(["", "  # ä (", "\n"]))
def test_hints_keep_the_program(arguments: list[str], is_async: bool, comment: str) -> None:
    head = ", ".join(sorted(arguments, key=["a", "b=1", "*c", "d='ü'", "**e"].index))
    keyword = "async def" if is_async else "def"
    before = f"{keyword} f({head}):{comment}\n    return locals()\n"
    reply = "def f(a: int, b: str = 2, *c: bytes, d: 'x' = 1, **e: float) -> dict: ...\n"
    if is_async:
        reply = f"async {reply}"
    after = ast.parse(with_hints_of(reply, before))
    for node in ast.walk(after):
        if isinstance(node, ast.arg):
            assert node.annotation is not None
            node.annotation = None
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert node.returns is not None
            node.returns = None
    assert ast.dump(after) == ast.dump(ast.parse(before))


@given(st.text(max_size=200), st.text(max_size=200))
def test_nothing_raises(reply: str, before: str) -> None:
    assert with_docstrings_of(reply, before) is not None
    assert with_hints_of(reply, before) is not None


@pytest.mark.parametrize(
    ("request_", "names"),
    [
        ("add docstrings to all functions in add.py", {"with_tax", "Cart", "add"}),
        ("add docstrings to all methods of Cart", {"Cart", "add"}),
        ("add a docstring to the class Cart", {"Cart"}),
        ("add a docstring to with_tax", {"with_tax"}),
    ],
)
def test_those_that_are_meant_get_a_docstring(request_: str, names: set[str]) -> None:
    after = only_asked(FileEdit(path="add.py", content=REPLY), BEFORE, request_).content
    found = {
        node.name
        for node in ast.walk(ast.parse(after))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        and ast.get_docstring(node)
    }
    assert found == names


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(
            "from __future__ import annotations\n\n\nclass Cart:\n    def copy(self) -> Cart:\n        return 1\n",
            marks=pytest.mark.skipif(
                sys.version_info >= (3, 14), reason="hints are read late there"
            ),
        ),
        "from typing import TypeVar\n\nT = TypeVar('T')\n\n\nclass Cart:\n    def copy(self) -> T:\n        return 1\n",
        "from decimal import Decimal as D\n\n\nclass Cart:\n    def copy(self) -> D:\n        return 1\n",
    ],
)
def test_hints_that_need_more_than_an_import_are_left_to_the_whole_reply(reply: str) -> None:
    before = "class Cart:\n    def copy(self):\n        return self\n"
    edit = FileEdit(path="cart.py", content=reply)
    assert only_asked(edit, before, "add type hints") is edit


def test_a_property_with_its_setter_is_not_mixed_up() -> None:
    before = "class A:\n    @property\n    def x(self):\n        return 1\n\n    @x.setter\n    def x(self, v):\n        pass\n"
    reply = (
        'class A:\n    @property\n    def x(self) -> int:\n        """Get."""\n        return 1\n'
    )
    assert with_hints_of(reply, before) == before
    assert with_docstrings_of(reply, before) == before


@pytest.mark.parametrize("said", ["a\\ud800b", "a\\0b", "a\\rb"])
def test_a_docstring_of_strange_characters_is_left_out(said: str) -> None:
    before = "def f():\n    return 1\n"
    reply = f'def f():\n    """{said}"""\n    return 1\n'
    assert with_docstrings_of(reply, before) == before


def test_the_headers_without_hints_are_listed_with_dots() -> None:
    source = (
        "class A:\n    @property\n    def x(self): return 1\n    def y(self, a, *b, c=3) -> int:\n        return 1\n\n\n"
        "async def f(a, b=None, /): pass\ndef g() -> None: pass\ndef h(a: int): pass\n"
    )
    assert headers_to_annotate(source) == (
        "A: def x(self) -> ...:",
        "A: def y(self, a: ..., *b: ..., c: ...=3) -> int:",
        "async def f(a: ..., b: ...=None, /) -> ...:",
        "def h(a: int) -> ...:",
    )


def test_what_a_request_names_alone_is_to_be_documented() -> None:
    source = "def f(a):\n    return a\n\n\nclass C:\n    def g(self):\n        return 1\n\n    def h(self):\n        'Say.'\n"
    assert stubs_to_document(source, words=["document", "f"]) == ('def f(a):\n    """..."""',)
    both = 'class C:\n    """..."""\n\n    def g(self):\n        """..."""'
    assert stubs_to_document(source, words=["C"]) == (both,)
    assert stubs_to_document(source, words=["g"]) == (both.replace('    """..."""\n\n', "\n", 1),)
    assert len(stubs_to_document(source)) == 2


def test_a_first_line_alone_gets_dots_and_one_with_a_body_stays() -> None:
    text = "```python\nclass A:\n    def one(self) -> int:\n\n    def two(self) -> str:\n        return ''\n\ndef three() -> None:\n```"
    assert with_bodies(text) == text.replace("-> int:", "-> int: ...").replace("None:", "None: ...")
    commented = "def f(x: int) -> int:\n# note\n    return x"
    hunk = "<<<<<<< SEARCH\ndef f(x):\n=======\ndef f(x: int):\n>>>>>>> REPLACE"
    assert (with_bodies(commented), with_bodies(hunk)) == (commented, hunk)


def test_only_what_is_named_is_said_to_lack_hints() -> None:
    source = "class A:\n    def __init__(self):\n        pass\n\n    def one(self, n):\n        pass\n\n\ndef two(m):\n    pass\n"
    assert headers_to_annotate(source) == (
        "A: def one(self, n: ...) -> ...:",
        "def two(m: ...) -> ...:",
    )
    assert headers_to_annotate(source, words=["two"]) == ("def two(m: ...) -> ...:",)


@pytest.mark.parametrize(
    ("request_", "whole"),
    [
        ("add type hints to cart.py", True),
        ("please annotate all functions in shop/cart.py", True),
        ("add a return type hint to total in cart.py", False),
        ("add a module docstring to cart.py", False),
        ("add docstrings to the public functions in cart.py", False),
        ("add type hints to cart.py, but not to total", False),
        ("add type hints to the first two functions of cart.py", False),
        ("add type hints", False),
        ("what are type hints in cart.py", False),
    ],
)
def test_only_a_request_for_a_whole_file_is_for_all_of_it(request_: str, *, whole: bool) -> None:
    source = "def total(a):\n    return a\n"
    assert asks_for_whole_file(request_, "shop/cart.py", source) is whole
