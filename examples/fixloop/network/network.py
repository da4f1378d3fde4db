"""Places and the roads between them."""

import networkx as nx


def roads(edges):
    """The graph of roads given as (from, to, kilometres)."""
    graph = nx.Graph()
    graph.add_weighted_edges_from(edges, weight="km")
    return graph


def islands(graph):
    """The groups of places that are connected, each in alphabetical order, the largest first."""
    groups = [sorted(group) for group in nx.connected_components(graph)]
    return sorted(groups, key=len, reverse=True)


def route(graph, start, end):
    """The shortest way in kilometres, as the places on it."""
    return nx.shortest_path(graph, start, end, weight="km")


def hops(graph, start, end):
    """How many roads the way with the fewest roads has."""
    return len(nx.shortest_path(graph, start, end)) - 1


def name(graph, place, text):
    """Give a place a name to be shown."""
    graph.nodes[place]["name"] = text


def shown(graph, place):
    """The name of a place, or the place itself."""
    return graph.nodes[place].get("name", place)
