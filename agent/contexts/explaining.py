"""Explains failures by changes of an API, each on the strongest grounds that there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from agent.contexts.boxed import ask_successors, harvest, version_of
from agent.contexts.drafts import Draft, different, drafts_for, pieces_with
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

_MOST_PIECES = 3_000
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
        change = group.best or shown.get(group.missing.key)
        if change is not None:
            found.append(Explained(change=change, failures=group.failures))
        elif group.is_known:
            name = f"{group.library}.{group.missing.holder}.{group.missing.name}"
            unexplained.append(Unexplained(missing=name, failures=group.failures))
    return found, unexplained


async def _groups(
    sandbox: Sandbox, failures: Sequence[ApiFailure], libraries: Sequence[str]
) -> list[_Group]:
    """The failures by what is missing, with what its library answered."""
    by_key: dict[tuple[str, str, str], list[ApiFailure]] = defaultdict(list)
    firsts: dict[tuple[str, str, str], MissingApi] = {}
    for failure in failures:
        if (missing := missing_in(failure)) is not None and library_of(failure, libraries):
            firsts.setdefault(missing.key, missing)
            by_key[missing.key].append(failure)
    questions = [question_of(missing, by_key[key][0]) for key, missing in firsts.items()]
    answers = await ask_successors(sandbox, questions) if questions else []
    versions = dict[str, str]()
    groups = []
    for missing, answer in zip(firsts.values(), answers, strict=True):
        same = by_key[missing.key]
        library = str(answer.get("library") or library_of(same[0], libraries))
        if library not in libraries:
            continue
        if library not in versions:
            versions[library] = await version_of(sandbox, library)
        is_known = bool(answer.get("library")) or missing.says_itself
        whole = {**answer, "library": library, "version": versions[library]}
        changes = [c for failure in same for c in changes_of(missing, failure, whole)]
        group = _Group(
            missing=missing,
            failures=tuple(same),
            library=library,
            version=versions[library],
            is_known=is_known,
            best=surest(changes) if is_known else None,
        )
        groups.append(group)
    return groups


async def _shown(
    sandbox: Sandbox, groups: Sequence[_Group]
) -> dict[tuple[str, str, str], ApiChange]:
    """The other forms that code of the libraries shows, tried with the old ones in their places."""
    found: dict[tuple[str, str, str], ApiChange] = {}
    for library in dict.fromkeys(group.library for group in groups):
        own = [group for group in groups if group.library == library]
        names = sorted({group.names for group in own})
        _, pieces = await harvest(sandbox, library, names, most=_MOST_PIECES)
        drafts: list[Draft] = []
        for group in own:
            for form in forms_of(group.missing, pieces, library=library, version=group.version):
                drafts += islice(drafts_for(form, pieces_with(pieces, form)), _MOST_TRIED)
        ran = await run_drafts(sandbox, different(drafts), library) if drafts else []
        for group in own:
            change = shown_form(group.missing, group.failures, ran)
            if change is not None:
                found[group.missing.key] = change
    return found
