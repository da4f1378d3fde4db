"""Directed graphs as dictionaries from a node to its neighbours."""

from collections import deque


def nodes(graph):
    """Every node, those without a way out included, in alphabetical order."""
    found = set(graph)
    for neighbours in graph.values():
        found.update(neighbours)
    return sorted(found)


def within(graph, start, steps=1):
    """The nodes that can be reached in at most so many steps, with the number of steps."""
    seen = {start: 0}
    waiting = deque([start])
    while waiting:
        node = waiting.popleft()
        if seen[node] == steps:
            continue
        for neighbour in graph.get(node, ()):
            if neighbour not in seen:
                seen[neighbour] = seen[node] + 1
                waiting.append(neighbour)
    return seen


def reverse(graph):
    """The same graph with every edge turned around."""
    turned = {node: [] for node in nodes(graph)}
    for node, neighbours in graph.items():
        for neighbour in neighbours:
            turned[neighbour].append(node)
    return turned


def order(graph):
    """The nodes so that every edge points forward; ValueError if there is a circle."""
    incoming = {node: len(sources) for node, sources in reverse(graph).items()}
    ready = sorted(node for node, count in incoming.items() if count == 0)
    ordered = []
    while ready:
        node = ready.pop(0)
        ordered.append(node)
        for neighbour in graph.get(node, ()):
            incoming[neighbour] -= 1
            if incoming[neighbour] == 0:
                ready.append(neighbour)
    if len(ordered) < len(incoming):
        raise ValueError("the graph has a circle")
    return ordered
