import pytest

from warehouse.inventory import Inventory, OutOfStockError
from warehouse.orders import Order


@pytest.fixture
def order():
    order = Order("Ada")
    order.add("A-1", 2, 250)
    order.add("B-2", 1, 1000)
    return order


def test_net(order):
    assert order.net() == 1500


def test_gross(order):
    assert order.gross() == 1785


def test_empty_order_costs_nothing():
    assert Order("Ada").gross() == 0


def test_reserve_takes_all_lines(order):
    inventory = Inventory()
    inventory.add("A-1", 2)
    inventory.add("B-2", 5)
    order.reserve(inventory)
    assert (inventory.quantity("A-1"), inventory.quantity("B-2")) == (0, 4)


def test_reserve_takes_nothing_when_a_line_is_short(order):
    inventory = Inventory()
    inventory.add("A-1", 2)
    with pytest.raises(OutOfStockError):
        order.reserve(inventory)
    assert inventory.quantity("A-1") == 2
