"""Ranks definitions by their use for a request: PageRank over files that use each other's names.

The idea is Aider's repository map; the walk starts over at the files that the request, or the
last traceback, is about.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from agent.context.outline import Outline

_DAMPING = 0.85
_ROUNDS = 15
_FOCUS = 20.0
_WANTED = 10.0
_PRIVATE = 0.1
_COMMON = 5
_TELLING = 10.0
_TELLING_LENGTH = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranked:
    """One definition with its place in a file and its weight."""

    path: str
    index: int
    """The definition's number among those of the file."""
    weight: float


def rank_definitions(
    outlines: Mapping[str, Outline], *, focus: Collection[str], wanted: Collection[str]
) -> list[Ranked]:
    """All definitions, the most useful first; equal ones in the order of their paths.

    `focus` are the files that the request is about; `wanted` are its words.
    """
    definers = _definers(outlines)
    links = _links(outlines, definers, frozenset(wanted))
    files = _file_weights(sorted(outlines), links, frozenset(focus))
    used: dict[tuple[str, str], float] = defaultdict(float)
    for user, targets in links.items():
        total = sum(targets.values())
        for (path, name), weight in targets.items():
            used[path, name] += files[user] * weight / total
    ranked = []
    for path in sorted(outlines):
        for index, definition in enumerate(outlines[path].definitions):
            weight = used.get((path, definition.name), 0.0)
            weight += files[path] / (10.0 + len(outlines[path].definitions))
            if path in focus:
                weight *= _FOCUS
            if definition.name in wanted and _is_telling(definition.name):
                weight += 1.0
            ranked.append(Ranked(path=path, index=index, weight=weight))
    return sorted(ranked, key=lambda item: (-item.weight, item.path, item.index))


def _is_telling(word: str) -> bool:
    """True for a word that is hardly used by chance: long, and of several parts or with a capital."""
    has_parts = "_" in word.strip("_") or word.lower() != word
    return has_parts and len(word) >= _TELLING_LENGTH


def _definers(outlines: Mapping[str, Outline]) -> dict[str, set[str]]:
    definers: dict[str, set[str]] = defaultdict(set)
    for path, outline in outlines.items():
        for definition in outline.definitions:
            definers[definition.name].add(path)
    return definers


def _links(
    outlines: Mapping[str, Outline], definers: Mapping[str, set[str]], wanted: frozenset[str]
) -> dict[str, dict[tuple[str, str], float]]:
    """Weights by which each file uses definitions of other files."""
    links: dict[str, dict[tuple[str, str], float]] = {}
    for user, outline in outlines.items():
        targets: dict[tuple[str, str], float] = {}
        for word, count in outline.words.items():
            places = definers.get(word, ())
            if not places or user in places:
                continue
            weight = math.sqrt(count) * (_WANTED if word in wanted else 1.0)
            weight *= _PRIVATE if word.startswith("_") or len(places) > _COMMON else 1.0
            weight *= _TELLING if _is_telling(word) else 1.0
            for path in places:
                targets[path, word] = weight / len(places)
        if targets:
            links[user] = targets
    return links


def _file_weights(
    paths: Sequence[str],
    links: Mapping[str, Mapping[tuple[str, str], float]],
    focus: frozenset[str],
) -> dict[str, float]:
    start = {path: _FOCUS if path in focus else 1.0 for path in paths}
    total = sum(start.values()) or 1.0
    start = {path: weight / total for path, weight in start.items()}
    flows: dict[str, dict[str, float]] = {}
    for user, targets in links.items():
        all_of_it = sum(targets.values())
        flow: dict[str, float] = defaultdict(float)
        for (path, _), weight in targets.items():
            flow[path] += weight / all_of_it
        flows[user] = flow
    weights = dict(start)
    for _ in range(_ROUNDS):
        resting = sum(weight for path, weight in weights.items() if path not in flows)
        after = {path: (1 - _DAMPING + _DAMPING * resting) * first for path, first in start.items()}
        for user, flow in flows.items():
            for path, share in flow.items():
                after[path] += _DAMPING * weights[user] * share
        weights = after
    return weights
