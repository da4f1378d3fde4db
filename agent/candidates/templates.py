"""Changes without the model: edits of the syntax tree at the likeliest places, cheapest first.

The kinds are those of mutation testing turned around (the faults that people make are small, and
near to what is right; DeMillo et al. 1978), with names and constants taken from the project itself
(the redundancy assumption of GenProg, Le Goues et al. 2012).
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from agent.candidates.additions import (
    called_with_constants,
    condition_edits,
    factor_edits,
    limit_edits,
    operand_edits,
)
from agent.candidates.calls import call_edits, calls_left_out, helper_calls, missing_calls
from agent.candidates.candidate import CandidateChange
from agent.candidates.imports import import_edits, undefined_name
from agent.candidates.names import absent_name, library_name_edits, names_in
from agent.candidates.operators import operator_edits, truth_edits
from agent.candidates.source import Edit, ParsedFile
from agent.candidates.statements import (
    copied_statements,
    missing_statements,
    odd_statements,
    statement_edits,
    statements_for_the_rest,
    turned_assignments,
)
from agent.candidates.texts import text_edits
from agent.candidates.values import (
    distance_edits,
    far_values,
    name_edits,
    near_values,
    offset_edits,
    part_edits,
)
from agent.candidates.vocabulary import Vocabulary
from agent.localisation.places import FaultPlace
from learning.records import Origin

Text = Callable[[str], str | None]
_MOST_FILES = 300
_MOST_PLACES = 300
_RARE = 4
_REMOVAL = 4
"""Costs so much more: whoever takes something out can make a test pass by chance."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """One statement with its own nodes, and the words of the project."""

    source: ParsedFile
    statement: ast.stmt
    nodes: Sequence[ast.AST]
    vocabulary: Vocabulary


_Kinds = Sequence[tuple[int, Callable[[_Spot], Iterable[Edit]]]]
"""Kinds of edits, each with the cost of what it gives."""


def _of_nodes(
    kind: Callable[[ParsedFile, ast.AST], Iterator[Edit]],
) -> Callable[[_Spot], Iterable[Edit]]:
    return lambda spot: (edit for node in spot.nodes for edit in kind(spot.source, node))


def _of_words(
    kind: Callable[[ParsedFile, ast.AST, Vocabulary], Iterator[Edit]],
) -> Callable[[_Spot], Iterable[Edit]]:
    return lambda spot: (
        edit for node in spot.nodes for edit in kind(spot.source, node, spot.vocabulary)
    )


def _of_statement(
    kind: Callable[[ParsedFile, ast.stmt], Iterator[Edit]],
) -> Callable[[_Spot], Iterable[Edit]]:
    return lambda spot: kind(spot.source, spot.statement)


_KINDS: Mapping[float, _Kinds] = {
    1: (
        (1, _of_nodes(operator_edits)),
        (2, _of_statement(statement_edits)),
        (1, _of_nodes(call_edits)),
        (2, _of_nodes(near_values)),
    ),
    2: (
        (2, _of_nodes(name_edits)),
        (2, _of_nodes(text_edits)),
        (2, _of_statement(turned_assignments)),
        (3, _of_nodes(truth_edits)),
        (3, _of_nodes(offset_edits)),
        (3, _of_nodes(helper_calls)),
    ),
    4: (
        (2, _of_words(far_values)),
        (3, _of_nodes(limit_edits)),
        (3, _of_statement(statements_for_the_rest)),
        (4, _of_statement(odd_statements)),
    ),
}
"""The kinds by weight: the greater, the later their turn comes."""
_RARE_KINDS: Mapping[float, _Kinds] = {
    1: (
        (_RARE, _of_words(missing_calls)),
        (_RARE, _of_nodes(calls_left_out)),
        (_RARE, _of_nodes(operand_edits)),
    ),
    1.5: (
        (_RARE, _of_statement(missing_statements)),
        (_RARE, _of_words(factor_edits)),
        (_RARE, _of_words(called_with_constants)),
    ),
    2: (
        (_RARE, _of_nodes(part_edits)),
        (_RARE, _of_nodes(distance_edits)),
        (_RARE, _of_nodes(condition_edits)),
    ),
    3: ((_RARE, _of_statement(copied_statements)),),
}
"""The same for kinds that seldom are the fault, and often make a test pass."""


def named_candidates(
    places: Sequence[FaultPlace],
    files: Collection[str],
    text: Text,
    *,
    messages: Sequence[str],
    facts: Sequence[str] = (),
) -> tuple[CandidateChange, ...]:
    """Edits that the red tests' own messages ask for, in the files of the places.

    `files` are the project's own. A name that a message says is missing is imported, as the other
    files do it; one that a library lacks is replaced by those that `facts` name.
    """
    sources = _parsed(places, text)
    paths = list(sources)
    if any(map(undefined_name, messages)):
        others = sorted(path for path in files if path.endswith(".py") and path not in sources)
        sources |= _read(others[:_MOST_FILES], text)
    edits = (
        (path, 0, edit)
        for message in dict.fromkeys(messages)
        for path in paths
        for edit in _named(path, sources, message, facts)
    )
    return _distinct(edits, sources)


def template_candidates(
    places: Sequence[FaultPlace],
    text: Text,
    *,
    rare: bool = False,
    most: int = 400,
    later: Collection[int] = (),
) -> tuple[CandidateChange, ...]:
    """Edits of the statements at some places: likely kinds at likely places first; at most `most`.

    Those whose `hash((path, after))` is in `later` alternate with the others, which begin.

    The `rare` ones put something in or leave a call out: more of them pass weak tests by chance, so they are
    for where nothing else helped.
    """
    sources = _parsed(places, text)
    known = [place for place in places if place.path in sources]
    vocabulary = Vocabulary.of(sources.values())
    edits = (
        (place.path, cost, edit)
        for place, kinds in _in_turn(known, _RARE_KINDS if rare else _KINDS)
        for cost, edit in _at(place, sources[place.path], vocabulary, kinds)
    )
    return _distinct(edits, sources, most, later)


def _in_turn(
    places: Sequence[FaultPlace], kinds: Mapping[float, _Kinds]
) -> Iterator[tuple[FaultPlace, _Kinds]]:
    """Pair each place with kinds of edits, in the order of the place's rank times the kinds' weight.

    So the usual kinds at the tenth place come before the unusual ones at the fifth. Places with one score
    share the middle of their ranks.
    """
    turns: list[tuple[float, int, _Kinds]] = []
    first = 0
    for _, group in itertools.groupby(places[:_MOST_PLACES], key=lambda place: place.score):
        count = sum(1 for _ in group)
        rank = first + (count + 1) / 2
        turns += [
            (rank * weight, number, some)
            for number in range(first, first + count)
            for weight, some in kinds.items()
        ]
        first += count
    for _, number, some in sorted(turns, key=lambda turn: turn[:2]):
        yield places[number], some


def _at(
    place: FaultPlace, source: ParsedFile, vocabulary: Vocabulary, kinds: _Kinds
) -> Iterator[tuple[int, Edit]]:
    """The edits of some kinds for the statements that begin at a place, each with its cost."""
    for statement in source.statements(place.line):
        spot = _Spot(source, statement, tuple(source.own_nodes(statement)), vocabulary)
        for cost, kind in kinds:
            yield from ((cost, edit) for edit in kind(spot))


def _distinct(
    edits: Iterable[tuple[str, int, Edit]],
    sources: Mapping[str, ParsedFile],
    most: int = 400,
    later: Collection[int] = (),
) -> tuple[CandidateChange, ...]:
    """Keep the first `most` that change something and still parse, each once; those of `later` in turn with others.

    They were tried for another test in vain, but one function may have two faults.
    """
    found: dict[tuple[str, str], CandidateChange] = {}
    behind: dict[tuple[str, str], CandidateChange] = {}
    for path, cost, edit in edits:
        source = sources[path]
        candidate = _candidate(path, source, edit, cost)
        key = (path, candidate.after)
        if key in found or key in behind or candidate.after == source.text:
            continue
        if hash(key) in later:
            behind[key] = candidate
        elif source.parses_with(edit):
            found[key] = candidate
        if len(found) >= most or 2 * min(len(found), len(behind)) >= most:
            break
    pairs = itertools.zip_longest(found.values(), behind.values())
    return tuple(c for pair in pairs for c in pair if c is not None)[:most]


def _parsed(places: Sequence[FaultPlace], text: Text) -> dict[str, ParsedFile]:
    return _read(dict.fromkeys(place.path for place in places), text)


def _read(paths: Iterable[str], text: Text) -> dict[str, ParsedFile]:
    parsed = {path: ParsedFile.of(text(path) or "") for path in paths}
    return {path: source for path, source in parsed.items() if source is not None}


def _named(
    path: str, sources: Mapping[str, ParsedFile], message: str, facts: Sequence[str]
) -> Iterator[Edit]:
    """Edits of one file that a message asks for: another name, or a missing import."""
    if absent := absent_name(message):
        yield from library_name_edits(sources[path], absent, names_in(facts))
    if undefined := undefined_name(message):
        yield from import_edits(path, undefined, sources)


def _candidate(path: str, source: ParsedFile, edit: Edit, cost: int) -> CandidateChange:
    old = source.between(edit.start, edit.end)
    removes = len(edit.text) < len(old) and (edit.text in old or edit.text == "pass")
    return CandidateChange(
        path=path,
        line=source.text.encode("utf-8", "surrogatepass")[: edit.start].count(b"\n") + 1,
        after=source.edited(edit),
        origin=Origin.TEMPLATE,
        kind=edit.kind,
        changed_characters=max(edit.end - edit.start, len(edit.text)),
        cost=cost + _REMOVAL * removes,
    )
