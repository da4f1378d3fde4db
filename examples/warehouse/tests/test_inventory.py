import pytest

from warehouse.inventory import Inventory, OutOfStockError


def test_new_inventory_is_empty():
    assert Inventory().quantity("A-1") == 0


def test_add_counts_up():
    inventory = Inventory()
    inventory.add("A-1", 3)
    inventory.add("A-1", 4)
    assert inventory.quantity("A-1") == 7


@pytest.mark.parametrize("quantity", [0, -1])
def test_add_refuses_nothing(quantity):
    with pytest.raises(ValueError, match="positive"):
        Inventory().add("A-1", quantity)


def test_remove_counts_down():
    inventory = Inventory()
    inventory.add("A-1", 3)
    inventory.remove("A-1", 2)
    assert inventory.quantity("A-1") == 1


def test_remove_refuses_more_than_there_is():
    inventory = Inventory()
    inventory.add("A-1", 3)
    with pytest.raises(OutOfStockError, match="only 3 of A-1"):
        inventory.remove("A-1", 4)


def test_average_quantity():
    inventory = Inventory()
    inventory.add("A-1", 2)
    inventory.add("B-2", 4)
    assert inventory.average_quantity() == 3


def test_average_quantity_of_empty_inventory_is_zero():
    assert Inventory().average_quantity() == 0
