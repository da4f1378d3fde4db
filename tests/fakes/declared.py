"""A project of a few files, and a comparison of what it is found to declare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sandbox.project.requirements import DeclaredNeeds, read_needs

Files = Mapping[str, str | bytes]

LIB = {
    "lib/pyproject.toml": '[project]\nname = "my-lib"\ndependencies = ["idna"]\n'
    '[build-system]\nrequires = ["flit_core>=3"]\n'
}
"""A neighbour in a folder of its own."""


def declared(root: Path, files: Files, *, folder: str = "") -> DeclaredNeeds:
    """Write the files and read what the project in `folder` declares."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_needs(root / folder, top=root)


def check(needs: DeclaredNeeds, requirements: str, notes: tuple[str, ...] = ()) -> None:
    """Compare all requirements (one a line), and see that each sentence is said and no others."""
    assert sorted(needs.requirements) == sorted(filter(None, requirements.split("\n")))
    for note in notes:
        assert any(note in said for said in needs.skipped)
    assert bool(needs.skipped) == bool(notes)
