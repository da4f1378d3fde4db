"""Reads branch and commit of the user's repository without running any program.

GitPython reads references in Python, and nothing more is asked of it: to read an object it would
run git under the repository's configuration, which may name programs (a partial clone's does).
Everything that needs git itself goes through `agent.workspace.safegit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from git import Repo


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The state that a session started from."""

    branch: str
    """Empty when the head is detached."""
    commit: str
    """Hexadecimal id; empty before the first commit."""


def read_head(root: Path) -> Head | None:
    """The head of the repository at `root`, or None where there is none that can be read."""
    from git import InvalidGitRepositoryError, NoSuchPathError, Repo

    try:
        with Repo(root) as repo:
            branch = "" if repo.head.is_detached else repo.head.reference.name
            commit = _commit(repo)
    except (InvalidGitRepositoryError, NoSuchPathError, ValueError, OSError):
        return None
    return Head(branch=branch, commit=commit)


def _commit(repo: Repo) -> str:
    """The commit id that the head names; the object itself is not read."""
    from git import SymbolicReference

    try:
        return SymbolicReference.dereference_recursive(repo, "HEAD") or ""
    except ValueError:  # a branch without a commit
        return ""
