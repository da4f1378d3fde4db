"""Definitions that a block gives: what is put in, and what is refused so that nothing is lost."""

from __future__ import annotations

import pytest

from agent.editing.placing import place_definitions
from agent.editing.python_parts import is_part_of

CART = """\
from shapes import Base

MAX = 10


class Cart(Base):
    size: int = 1

    @property
    def total(self):
        return self._total

    @total.setter
    def total(self, value):
        self._total = value

    def count(self):
        return 1


def limit(value):
    return min(value, MAX)


if __name__ == "__main__":
    print(limit(3))
"""
LIMIT = "def limit(value):\n    return max(value, MAX)\n"


@pytest.mark.parametrize(
    "block",
    [
        "class Cart(Base):\n    @property\n    def total(self):\n        return 1\n",
        "@property\ndef total(self):\n    return 1\n",
        "class Cart(Base):\n    def size(self):\n        return 1\n    def size(self):\n        return 2\n",
        f"@overload\n{LIMIT}\n\n{LIMIT}",
        f"MAX = 30\n\n\n{LIMIT}",
        f"MAX: int = 30\n\n\n{LIMIT}",
        f"{LIMIT}\nprint(limit(4))\n",
        f"{LIMIT}\nif __name__ == '__main__':\n    print(limit(4))\n",
        "class Cart(Base):\n    colour: str = ''\n\n    def count(self):\n        return 2\n",
        "class Cart(Base):\n    size: int = 2\n\n    def count(self):\n        return 2\n",
        "class Cart(Other):\n    def count(self):\n        return 2\n",
        "def Cart():\n    return 1\n",
    ],
)
def test_a_block_of_which_something_would_be_lost_is_not_put_in(block: str) -> None:
    assert place_definitions(CART, block) is None


@pytest.mark.parametrize(
    "beside",
    ["MAX = 10", 'if __name__ == "__main__":\n    print(limit(3))', '"""A cart."""', "..."],
)
def test_what_the_block_copies_unchanged_does_no_harm(beside: str) -> None:
    placed = place_definitions(CART, f"{beside}\n\n\n{LIMIT}")
    assert placed is not None
    assert placed.text == CART.replace("min(value", "max(value")


def test_a_new_constant_comes_along() -> None:
    placed = place_definitions(CART, f"LEAST: int = 2\n\n\n{LIMIT}")
    assert placed is not None
    assert "LEAST: int = 2\n" in placed.text


def test_a_method_beside_a_property_with_a_setter_is_put_in() -> None:
    block = "class Cart(Base):\n    size: int = 1\n\n    def count(self):\n        return 2\n"
    placed = place_definitions(CART, block)
    assert placed is not None
    assert placed.text == CART.replace("return 1\n", "return 2\n")


def test_a_whole_class_with_its_setter_takes_the_place_of_the_old_one() -> None:
    start, end = CART.index("class Cart"), CART.index("\n\ndef limit")
    block = CART[start:end].replace("return self._total", "return self._total or 0")
    placed = place_definitions(CART, block)
    assert placed is not None
    assert placed.text == CART.replace("return self._total", "return self._total or 0")


def test_a_block_with_all_definitions_is_a_part_where_it_uses_what_only_the_file_binds() -> None:
    file = "import math\n\n\ndef area(r):\n    return math.pi * r\n\n\nif __name__ == '__main__':\n    area(1)\n"
    block = "def area(r):\n    return math.pi * r**2\n"
    assert is_part_of(block, file)
    placed = place_definitions(file, block)
    assert placed is not None
    assert placed.text == file.replace("math.pi * r\n", "math.pi * r**2\n")
    assert not is_part_of("def area(r):\n    return 3 * r**2\n", file)
    assert not is_part_of(f"import math\n\n\n{block}", file)
    local = "LIMIT = 3\n\n\ndef f():\n    return LIMIT\n"
    assert not is_part_of("def f():\n    LIMIT = 4\n    return LIMIT\n", local)
    assert not is_part_of("def f(LIMIT=3):\n    return LIMIT\n", local)
