import pytest

from graph import nodes, order, reverse, within

WAYS = {"a": ["b", "c"], "b": ["d"], "c": ["d"], "d": ["e"]}


def test_every_node_is_found():
    assert nodes(WAYS) == ["a", "b", "c", "d", "e"]


def test_one_step_unless_said():
    assert within(WAYS, "a") == {"a": 0, "b": 1, "c": 1}


def test_steps_are_counted():
    assert within(WAYS, "a", 2) == {"a": 0, "b": 1, "c": 1, "d": 2}


def test_edges_turn_around():
    assert reverse(WAYS) == {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": ["d"]}


def test_edges_point_forward():
    assert order(WAYS) == ["a", "b", "c", "d", "e"]


def test_a_circle_has_no_order():
    with pytest.raises(ValueError):
        order({"a": ["b"], "b": ["a"]})
