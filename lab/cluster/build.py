"""Tells two builds of elagent apart: two checkouts can have the same version and other prompts."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

_PACKAGES = ("agent", "lab", "learning", "sandbox")


def source_digest() -> str:
    """Digest of every file that has a part in making rows: code, prompts and data."""
    specs = {package: find_spec(package) for package in _PACKAGES}
    return digest_of(
        {
            package: Path(folder)
            for package, spec in specs.items()
            for folder in (spec.submodule_search_locations if spec else None) or ()
        }
    )


def digest_of(folders: Mapping[str, Path]) -> str:
    """Digest of the files of some packages, without what Python compiled."""
    digest = hashlib.sha256()
    for package, folder in sorted(folders.items()):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                name = f"{package}/{path.relative_to(folder).as_posix()}"
                content = hashlib.sha256(path.read_bytes()).hexdigest()
                digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()
