"""How many pieces of each article are in stock."""


class OutOfStockError(Exception):
    """More pieces were asked for than there are."""


class Inventory:
    """Quantities by article number."""

    def __init__(self):
        self._quantities = {}

    def add(self, sku, quantity):
        if quantity <= 0:
            raise ValueError("quantity must be positive")
        self._quantities[sku] = self._quantities.get(sku, 0) + quantity

    def remove(self, sku, quantity):
        if self.quantity(sku) < quantity:
            raise OutOfStockError(f"only {self.quantity(sku)} of {sku} left")
        self._quantities[sku] -= quantity

    def quantity(self, sku):
        return self._quantities.get(sku, 0)

    def average_quantity(self):
        """Mean number of pieces per article; 0 for an empty inventory."""
        return sum(self._quantities.values()) / len(self._quantities)
