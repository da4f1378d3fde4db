"""Parcels and what it costs to send them."""

MAX_PARCEL_GRAMS = 30_000


def shipping_cost(grams):
    """Cost in cents of one parcel by its weight."""
    if grams <= 0:
        raise ValueError("weight must be positive")
    if grams <= 2_000:
        return 490
    if grams <= 10_000:
        return 890
    return 1690
