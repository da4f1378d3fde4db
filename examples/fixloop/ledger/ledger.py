"""Accounts in cents: deposits, transfers, fees, statements."""

from dataclasses import dataclass, field


class NotEnoughMoney(Exception):
    """An account would fall below its limit."""


@dataclass
class Account:
    owner: str
    balance: int = 0
    limit: int = 0
    entries: list = field(default_factory=list)

    def book(self, amount, text):
        """Add an entry; negative amounts are withdrawals."""
        if self.balance + amount < -self.limit:
            raise NotEnoughMoney(self.owner)
        self.balance += amount
        self.entries.append((text, amount))


def transfer(source, target, amount, fee=0):
    """Move money; the fee is paid by the source."""
    if amount <= 0:
        raise ValueError("the amount must be positive")
    source.book(-amount - fee, f"to {target.owner}")
    target.book(amount, f"from {source.owner}")


def interest(balance, percent, months=12):
    """Simple interest in cents for a number of months, rounded down."""
    return balance * percent * months // 1200


def statement(account, last=3):
    """The newest entries, the newest first."""
    lines = [f"{text}: {amount / 100:.2f}" for text, amount in account.entries[-last:]]
    return list(reversed(lines))
