"""Orders, made of lines of one article each."""

from dataclasses import dataclass, field

from warehouse.pricing import add_tax, line_total


@dataclass
class OrderLine:
    """Some pieces of one article."""

    sku: str
    quantity: int
    unit_price: int


@dataclass
class Order:
    """What a customer wants to have."""

    customer: str
    lines: list = field(default_factory=list)

    def add(self, sku, quantity, unit_price):
        self.lines.append(OrderLine(sku, quantity, unit_price))

    def net(self):
        return sum(line_total(line.unit_price, line.quantity) for line in self.lines)

    def gross(self):
        return add_tax(self.net())

    def reserve(self, inventory):
        """Take all lines out of the inventory, or none of them."""
        done = []
        try:
            for line in self.lines:
                inventory.remove(line.sku, line.quantity)
                done.append(line)
        except Exception:
            for line in done:
                inventory.add(line.sku, line.quantity)
            raise
