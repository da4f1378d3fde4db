"""Changes without the model: edits of the syntax tree at the likeliest places, cheapest first.

The kinds are those of mutation testing turned around (the faults that people make are small, and
near to what is right; DeMillo et al. 1978), with names and constants taken from the project itself
(the redundancy assumption of GenProg, Le Goues et al. 2012).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from agent.candidates.calls import call_edits, calls_left_out, missing_calls
from agent.candidates.candidate import CandidateChange
from agent.candidates.imports import import_edits, undefined_name
from agent.candidates.names import absent_name, name_edits, names_in
from agent.candidates.operators import operator_edits
from agent.candidates.source import Edit, ParsedFile
from agent.candidates.statements import copied_statements, missing_statements, statement_edits
from agent.candidates.values import (
    Vocabulary,
    distance_edits,
    offset_edits,
    part_edits,
    value_edits,
)
from agent.localisation.places import FaultPlace
from learning.records import Origin

Text = Callable[[str], str | None]
_MOST_FILES = 300
_RARE = 4
_REMOVAL = 4
"""Costs so much more: whoever takes something out can make a test pass by chance."""


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
    places: Sequence[FaultPlace], text: Text, *, rare: bool = False, most: int = 400
) -> tuple[CandidateChange, ...]:
    """Edits of the statements at some places, in the order of the places; at most `most`.

    The `rare` ones put something in or leave a call out: more of them pass weak tests by chance, so they are
    for where nothing else helped.
    """
    sources = _parsed(places, text)
    vocabulary = Vocabulary.of(sources.values())
    kinds = _rare_edits if rare else _edits
    edits = (
        (place.path, cost, edit)
        for place in places
        if place.path in sources
        for cost, edit in kinds(place, sources[place.path], vocabulary)
    )
    return _distinct(edits, sources, most)


def _distinct(
    edits: Iterable[tuple[str, int, Edit]], sources: Mapping[str, ParsedFile], most: int = 400
) -> tuple[CandidateChange, ...]:
    """Keep the first `most` that change something and still parse, each once."""
    found: dict[tuple[str, str], CandidateChange] = {}
    for path, cost, edit in edits:
        source = sources[path]
        candidate = _candidate(path, source, edit, cost)
        key = (path, candidate.after)
        if key not in found and candidate.after != source.text and source.parses_with(edit):
            found[key] = candidate
        if len(found) >= most:
            break
    return tuple(found.values())


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
        yield from name_edits(sources[path], absent, names_in(facts))
    if undefined := undefined_name(message):
        yield from import_edits(path, undefined, sources)


def _edits(
    place: FaultPlace, source: ParsedFile, vocabulary: Vocabulary
) -> Iterator[tuple[int, Edit]]:
    """The edits of the statements that begin on a line, each with the cost of its kind."""
    for statement in source.statements(place.line, place.line):
        nodes = list(source.own_nodes(statement))
        for cost, edits in (
            (1, (edit for node in nodes for edit in operator_edits(source, node))),
            (2, statement_edits(source, statement)),
            (1, (edit for node in nodes for edit in call_edits(source, node))),
            (2, (edit for node in nodes for edit in value_edits(source, node, vocabulary))),
            (3, (edit for node in nodes for edit in offset_edits(source, node))),
        ):
            yield from ((cost, edit) for edit in edits)


def _rare_edits(
    place: FaultPlace, source: ParsedFile, vocabulary: Vocabulary
) -> Iterator[tuple[int, Edit]]:
    """The same for kinds that seldom are the fault, and often make a test pass."""
    for statement in source.statements(place.line, place.line):
        nodes = list(source.own_nodes(statement))
        for edits in (
            (edit for node in nodes for edit in missing_calls(source, node, vocabulary)),
            (edit for node in nodes for edit in calls_left_out(source, node)),
            missing_statements(source, statement),
            (edit for node in nodes for edit in part_edits(source, node)),
            (edit for node in nodes for edit in distance_edits(source, node)),
            copied_statements(source, statement),
        ):
            yield from ((_RARE, edit) for edit in edits)


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
