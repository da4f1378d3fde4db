import pytest

from warehouse import shipping


@pytest.mark.parametrize(("grams", "cents"), [(1, 490), (2_000, 490), (2_001, 890), (10_001, 1690)])
def test_cost_by_weight(grams, cents):
    assert shipping.shipping_cost(grams) == cents


def test_cost_refuses_no_weight():
    with pytest.raises(ValueError, match="positive"):
        shipping.shipping_cost(0)


def test_parcels_needed_rounds_up():
    assert shipping.parcels_needed(60_001, 30_000) == 3
