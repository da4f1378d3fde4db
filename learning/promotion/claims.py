"""The claim of an adapter: what most of its lessons are about, and so what it is tried on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from learning.promotion.gate import REPOSITORY_TASKS
from learning.promotion.manifest import AdapterManifest
from learning.training.job import MIX, ExampleKind


class Claim(StrEnum):
    """Kinds of tasks that an adapter may claim to do better."""

    REPAIRS = "repairs"
    """Repairs of this repository's functions."""
    LIBRARY = "library"
    """Uses of the libraries' APIs that it learned."""

    @property
    def tasks(self) -> str:
        """The tasks that it is tried on, in words."""
        return REPOSITORY_TASKS if self is Claim.REPAIRS else "uses of learned APIs"


def claim_of(manifest: AdapterManifest) -> Claim:
    """The claim of an adapter, from the kinds of examples that it was trained on.

    Rows on which nothing should change claim nothing. With as many lessons of both kinds it is that of
    repairs, which are harder to show.
    """
    counted = manifest.report.get("examples", {})
    counts = counted if isinstance(counted, Mapping) else {}
    uses = int(counts.get(ExampleKind.API_PAIR, 0))
    kept = sum(int(counts.get(kind, 0)) for kind in MIX)
    others = sum(map(int, counts.values())) - uses - kept
    return Claim.LIBRARY if uses > others else Claim.REPAIRS


def learned_uses(manifests: Iterable[AdapterManifest]) -> frozenset[str]:
    """Ids of the rows about APIs that these adapters were trained on: none of them may judge."""
    found: set[str] = set()
    for manifest in manifests:
        ids = manifest.report.get("uses", ())
        found.update(map(str, ids) if isinstance(ids, list | tuple) else ())
    return frozenset(found)
