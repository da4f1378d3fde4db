"""Settings and paths for one command, read once from the command line, environment and files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.paths import Paths, RepositoryPaths, from_environ
from agent.settings.load import Loaded, load
from agent.settings.schema import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every command about a repository needs."""

    root: Path
    loaded: Loaded
    paths: Paths

    @property
    def settings(self) -> Settings:
        return self.loaded.settings

    @property
    def repository(self) -> RepositoryPaths:
        return self.paths.repository(self.root)


def context(path: Path | None = None, overrides: Mapping[str, object] | None = None) -> Context:
    """Settings and paths for the repository that holds `path` (default: the current folder).

    Raises:
        ConfigError: If a setting is wrong; the message names the file and line.
    """
    root = repository_root((path or Path.cwd()).resolve())
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    loaded = load(root, os.environ, given)
    return Context(root=root, loaded=loaded, paths=from_environ(os.environ))


def repository_root(path: Path) -> Path:
    """The nearest folder at or above `path` that git calls a repository, else `path` itself."""
    for folder in (path, *path.parents):
        if (folder / ".git").exists():
            return folder
    return path
