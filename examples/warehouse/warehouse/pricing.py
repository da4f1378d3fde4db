"""Prices in cents."""

BULK_QUANTITY = 10
BULK_DISCOUNT_PERCENT = 5


def line_total(unit_price, quantity):
    """Price of one order line; from BULK_QUANTITY pieces on, the discount applies."""
    total = unit_price * quantity
    if quantity > BULK_QUANTITY:
        total -= total * BULK_DISCOUNT_PERCENT // 100
    return total


def add_tax(net, percent=19):
    """Price with tax, rounded half up to whole cents."""
    return net + (net * percent + 50) // 100
