import pytest

from network import hops, islands, name, roads, route, shown

EDGES = [("a", "b", 5), ("b", "c", 5), ("a", "c", 20), ("x", "y", 1)]


@pytest.fixture
def graph():
    return roads(EDGES)


def test_islands_are_found(graph):
    assert islands(graph) == [["a", "b", "c"], ["x", "y"]]


def test_the_shortest_way_counts_kilometres(graph):
    assert route(graph, "a", "c") == ["a", "b", "c"]


def test_hops_count_roads(graph):
    assert hops(graph, "a", "c") == 1
    assert hops(graph, "a", "a") == 0


def test_a_place_can_be_named(graph):
    name(graph, "a", "Alba")
    assert shown(graph, "a") == "Alba"


def test_a_place_without_a_name_is_shown_itself(graph):
    assert shown(graph, "b") == "b"
