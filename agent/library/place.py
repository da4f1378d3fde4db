"""Locates one repository's adapters and experiences, and the models of this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from agent.paths import RepositoryPaths


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """The experiences and adapters of one repository, beside the models that learn."""

    repository: RepositoryPaths
    models: Path
    """The folder of installed models."""
    model: str = ""
    """The model that answers, by the settings."""
