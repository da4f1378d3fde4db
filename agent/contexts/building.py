"""Builds contexts of what failed: code that comes with the library, run, varied, and run again.

Every context ran without a warning of a deprecation; its stale twin, which differs in the name alone,
failed with an error that names the old API. Contexts are kept by library and version, so a release is
paid for once.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice, zip_longest
from pathlib import Path

from agent.contexts.boxed import harvest
from agent.contexts.drafts import (
    Draft,
    anchors_from,
    context_of,
    different,
    drafts_for,
    is_of_the_holder,
    look_alikes_from,
    pieces_with,
    plain_form,
    searched_words,
)
from agent.contexts.explaining import Explained, Unexplained, explained
from agent.contexts.failures import ApiFailure
from agent.contexts.trying import Ran, run_drafts
from learning.contexts.change import ApiChange
from learning.contexts.context import ApiContext, ContextFile
from learning.contexts.use import UseOrigin
from learning.contexts.variations import variations
from learning.evaluation.rows import RowFile
from sandbox.box.contract import Sandbox

_MOST_PIECES = 1_500
_MOST_ORIGINALS = 24
"""Examples of one API that are run as they are."""
_ALIKE_A_NAME = 6
"""Uses of one name that is right elsewhere."""
_LOOK_ALIKE = re.compile(r"\w+\.(?P<name>\w+) \(.*\)")
"""The API of a look-alike, as `look_alikes_from` words it."""
_FORMS = 4
"""Other forms that are tried of each example that ran."""


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
        """The changes behind failures, and the failures of which no successor is known.

        Raises:
            SandboxError: If the box cannot be used.
        """
        return await explained(self._sandbox, failures, libraries)

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
        words = sorted({" ".join(sorted(searched_words(change))) for change in changes})
        self._say(f"{library}: reading what it says about {', '.join(words)}")
        _, pieces = await harvest(self._sandbox, library, words, most=_MOST_PIECES)
        drafts: list[Draft] = []
        for change in changes:
            own = list(islice(drafts_for(change, pieces_with(pieces, change)), 3 * _MOST_ORIGINALS))
            drafts += different(own)[:_MOST_ORIGINALS]
        first = await run_drafts(self._sandbox, drafts, library)
        second = await run_drafts(self._sandbox, self._plain(first), library)
        third = await run_drafts(self._sandbox, self._forms(second or first), library)
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
        known = [
            each
            for each in self.known(library, version)
            if not each.stale and not _LOOK_ALIKE.fullmatch(each.api)
        ]
        known = [each for each in known if not without & set(re.findall(r"\w+", each.code))]
        if len(known) >= most:
            return known[:most]
        _, pieces = await harvest(self._sandbox, library, [], most=_MOST_PIECES)
        drafts = list(islice(anchors_from(library, pieces, without), 2 * most))
        first = await run_drafts(self._sandbox, drafts, library)
        second = await run_drafts(self._sandbox, self._plain(first), library)
        plain = {draft.api for draft, _, _ in second}
        ran = [*second, *(each for each in first if each[0].api not in plain)]
        made = [context_of(d, tried, None, version=version) for d, tried, _ in ran][:most]
        self._file(library, version).add(made)
        return made

    async def look_alikes(
        self, library: str, version: str, changes: Sequence[ApiChange], *, most: int
    ) -> list[ApiContext]:
        """Code of a library that ran and uses a name of `changes` which is gone elsewhere; of each as much.

        Where `DataFrame(columns=)` has become `schema=`, `frame.columns` is still right: without such rows a
        model takes the successor there, too. They are kept as the others, for the same names.

        Raises:
            SandboxError: If the box cannot be used.
        """
        own = [each for each in changes if each.library == library]
        new = frozenset(word for each in own for word in each.words)
        old = frozenset(n for each in own for n in each.gone if n.isidentifier()) - new
        names = f"{library}: {' '.join(sorted(old))} without {' '.join(sorted(new))}"
        wanted = self._wanted_before(library, version)
        if old and wanted.read().get(names, 0) < most:
            self._file(library, version).add(await self._alike(library, version, old, new, most))
            wanted.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            wanted.append({names: most})
        return [
            each
            for each in self.known(library, version)
            if (found := _LOOK_ALIKE.fullmatch(each.api))
            and found["name"] in old
            and not new & set(re.findall(r"\w+", each.code))
        ][:most]

    async def _alike(
        self, library: str, version: str, old: frozenset[str], new: frozenset[str], most: int
    ) -> list[ApiContext]:
        _, pieces = await harvest(self._sandbox, library, sorted(old), most=_MOST_PIECES)
        pieces.sort(key=lambda each: each["kind"] != UseOrigin.DOCSTRING)
        by_name: dict[str, list[Draft]] = defaultdict(list)
        for draft in different(list(look_alikes_from(library, pieces, old, new))):
            by_name[draft.api.partition(" ")[0]].append(draft)
        few = (group[:_ALIKE_A_NAME] for group in by_name.values())
        turns = [each for turn in zip_longest(*few) for each in turn]
        tried = list(islice((each for each in turns if each is not None), 2 * most))
        first = await run_drafts(self._sandbox, tried, library)
        second = await run_drafts(self._sandbox, self._plain(first), library)
        plain = {draft.api for draft, _, _ in second}
        ran = [*second, *(each for each in first if each[0].api not in plain)]
        return [context_of(d, value, None, version=version) for d, value, _ in ran][:most]

    def _plain(self, ran: Sequence[Ran]) -> list[Draft]:
        """The same functions with plain Python as their result, and its type in their head."""
        made = (plain_form(draft, tried) for draft, tried, _ in ran)
        return [draft for draft in made if draft is not None]

    def _forms(self, ran: Sequence[Ran]) -> list[Draft]:
        """Other forms of every function, as far as an API needs them."""
        forms: list[Draft] = []
        have: dict[str, int] = defaultdict(int)
        for draft, _, _ in ran:
            have[draft.api] += 1
        for draft, _, _ in ran:
            lacking = self._wanted - have[draft.api] // 2
            if lacking <= 0 or draft.change is None:
                continue
            old, new = draft.change.old, draft.change.new
            fixed = frozenset({old, new, *re.split(r"\W+", f"{old}.{new}")})
            every = variations(draft.snippet, seed=self._seed, fixed=fixed)
            for snippet in islice(every, _FORMS + lacking // max(1, have[draft.api])):
                form = draft.with_snippet(snippet, origin=UseOrigin.VARIATION)
                forms += [form] if form is not None else []
        return different(forms)

    def _file(self, library: str, version: str) -> ContextFile:
        return ContextFile(self._folder / f"{library}-{version or 'unknown'}.jsonl")


def _mixed(contexts: Sequence[ApiContext]) -> list[ApiContext]:
    """Contexts of different origins in turn, each code once."""
    different = list({each.code: each for each in reversed(contexts)}.values())[::-1]
    by_origin: dict[UseOrigin, list[ApiContext]] = defaultdict(list)
    for each in different:
        by_origin[each.origin].append(each)
    every = list(by_origin.values())
    return [each for turn in zip_longest(*every) for each in turn if each is not None]
