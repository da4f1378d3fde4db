from warehouse.inventory import Inventory
from warehouse.report import low_stock, stock_line


def test_stock_line():
    assert stock_line("A-1", 12) == "A-1 .........   12"


def test_low_stock_is_sorted():
    inventory = Inventory()
    inventory.add("A-1", 9)
    assert low_stock(inventory, ["C-3", "A-1", "B-2"]) == ["B-2", "C-3"]
