"""Tells if the user's files differ from the last commit, without running any filter.

`git status` compares contents through the clean filters that a repository's own configuration may
name, and a repository can be hostile. They are found by reading the configuration, which executes
nothing, and switched off one by one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from agent.workspace.safegit import Git, user_git

_OFF = (("clean", ""), ("smudge", ""), ("process", ""), ("required", "false"))


def is_dirty(root: Path, environ: Mapping[str, str]) -> bool:
    """True if a tracked file differs from the last commit or an untracked one exists. Blocks.

    Raises:
        WorkspaceError: If git is missing or this is no repository that it can read.
    """
    git = without_filters(user_git(root, environ))
    return bool(git.run("status", "--porcelain", "--ignore-submodules=all", "--no-renames"))


def without_filters(git: Git) -> Git:
    """The same git with every filter that the configuration names switched off."""
    listed = git.attempt("config", "--includes", "-z", "--name-only", "--get-regexp", "^filter[.]")
    names = {
        name.removeprefix("filter.").rpartition(".")[0]
        for name in listed.stdout.decode("utf-8", "surrogateescape").split("\0")
        if name
    }
    settings = [(f"filter.{name}.{key}", value) for name in sorted(names) for key, value in _OFF]
    env = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        env |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return replace(git, env={**git.env, **env})
