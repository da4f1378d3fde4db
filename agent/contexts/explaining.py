"""Explains failures by changes of an API, each on the strongest grounds that there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from agent.contexts.boxed import ask_successors, harvest, version_of
from agent.contexts.drafts import different, drafts_for, pieces_with
from agent.contexts.failures import (
    ApiFailure,
    MissingApi,
    changes_of,
    library_of,
    missing_in,
    question_of,
)
from agent.contexts.forms import forms_of, names_of_forms, shown_form
from agent.contexts.trying import run_drafts
from learning.contexts.change import ApiChange, surest
from sandbox.box.contract import Sandbox

_MOST_PIECES = 1_500
_MOST_TRIED = 24
"""Examples of one form that are run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A change that explains failures."""

    change: ApiChange
    failures: tuple[ApiFailure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unexplained:
    """Failures by an API of which no successor is known."""

    missing: str
    failures: tuple[ApiFailure, ...]


@dataclass(frozen=True, slots=True)
class _Group:
    """Failures by the same API."""

    missing: MissingApi
    failures: tuple[ApiFailure, ...]


async def explained(
    sandbox: Sandbox, failures: Sequence[ApiFailure], libraries: Sequence[str]
) -> tuple[list[Explained], list[Unexplained]]:
    """The changes behind failures, and the failures of which no successor is known.

    Failures about classes, modules and functions that no library has are in neither list.

    Raises:
        SandboxError: If the box cannot be used.
    """
    groups = _grouped(failures, libraries)
    questions = [question_of(group.missing, group.failures[0]) for group in groups]
    answers = await ask_successors(sandbox, questions) if questions else []
    versions = dict[str, str]()
    found: list[Explained] = []
    unexplained: list[Unexplained] = []
    for group, answer in zip(groups, answers, strict=True):
        missing, library = group.missing, str(answer.get("library", ""))
        is_known = bool(library) or missing.says_itself
        library = library or library_of(group.failures[0], libraries)
        if library not in libraries:
            continue
        if library not in versions:
            versions[library] = await version_of(sandbox, library)
        whole = {**answer, "library": library, "version": versions[library]}
        best = None
        if is_known:
            best = surest(c for each in group.failures for c in changes_of(missing, each, whole))
        best = best or await _shown(sandbox, group, library, versions[library], known=is_known)
        if best is not None:
            found.append(Explained(change=best, failures=group.failures))
        elif is_known:  # else it is about the project's own code, or nobody knows what
            name = f"{library}.{missing.holder}.{missing.name}"
            unexplained.append(Unexplained(missing=name, failures=group.failures))
    return found, unexplained


def _grouped(failures: Sequence[ApiFailure], libraries: Sequence[str]) -> list[_Group]:
    groups: dict[tuple[str, str, str], list[tuple[MissingApi, ApiFailure]]] = defaultdict(list)
    for failure in failures:
        if (missing := missing_in(failure)) is not None and library_of(failure, libraries):
            groups[missing.key].append((missing, failure))
    return [_Group(group[0][0], tuple(each for _, each in group)) for group in groups.values()]


async def _shown(
    sandbox: Sandbox, group: _Group, library: str, version: str, *, known: bool
) -> ApiChange | None:
    """The other form that code of the library shows, tried with the old form in its place."""
    names = names_of_forms(group.missing, group.failures[0], known=known)
    if not names:
        return None
    _, pieces = await harvest(sandbox, library, [names], most=_MOST_PIECES)
    drafts = [
        draft
        for form in forms_of(group.missing, pieces, library=library, version=version)
        for draft in islice(drafts_for(form, pieces_with(pieces, form)), _MOST_TRIED)
    ]
    if not drafts:
        return None
    ran = await run_drafts(sandbox, different(drafts), library)
    return shown_form(group.missing, group.failures, ran)
