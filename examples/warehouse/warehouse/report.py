"""Short texts about the state of the warehouse."""


def stock_line(sku, quantity):
    """One line of the stock list, e.g. `A-1 ......  12`."""
    dots = "." * max(2, 12 - len(sku))
    return f"{sku} {dots} {quantity:>4}"


def low_stock(inventory, skus, threshold=5):
    """Article numbers with fewer pieces than the threshold, in alphabetical order."""
    return sorted(sku for sku in skus if inventory.quantity(sku) < threshold)
