"""One function of a file is broken, and nothing else of it changes."""

from __future__ import annotations

import pytest

from agent.mining.functions import differing, small_functions, stubbed, with_older_body

_SHOP = '''"""A shop."""


class Order:
    @property
    def net(self) -> int:
        """Without tax."""
        return sum(self.prices)

    def __repr__(self) -> str:
        return "order"


def total(prices):
    # the sum
    amount = 0
    for price in prices:
        amount += price
    return amount


def one_line(x): return x


def nothing():
    ...
'''


def test_functions_that_do_something_can_be_tasks() -> None:
    assert list(small_functions(_SHOP)) == ["Order.net", "total"]


def test_a_long_function_is_no_small_task() -> None:
    text = "def long(x):\n" + "    x += 1\n" * 40
    assert small_functions(text) == {}


def test_a_stub_keeps_signature_decorators_and_docstring() -> None:
    broken = stubbed(_SHOP, "Order.net")
    assert broken == _SHOP.replace("return sum(self.prices)", "raise NotImplementedError")


def test_all_lines_of_the_body_go() -> None:
    broken = stubbed(_SHOP, "total")
    assert broken is not None
    assert "amount" not in broken
    assert broken.endswith("def nothing():\n    ...\n")
    assert "    # the sum\n    raise NotImplementedError\n\n\ndef one_line" in broken


@pytest.mark.parametrize("name", ["Order.__repr__", "one_line", "nothing", "Order", "missing"])
def test_what_is_no_task_is_not_broken(name: str) -> None:
    assert stubbed(_SHOP, name) is None


def test_an_older_body_comes_under_the_new_docstring() -> None:
    older = "def total(prices):\n    return len(prices)\n"
    broken = with_older_body(_SHOP, "total", older)
    assert broken is not None
    assert "    # the sum\n    return len(prices)\n\n\ndef one_line" in broken


@pytest.mark.parametrize(
    "older",
    [
        "",
        "not python (",
        "def total(prices, tax):\n    return 1\n",
        "async def total(prices):\n    return 1\n",
        _SHOP.replace("# the sum", "# another comment"),
    ],
)
def test_a_body_of_another_function_or_the_same_is_not_taken(older: str) -> None:
    assert with_older_body(_SHOP, "total", older) is None


def test_the_functions_that_differ_are_named() -> None:
    other = _SHOP.replace("sum(self.prices)", "0").replace("amount = 0", "amount = 1")
    assert differing(_SHOP, other) == "Order.net,total"
    assert differing(_SHOP, _SHOP) == ""
