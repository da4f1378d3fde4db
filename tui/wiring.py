"""Settings and paths for one command, read once from the command line, environment and files."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from agent.context.instructions import read_instructions
from agent.paths import Paths, RepositoryPaths, from_environ
from agent.settings.load import Loaded, load
from agent.settings.schema import Settings
from agent.settings.trust import TrustFile, configuration_of
from sandbox.streams import display_safe


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What every command about a repository needs."""

    root: Path
    loaded: Loaded
    paths: Paths
    instructions: str = ""
    """The project's own words for agents (AGENTS.md), if it is trusted."""
    resume: str | None = None
    """The session to go on with."""
    commit: bool = False
    """Whether each accepted turn becomes a commit."""
    hooks: bool = False
    """Whether git hooks shall run then."""

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
    cwd = (path or Path.cwd()).resolve()
    root, paths = repository_root(cwd), from_environ(os.environ)
    trusted = is_trusted(root, cwd, TrustFile(paths.trust_file))
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    loaded = load(root, os.environ, given, trusted=trusted)
    instructions = read_instructions(root, cwd) if trusted else ""
    return Context(root=root, loaded=loaded, paths=paths, instructions=instructions)


def is_trusted(root: Path, cwd: Path, answers: TrustFile) -> bool:
    """Whether this repository's own configuration is read; asks the person once per repository.

    `--trust` says yes for good. Where nobody can be asked, the answer is no, and that is said.
    """
    files = configuration_of(cwd)
    if not files:
        return True
    current = click.get_current_context(silent=True)
    options = current.find_root().params if current is not None else {}
    if options.get("trust"):
        answers.remember(root, trusted=True)
        return True
    known = answers.answer(root)
    if known is not None:
        return known
    names = display_safe(", ".join(files))
    if not (sys.stdin.isatty() and sys.stdout.isatty()) or options.get("as_json"):
        click.echo(f"elagent: not trusted, so not read: {names}; --trust reads it", err=True)
        return False
    click.echo(f"This repository brings its own configuration for elagent: {names}")
    trusted = click.confirm("Read it, now and in the future?", default=False)
    answers.remember(root, trusted=trusted)
    return trusted


def repository_root(path: Path) -> Path:
    """The nearest folder at or above `path` that git calls a repository, else `path` itself."""
    for folder in (path, *path.parents):
        if (folder / ".git").exists():
            return folder
    return path
