"""Explains failures by changes of an API, each on the strongest grounds that there are."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from agent.contexts.boxed import ask_successors, harvest, version_of
from agent.contexts.drafts import Draft, different, drafts_for, pieces_with
from agent.contexts.failures import (
    ApiFailure,
    MissingApi,
    changes_of,
    libraries_of,
    missing_in,
    question_of,
)
from agent.contexts.forms import forms_of, names_of_forms, shown_form, trees_of
from agent.contexts.trying import run_drafts
from learning.contexts.change import ApiChange, surest
from sandbox.box.contract import Sandbox

_MOST_PIECES = 3_000
_MOST_TRIED = 24
"""Examples of one form that are run."""

_Key = tuple[str, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """Failures by one missing name in code that imports the same libraries, and what these answered."""

    missing: MissingApi
    failures: tuple[ApiFailure, ...]
    imported: _Key
    answer: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Failures by the same API of a library."""

    missing: MissingApi
    failures: tuple[ApiFailure, ...]
    library: str
    version: str
    is_known: bool
    """False if the library was not found to have what lacks the name: it may be the project's own code."""
    best: ApiChange | None
    """The change on the grounds that the error, the fixes and the documentation give."""

    @property
    def key(self) -> _Key:
        """The same name is missing from several libraries: `DataFrame.append` of pandas and of polars."""
        return self.library, *self.missing.key

    @property
    def names(self) -> str:
        """Words that code with another form of the call has; empty where none is looked for."""
        if self.best is not None:
            return ""
        return names_of_forms(self.missing, self.failures[0], known=self.is_known)


async def explained(
    sandbox: Sandbox, failures: Sequence[ApiFailure], libraries: Sequence[str]
) -> tuple[list[Explained], list[Unexplained]]:
    """The changes behind failures, and the failures of which no successor is known.

    Failures about classes, modules and functions that no library has are in neither list.

    Raises:
        SandboxError: If the box cannot be used.
    """
    groups = await _groups(sandbox, failures, libraries)
    shown = await _shown(sandbox, [group for group in groups if group.names])
    found: list[Explained] = []
    unexplained: list[Unexplained] = []
    for group in groups:
        change = group.best or shown.get(group.key)
        if change is not None:
            found.append(Explained(change=change, failures=group.failures))
        elif group.is_known:
            name = f"{group.library}.{group.missing.holder}.{group.missing.name}"
            unexplained.append(Unexplained(missing=name, failures=group.failures))
    return found, unexplained


async def _groups(
    sandbox: Sandbox, failures: Sequence[ApiFailure], libraries: Sequence[str]
) -> list[_Group]:
    """The failures by what is missing from which library, with what that answered."""
    by_library: dict[_Key, list[_Asked]] = {}
    every = await _asked(sandbox, failures, libraries)
    for each in every:
        library = str(each.answer.get("library") or _likely_library(each, every))
        if library in libraries:
            by_library.setdefault((library, *each.missing.key), []).append(each)
    versions = dict[str, str]()
    groups = []
    for (library, *_), same in by_library.items():
        if library not in versions:
            versions[library] = await version_of(sandbox, library)
        groups.append(_group(same, library, versions[library]))
    return groups


async def _asked(
    sandbox: Sandbox, failures: Sequence[ApiFailure], libraries: Sequence[str]
) -> list[_Asked]:
    """Ask the libraries about each missing name, once for all code that imports the same ones."""
    same: dict[tuple[_Key, _Key], list[ApiFailure]] = {}
    firsts: dict[tuple[_Key, _Key], MissingApi] = {}
    for failure in failures:
        imported = libraries_of(failure, libraries)
        if (missing := missing_in(failure)) is not None and imported:
            key = missing.key, imported
            firsts.setdefault(key, missing)
            same.setdefault(key, []).append(failure)
    questions = [question_of(missing, same[key][0]) for key, missing in firsts.items()]
    answers = await ask_successors(sandbox, questions) if questions else []
    return [
        _Asked(missing=missing, failures=tuple(same[key]), imported=key[1], answer=answer)
        for (key, missing), answer in zip(firsts.items(), answers, strict=True)
    ]


def _likely_library(asked: _Asked, every: Iterable[_Asked]) -> str:
    """The imported library that most code which failed so imports, too; the first of equal ones."""
    counts = Counter(
        library
        for each in every
        if each.missing.key == asked.missing.key
        for library in each.imported * len(each.failures)
    )
    return max(asked.imported, key=lambda library: counts[library])


def _group(same: Sequence[_Asked], library: str, version: str) -> _Group:
    first = next((each for each in same if each.answer.get("library")), same[0])
    missing, failures = first.missing, tuple(f for each in same for f in each.failures)
    is_known = bool(first.answer.get("library")) or missing.says_itself
    whole = {**first.answer, "library": library, "version": version}
    changes = (change for each in failures for change in changes_of(missing, each, whole))
    return _Group(
        missing=missing,
        failures=failures,
        library=library,
        version=version,
        is_known=is_known,
        best=surest(changes) if is_known else None,
    )


async def _shown(sandbox: Sandbox, groups: Sequence[_Group]) -> dict[_Key, ApiChange]:
    """The other forms that code of the libraries shows, tried with the old ones in their places."""
    found: dict[_Key, ApiChange] = {}
    for library in dict.fromkeys(group.library for group in groups):
        own = [group for group in groups if group.library == library]
        names = sorted({group.names for group in own})
        _, pieces = await harvest(sandbox, library, names, most=_MOST_PIECES)
        drafts = await asyncio.to_thread(_drafts_of, own, pieces)
        ran = await run_drafts(sandbox, different(drafts), library) if drafts else []
        for group in own:
            change = shown_form(group.missing, group.failures, ran)
            if change is not None:
                found[group.key] = change
    return found


def _drafts_of(groups: Sequence[_Group], pieces: Sequence[Mapping[str, Any]]) -> list[Draft]:
    """Examples of the forms that the code of one library shows for each of its groups."""
    trees, drafts = trees_of(pieces), list[Draft]()
    for each in groups:
        for form in forms_of(each.missing, trees, library=each.library, version=each.version):
            drafts += islice(drafts_for(form, pieces_with(pieces, form)), _MOST_TRIED)
    return drafts
