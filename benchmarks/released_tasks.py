"""The faults of `released.toml`: source archives fetched, unpacked, broken, checked."""

from __future__ import annotations

import hashlib
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from benchmarks.fixloop_tasks import Mutation, break_file
from benchmarks.real_projects import unpack
from sandbox.images.sdists import fetch_sdist

_FILE = Path(__file__).resolve().parent / "released.toml"
HAND_MADE = 5
"""So many of the first faults are those of the claim; the others came after them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One source archive, and the digest that it must have."""

    package: str
    version: str
    sha256: str


def load_faults() -> tuple[Mutation, ...]:
    """Return all faults, in the order of the file."""
    data = tomllib.loads(_FILE.read_text("utf-8"))
    return tuple(Mutation(**item) for item in data["fault"])


def load_releases() -> dict[str, Release]:
    """Return the archives by the name of their package."""
    data = tomllib.loads(_FILE.read_text("utf-8"))
    return {
        name: Release(package=name, version=version, sha256=digest)
        for name, (version, digest) in data["packages"].items()
    }


class Releases:
    """The archives of one run, each fetched once into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._releases = load_releases()

    def build(self, root: Path, fault: Mutation, *, broken: bool = True) -> None:
        """Make the package of a fault in an empty folder; whole if not `broken`.

        Raises:
            ValueError: If an archive is not the pinned one, or the fault's text is not there once.
        """
        unpack(self._content(self._releases[fault.package]), root)
        break_file(root, fault, broken=broken)

    def _content(self, release: Release) -> bytes:
        kept = self._folder / f"{release.sha256}.tar.gz"
        if kept.exists():
            content = kept.read_bytes()
        else:
            requirement = Requirement(f"{release.package}=={release.version}")
            with tempfile.TemporaryDirectory() as scratch:
                content = fetch_sdist(requirement, Path(scratch)).content
        if hashlib.sha256(content).hexdigest() != release.sha256:
            raise ValueError(f"the archive of {release.package} {release.version} is another one")
        self._folder.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
        return content
