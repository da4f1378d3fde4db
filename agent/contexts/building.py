"""Builds contexts of what failed: code that comes with the library, run, varied, and run again.

Every context ran without a warning of a deprecation; its stale twin, which differs in the name alone,
failed with an error that names the old API. Contexts are kept by library and version, so a release is
paid for once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

from agent.contexts.boxed import Tried, ask_successors, harvest, run_programs, version_of
from agent.contexts.drafts import (
    Draft,
    anchors_from,
    context_of,
    drafts_for,
    fails_by_the_api,
    is_of_the_holder,
    plain_form,
)
from agent.contexts.failures import (
    ApiFailure,
    changes_of,
    library_of,
    missing_in,
    question_of,
)
from learning.contexts.change import ApiChange, ChangeKind, surest
from learning.contexts.context import ApiContext, ContextFile
from learning.contexts.use import UseOrigin
from learning.contexts.variations import variations
from learning.evaluation.rows import RowFile
from sandbox.box.contract import Sandbox

_MOST_PIECES = 1_500
_MOST_ORIGINALS = 24
"""Examples of one API that are run as they are."""
_FORMS = 4
"""Other forms that are tried of each example that ran."""
_BATCH = 250


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


class ContextBuilder:
    """Builds and keeps contexts of the releases that are installed in one image."""

    def __init__(
        self,
        sandbox: Sandbox,
        *,
        folder: Path,
        wanted: int = 16,
        seed: int = 0,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`folder` holds one file for each release; `wanted` contexts are built for each API."""
        self._sandbox = sandbox
        self._folder = folder
        self._wanted = wanted
        self._seed = seed
        self._say = say

    async def explain(
        self, failures: Sequence[ApiFailure], libraries: Sequence[str]
    ) -> tuple[list[Explained], list[Unexplained]]:
        """The changes behind failures, each on the strongest grounds that there are.

        Failures about classes, modules and functions that no library has are in neither list.

        Raises:
            SandboxError: If the box cannot be used.
        """
        groups: dict[tuple[str, str, str], list[ApiFailure]] = defaultdict(list)
        for failure in failures:
            if (missing := missing_in(failure)) is not None and library_of(failure, libraries):
                groups[missing.key].append(failure)
        questions, firsts = [], []
        for group in groups.values():
            missing = missing_in(group[0])
            assert missing is not None  # noqa: S101 - it was asked above
            questions.append(question_of(missing, group[0]))
            firsts.append((missing, group))
        answers = await ask_successors(self._sandbox, questions) if questions else []
        versions = dict[str, str]()
        found: list[Explained] = []
        unexplained: list[Unexplained] = []
        for (missing, group), answer in zip(firsts, answers, strict=True):
            library = str(answer.get("library") or library_of(group[0], libraries))
            if library not in libraries or not (answer.get("library") or missing.says_itself):
                continue  # about the project's own code, or nobody knows what
            if library not in versions:
                versions[library] = await version_of(self._sandbox, library)
            whole = {**answer, "library": library, "version": versions[library]}
            changes = [c for failure in group for c in changes_of(missing, failure, whole)]
            best = surest(changes)
            if best is None:
                name = f"{library}.{missing.holder}.{missing.name}"
                unexplained.append(Unexplained(missing=name, failures=tuple(group)))
            else:
                found.append(Explained(change=best, failures=tuple(group)))
        return found, unexplained

    def known(self, library: str, version: str) -> list[ApiContext]:
        """The contexts that are kept of a release."""
        return list(self._file(library, version).read().values())

    async def build(self, changes: Iterable[ApiChange]) -> dict[str, list[ApiContext]]:
        """Contexts of each change, by its `api`: kept ones, or built ones, which are then kept.

        Raises:
            SandboxError: If the box cannot be used.
        """
        by_library: dict[str, list[ApiChange]] = defaultdict(list)
        for change in {each.api: each for each in changes}.values():
            by_library[change.library].append(change)
        found: dict[str, list[ApiContext]] = {}
        for library, group in by_library.items():
            version = group[0].version
            known = self.known(library, version)
            for change in group:
                found[change.api] = [each for each in known if each.api == change.api]
            wanted = self._wanted_before(library, version)
            tried = wanted.read()
            missing = [
                change
                for change in group
                if len(found[change.api]) < self._wanted > tried.get(change.api, 0)
            ]
            if missing:
                made = await self._built(library, missing)
                self._file(library, version).add(c for each in made.values() for c in each)
                wanted.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                wanted.append({change.api: self._wanted for change in missing})
                found |= {api: self._with_known(found[api], new) for api, new in made.items()}
        return found

    def _with_known(
        self, known: Sequence[ApiContext], made: Sequence[ApiContext]
    ) -> list[ApiContext]:
        ids = {each.id for each in known}
        return [*known, *(each for each in made if each.id not in ids)][: self._wanted]

    def _wanted_before(self, library: str, version: str) -> RowFile[str, int]:
        """The number of contexts that were wanted of each API at its last build: some have fewer examples."""
        return RowFile(
            path=self._folder / "built" / f"{library}-{version or 'unknown'}.jsonl",
            encode=lambda api, wanted: {"api": api, "wanted": wanted},
            decode=lambda record: (str(record["api"]), int(record["wanted"])),
        )

    async def _built(
        self, library: str, changes: Sequence[ApiChange]
    ) -> dict[str, list[ApiContext]]:
        words = sorted({word for change in changes for word in _words(change)})
        self._say(f"{library}: reading what it says about {', '.join(words)}")
        _, pieces = await harvest(self._sandbox, library, words, most=_MOST_PIECES)
        drafts: list[Draft] = []
        for change in changes:
            own = list(islice(drafts_for(change, _with(pieces, change)), 3 * _MOST_ORIGINALS))
            drafts += _different(own)[:_MOST_ORIGINALS]
        first = await self._run(drafts, library)
        second = await self._run(self._plain(first), library)
        third = await self._run(self._forms(second or first), library)
        made: dict[str, list[ApiContext]] = {}
        for change in changes:
            raw = (each for each in first if not each[1].conversions)
            ran = [each for each in (*second, *raw, *third) if each[0].change == change]
            ran.sort(key=lambda each: not is_of_the_holder(each[0], each[2]))
            contexts = [
                context_of(d, tried, stale, version=change.version) for d, tried, stale in ran
            ]
            made[change.api] = _mixed(contexts)[: self._wanted]
        return made

    async def anchors(
        self, library: str, version: str, *, without: frozenset[str], most: int
    ) -> list[ApiContext]:
        """Documented calls of a library that use none of the names `without`; kept as the others.

        Raises:
            SandboxError: If the box cannot be used.
        """
        known = [each for each in self.known(library, version) if not each.stale]
        known = [each for each in known if not without & set(re.findall(r"\w+", each.code))]
        if len(known) >= most:
            return known[:most]
        _, pieces = await harvest(self._sandbox, library, [], most=_MOST_PIECES)
        drafts = list(islice(anchors_from(library, pieces, without), 2 * most))
        first = await self._run(drafts, library)
        second = await self._run(self._plain(first), library)
        plain = {draft.api for draft, _, _ in second}
        ran = [*second, *(each for each in first if each[0].api not in plain)]
        made = [context_of(d, tried, None, version=version) for d, tried, _ in ran][:most]
        self._file(library, version).add(made)
        return made

    async def _run(
        self, drafts: Sequence[Draft], library: str
    ) -> list[tuple[Draft, Tried, Tried | None]]:
        """The drafts that ran, and whose twins failed by the API, with what both gave."""
        kept: list[tuple[Draft, Tried, Tried | None]] = []
        for start in range(0, len(drafts), _BATCH):
            batch = drafts[start : start + _BATCH]
            programs = [(d.snippet.source, d.snippet.call) for d in batch]
            twins = [(d.twin.stale, d.snippet.call) for d in batch if d.twin is not None]
            results = await run_programs(self._sandbox, [*programs, *twins], modules=[library])
            stale = iter(results[len(batch) :])
            for draft, ran in zip(batch, results, strict=False):
                failed = next(stale) if draft.twin is not None else None
                if not ran.ok or ran.is_none:
                    continue
                if failed is None or fails_by_the_api(draft, failed):
                    kept.append((draft, ran, failed))
        return kept

    def _plain(self, ran: Sequence[tuple[Draft, Tried, Tried | None]]) -> list[Draft]:
        """The same functions with plain Python as their result, and its type in their head."""
        made = (plain_form(draft, tried) for draft, tried, _ in ran)
        return [draft for draft in made if draft is not None]

    def _forms(self, ran: Sequence[tuple[Draft, Tried, Tried | None]]) -> list[Draft]:
        """Other forms of every function, as far as an API needs them."""
        forms: list[Draft] = []
        have: dict[str, int] = defaultdict(int)
        for draft, _, _ in ran:
            have[draft.api] += 1
        for draft, _, _ in ran:
            lacking = self._wanted - have[draft.api] // 2
            if lacking <= 0 or draft.change is None:
                continue
            fixed = frozenset(draft.change.old.split(".")) | frozenset(draft.change.new.split("."))
            every = variations(draft.snippet, seed=self._seed, fixed=fixed)
            for snippet in islice(every, _FORMS + lacking // max(1, have[draft.api])):
                form = draft.with_snippet(snippet, origin=UseOrigin.VARIATION)
                forms += [form] if form is not None else []
        return _different(forms)

    def _file(self, library: str, version: str) -> ContextFile:
        return ContextFile(self._folder / f"{library}-{version or 'unknown'}.jsonl")


def _words(change: ApiChange) -> frozenset[str]:
    """Identifiers by which code that uses the change is found in files."""
    if change.kind is ChangeKind.VALUE:
        return frozenset({change.new})
    return change.words


def _with(pieces: Sequence[Mapping[str, Any]], change: ApiChange) -> list[Mapping[str, Any]]:
    words = _words(change)
    return [
        piece
        for piece in pieces
        if any(word in str(source) for source, _ in piece["code"] for word in words)
    ]


def _different(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts without those whose code, or data, stood before."""
    return list({(d.api, d.snippet.source): d for d in reversed(drafts)}.values())[::-1]


def _mixed(contexts: Sequence[ApiContext]) -> list[ApiContext]:
    """Contexts of different origins in turn, each code once."""
    different = list({each.code: each for each in reversed(contexts)}.values())[::-1]
    by_origin: dict[UseOrigin, list[ApiContext]] = defaultdict(list)
    for each in different:
        by_origin[each.origin].append(each)
    every = list(by_origin.values())
    return [each for turn in zip_longest(*every) for each in turn if each is not None]
