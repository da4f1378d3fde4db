"""Paths of all state on disk, as plain values. Only `make_private` creates anything."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Paths:
    """All state of one user, under one folder."""

    home: Path

    @property
    def models(self) -> Path:
        return self.home / "models"

    @property
    def servers(self) -> Path:
        """State and lock files of running model servers."""
        return self.home / "servers"

    @property
    def logs(self) -> Path:
        return self.home / "logs"

    @property
    def log_file(self) -> Path:
        return self.logs / "elagent.log"

    @property
    def sandbox(self) -> Path:
        """Lock files of sandbox sessions and the cache of wheels."""
        return self.home / "sandbox"

    @property
    def trust_file(self) -> Path:
        """The user's answers on trust in repositories' configuration."""
        return self.home / "trusted.json"

    @property
    def repositories(self) -> Path:
        return self.home / "repositories"

    def repository(self, root: Path) -> RepositoryPaths:
        """The state of one repository; the same folder gives the same paths by any spelling."""
        resolved = root.resolve()
        digest = hashlib.sha256(os.fsencode(resolved)).hexdigest()[:8]
        readable = re.sub(r"[^A-Za-z0-9._-]", "_", resolved.name)[:40].lstrip(".") or "root"
        return RepositoryPaths(self.repositories / f"{readable}-{digest}")


@dataclass(frozen=True, slots=True)
class RepositoryPaths:
    """The state that belongs to one repository of the user."""

    home: Path

    @property
    def experiences(self) -> Path:
        return self.home / "experiences.sqlite3"

    @property
    def facts(self) -> Path:
        """Cached facts of installed libraries."""
        return self.home / "facts.json"

    @property
    def sessions(self) -> Path:
        return self.home / "sessions"

    @property
    def adapters(self) -> Path:
        return self.home / "adapters"

    @property
    def shadow_git(self) -> Path:
        """Our own git directory with the snapshots; never the user's."""
        return self.home / "shadow.git"

    @property
    def learn(self) -> Path:
        """One folder per learning job."""
        return self.home / "learn"

    @property
    def trials(self) -> Path:
        """Tasks mined from the commits, and the systems' answers to them."""
        return self.home / "trials"

    @property
    def tasks(self) -> Path:
        """The tasks of its commits."""
        return self.trials / "tasks.jsonl"

    @property
    def contexts(self) -> Path:
        """Verified contexts of the releases that are installed for it; no other repository's."""
        return self.home / "contexts"


def from_environ(environ: Mapping[str, str]) -> Paths:
    """`$ELAGENT_HOME`, else `$XDG_DATA_HOME/elagent`, else `~/.local/share/elagent`."""
    if own := environ.get("ELAGENT_HOME"):
        return Paths(_expanded(own, environ))
    return Paths(_xdg(environ, "XDG_DATA_HOME", ".local/share") / "elagent")


def user_config_file(environ: Mapping[str, str]) -> Path:
    """The user's own settings; the file need not exist."""
    return _xdg(environ, "XDG_CONFIG_HOME", ".config") / "elagent" / "config.toml"


def make_private(folder: Path) -> Path:
    """Create a folder and its missing parents, each readable by the user alone; returns it.

    Folders that exist keep their mode.

    Raises:
        ConfigError: If a file is in the way or the place is not writable.
    """
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    try:
        for part in reversed(missing):
            part.mkdir(mode=0o700, exist_ok=True)
    except OSError as err:
        message = (
            f"cannot create the folder {folder}: {err.strerror}; "
            "set ELAGENT_HOME to a folder that you can write to"
        )
        raise ConfigError(message) from err
    return folder


def _xdg(environ: Mapping[str, str], name: str, default: str) -> Path:
    value = environ.get(name, "")
    # The XDG specification says to ignore relative values.
    return Path(value) if value.startswith("/") else _user_home(environ) / default


def _expanded(value: str, environ: Mapping[str, str]) -> Path:
    if value == "~" or value.startswith("~/"):
        return _user_home(environ) / value[2:]
    return Path(value).absolute()


def _user_home(environ: Mapping[str, str]) -> Path:
    return Path(environ["HOME"]) if environ.get("HOME") else Path.home()
