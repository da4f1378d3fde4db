"""Members of a team, each with a machine of its own, and what they do with the real store."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from learning.contexts.context import ContextFile
from learning.experience.store import ExperienceStore
from learning.model.catalog import ModelIdentity
from learning.promotion.adapters import AdapterStore
from learning.promotion.manifest import AdapterManifest, adapter_prefix, hash_files, write_manifest
from learning.team.bucket import Bucket
from learning.team.pulling import Stopped, fetch, stop_tainted
from learning.team.sharing import Offer, Shared, missing, offer_of, pass_on_forgotten, share
from learning.team.store import TeamStore
from tests.fakes.experiences import make_experience
from tests.fakes.plain_lora import PLAIN_LORA

_BASE = ModelIdentity(weights_sha256="w" * 64, tokenizer_sha256="t" * 64, template_sha256="c" * 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One member with a machine of its own."""

    name: str
    home: Path
    store_url: str
    bucket_url: str

    def team(self) -> TeamStore:
        return TeamStore.open(self.store_url, name=self.name)

    def bucket(self) -> Bucket:
        return Bucket.open(self.bucket_url)

    def experiences(self) -> ExperienceStore:
        return ExperienceStore.open(self.home / "experiences.sqlite3")

    @property
    def adapters(self) -> AdapterStore:
        return AdapterStore(self.home / "adapters")

    @property
    def contexts(self) -> ContextFile:
        return ContextFile(self.home / "contexts" / "polars-1.9.0.jsonl")

    @property
    def scratch(self) -> Path:
        folder = self.home / "scratch"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def make_adapter(self, version: int = 1, **changes: object) -> AdapterManifest:
        """A promoted adapter in this person's repository, with the experiences behind it."""
        folder = self.home / f"job-{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        (folder / "adapter_model.safetensors").write_bytes(b"weights %d" % version * 1000)
        (folder / "adapter_config.json").write_text(PLAIN_LORA)
        files = hash_files(folder)
        manifest = AdapterManifest(
            name=f"{adapter_prefix('shop', version)}-{files['adapter_model.safetensors'][:8]}",
            model="tiny",
            base=_BASE,
            parent=None,
            experience_ids=("e1", "e2"),
            config={"rank": 4},
            seed=0,
            files=files,
            created_at=1.5,
            report={"losses": [0.5, 0.25]},
            decision={"kind": "promoted", "reason": "better than the incumbent", "gates": []},
        )
        manifest = replace(manifest, **changes)  # type: ignore[arg-type]
        write_manifest(folder, manifest)
        with self.experiences() as store:
            for id_ in manifest.experience_ids:
                if store.get(id_) is None:
                    store.add(make_experience(id_))
        return self.adapters.adopt(folder)


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Anna administers, Ben contributes and Rita reads."""

    anna: Person
    ben: Person
    rita: Person
    stop: Callable[[], None] | None = None
    """Stops the database at once, where it is a server."""
    start: Callable[[], None] | None = None


def remember(person: Person, *ids: str, **changes: object) -> None:
    with person.experiences() as store:
        for id_ in ids:
            store.add(make_experience(id_, **changes))


def offer(person: Person, home: str = "") -> Offer:
    with person.experiences() as store:
        return offer_of(
            store,
            person.adapters,
            root=person.home,
            home=home,
            contexts=person.contexts.read().values(),
        )


def send(person: Person) -> Shared:
    with person.team() as store:
        return share(
            missing(offer(person), store, project="shop"),
            store,
            person.bucket(),
            project="shop",
            say=lambda _: None,
        )


def get_all(person: Person) -> None:
    with person.team() as store:
        for shared in store.adapters.all():
            fetch(shared, store, person.bucket(), person.adapters, scratch=person.scratch)


def forget(person: Person, id_: str) -> int:
    with person.experiences() as store, person.team() as shared:
        store.forget(id_)
        return pass_on_forgotten(store.forgotten(), shared, person.bucket())


def look(person: Person) -> Stopped | None:
    with person.experiences() as store, person.team() as shared:
        return stop_tainted(store, person.adapters, shared)


def rows(person: Person) -> int:
    with person.team() as store:
        return len(store.experiences.digests())
