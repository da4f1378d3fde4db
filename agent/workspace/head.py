"""Where the user's repository stands: branch and commit, read without running anything.

GitPython reads references and objects in Python; no command, hook or filter of the repository can
run. Everything that needs git itself goes through `agent.workspace.safegit`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
            commit = repo.head.commit.hexsha if repo.head.is_valid() else ""
    except (InvalidGitRepositoryError, NoSuchPathError, ValueError, OSError):
        return None
    return Head(branch=branch, commit=commit)
