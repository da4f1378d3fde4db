"""Chooses what of a repository may leave the machine for its team, and sends it.

Only what could be learned from, only after secrets were taken out once more, and nothing twice.
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from learning.contexts.context import ApiContext
from learning.contexts.notes import LibraryNote, notes_of
from learning.experience.redact import redact_data, redact_experience
from learning.experience.rows import ExperienceRow, to_row
from learning.experience.store import ExperienceStore
from learning.promotion.adapters import AdapterError, AdapterStore
from learning.promotion.lineage import lineage, tainted
from learning.promotion.manifest import AdapterManifest
from learning.records import Experience
from learning.team.bucket import Bucket
from learning.team.reading import FILES
from learning.team.store import TeamStore
from learning.team.values import Lineage
from learning.training.selection import unusable

Say = Callable[[str], None]
_PATH = re.compile(r"(?<![\w./-])[\w.@+-]+(?:/[\w.@+-]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterOffer:
    """A promoted adapter with what goes along: its manifests, and its files with their sizes."""

    lineage: Lineage
    folder: Path
    sizes: Mapping[str, int]

    @property
    def name(self) -> str:
        return self.lineage.manifest.name

    @property
    def size_bytes(self) -> int:
        return sum(self.sizes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Experiences and adapters that would leave this machine, and the reasons why others stay."""

    experiences: tuple[ExperienceRow, ...] = ()
    adapters: tuple[AdapterOffer, ...] = ()
    notes: tuple[LibraryNote, ...] = ()
    staying: Mapping[str, int] = dataclasses.field(default_factory=dict)
    """Number of experiences and adapters that stay, by reason."""

    @property
    def size_bytes(self) -> int:
        rows = sum(row.size_bytes for row in self.experiences)
        notes = sum(len(note.api) + len(note.note) for note in self.notes)
        return rows + notes + sum(adapter.size_bytes for adapter in self.adapters)

    @property
    def number(self) -> int:
        """Number of things of any kind."""
        return len(self.experiences) + len(self.adapters) + len(self.notes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Result of sharing: what is new in the team's store."""

    experiences: int
    adapters: tuple[str, ...]
    notes: int = 0


def offer_of(
    experiences: ExperienceStore,
    adapters: AdapterStore,
    *,
    root: Path,
    home: str,
    contexts: Iterable[ApiContext] = (),
) -> Offer:
    """All that may be shared of the repository at `root`, whether or not the team has it; sends nothing.

    Of `contexts` go notes: they themselves are examples of libraries, and stay. `home` is a folder whose path is shortened to `~`.

    Raises:
        StoreError: If the experiences cannot be read.
    """
    staying: Counter[str] = Counter()
    clean = [redact_experience(experience, home=home) for experience in experiences.list()]
    rows = tuple(to_row(each) for each in _shareable(clean, staying))
    spoilt = {manifest.name for manifest in tainted(adapters, experiences.forgotten())}
    here = {each.id: each for each in clean}
    offers = tuple(_offered(adapters, spoilt, staying, _Behind(here, root, home)))
    return Offer(
        experiences=rows,
        adapters=offers,
        notes=tuple(notes_of(contexts)),
        staying=dict(staying),
    )


def missing(offer: Offer, store: TeamStore, *, project: str) -> Offer:
    """The part of an offer that the team's store does not have of this project.

    Raises:
        TeamError: If the store cannot be read.
    """
    known, gone = store.experiences.digests(), _mine(store)
    there = {adapter.digest for adapter in store.adapters.all()}
    noted = store.notes.mine(project)
    return dataclasses.replace(
        offer,
        experiences=tuple(
            row
            for row in offer.experiences
            if row.id not in gone and known.get(row.id) != row.digest
        ),
        adapters=tuple(
            each for each in offer.adapters if each.lineage.manifest.digest not in there
        ),
        notes=tuple(note for note in offer.notes if note not in noted),
    )


def share(offer: Offer, store: TeamStore, bucket: Bucket, *, project: str, say: Say) -> Shared:
    """Send what the team does not have: experiences in batches, notes, then each adapter's files and row.

    Interrupted anywhere, the next call goes on where this one stopped.

    Raises:
        TeamError: If the member may not, or the database or the bucket fails; what was sent stays.
    """

    def done(count: int) -> None:
        say(f"shared {count} of {len(offer.experiences)} experiences")

    new = store.experiences.add(offer.experiences, project=project, done=done)
    if offer.notes:
        store.notes.add(offer.notes, project=project)
    added = []
    for adapter in offer.adapters:
        manifest = adapter.lineage.manifest
        bucket.put(manifest.digest, adapter.folder, adapter.sizes)
        if store.adapters.add(adapter.lineage, project=project, size_bytes=adapter.size_bytes):
            added.append(adapter.name)
            say(f"shared adapter {adapter.name}")
    return Shared(experiences=new, adapters=tuple(added), notes=len(offer.notes))


def pass_on_forgotten(ids: Collection[str], store: TeamStore, bucket: Bucket) -> int:
    """Forget for the whole team what was forgotten here; return how many were new to the team.

    The files of the member's own adapters that are tainted by it are removed from the bucket.

    Raises:
        TeamError: If the database or the bucket fails; what is not done yet is done the next time.
    """
    new = store.forgotten.add(set(ids) - _mine(store))
    if new:
        for adapter in store.adapters.all():
            if adapter.tainted and adapter.member == store.me:
                bucket.remove(adapter.digest)
    return new


def _mine(store: TeamStore) -> frozenset[str]:
    return frozenset(id_ for member, id_ in store.forgotten.all() if member == store.me)


@dataclass(frozen=True, slots=True)
class _Behind:
    """The experiences behind adapters, as far as they are here, and their repository."""

    experiences: Mapping[str, Experience]
    root: Path
    home: str

    def told(self, manifest: AdapterManifest) -> AdapterManifest:
        """The manifest without secrets, with the files and tests that may not judge the adapter.

        Raises:
            KeyError: If one of its own experiences is not here any more.
        """
        tables = {
            name: redact_data(dict(getattr(manifest, name)), home=self.home)
            for name in ("config", "report", "decision", "decision_there")
        }
        clean = dataclasses.replace(manifest, **tables)
        if manifest.shared_by:
            return clean
        behind = [self.experiences[id_] for id_ in manifest.experience_ids]
        files = {path for each in behind for path in _files_in(each, self.root)}
        tests = {test for each in behind for test in (*each.targets, *each.green_after)}
        return dataclasses.replace(
            clean, taught_files=tuple(sorted(files)), taught_tests=tuple(sorted(tests))
        )


def _files_in(experience: Experience, root: Path) -> Iterator[str]:
    """The file that an experience changed, and those of the repository that its texts name."""
    if experience.path:
        yield experience.path
    texts = [message.content for message in experience.messages]
    for word in {word for text in (*texts, experience.action.text) for word in _PATH.findall(text)}:
        with contextlib.suppress(OSError):  # a word longer than any name
            if (root / word).is_file():
                yield word


def _shareable(clean: Sequence[Experience], staying: Counter[str]) -> Iterator[Experience]:
    # Of a step whose fix was put together only the prompt is learned from.
    prompts = {each.fixes for each in clean if each.was_searched and not unusable(each, each.model)}
    for experience in reversed(clean):  # oldest first: a step comes before its fix
        reason = unusable(experience, experience.model, prompt_only=experience.id in prompts)
        if reason:
            staying[reason] += 1
        else:
            yield experience


def _offered(
    adapters: AdapterStore, spoilt: Collection[str], staying: Counter[str], behind: _Behind
) -> Iterator[AdapterOffer]:
    for manifest in adapters.list():
        if reason := _kept_here(manifest, spoilt):
            staying[reason] += 1
            continue
        try:
            adapters.verify(manifest.name, base=manifest.base)
            first, *others = (behind.told(each) for each in lineage(adapters, manifest.name))
        except AdapterError:
            staying["an adapter that is damaged"] += 1
            continue
        except KeyError:
            # nobody could tell on which tasks it may be tried
            staying["an adapter whose experiences are not all here any more"] += 1
            continue
        folder = adapters.path(manifest.name)
        yield AdapterOffer(
            lineage=Lineage(manifest=first, ancestors=tuple(others)),
            folder=folder,
            sizes={name: (folder / name).stat().st_size for name in sorted(FILES)},
        )


def _kept_here(manifest: AdapterManifest, spoilt: Collection[str]) -> str:
    if manifest.shared_by:
        return "an adapter that came from the team"
    if manifest.name in spoilt:
        return "an adapter that something forgotten had a part in"
    if manifest.decision.get("kind") != "promoted":
        return "an adapter that was not promoted"
    return "" if set(manifest.files) == FILES else "an adapter of another form"
