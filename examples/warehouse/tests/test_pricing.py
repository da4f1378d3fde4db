import pytest

from warehouse.pricing import add_tax, line_total


def test_line_total():
    assert line_total(250, 2) == 500


def test_no_discount_below_bulk_quantity():
    assert line_total(100, 9) == 900


def test_discount_starts_at_bulk_quantity():
    assert line_total(100, 10) == 950


def test_discount_above_bulk_quantity():
    assert line_total(100, 20) == 1900


@pytest.mark.parametrize(("net", "gross"), [(100, 119), (0, 0), (3, 4)])
def test_add_tax_rounds_half_up(net, gross):
    assert add_tax(net) == gross
