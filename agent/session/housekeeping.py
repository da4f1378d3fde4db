"""Removes old sessions and snapshots from a repository's state, by the user's retention."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from agent.errors import WorkspaceError
from agent.paths import RepositoryPaths
from agent.session.session import sweep_sessions
from agent.workspace.workspace import Workspace

_DAY_S = 86_400.0
_STAMP = "snapshots-pruned"


def sweep(
    repository: RepositoryPaths, workspace: Workspace, *, retention_days: int, now: float
) -> None:
    """Forget sessions, and at most once a day snapshots that no undo needs, past the retention.

    `now` is in seconds since the epoch. A failure to tidy up is no reason not to begin.
    """
    with contextlib.suppress(OSError):
        sweep_sessions(repository.sessions, retention_days=retention_days, now=now)
    stamp = repository.home / _STAMP
    if not repository.shadow_git.is_dir() or now - _changed_at(stamp) < _DAY_S:
        return
    with contextlib.suppress(WorkspaceError, OSError):
        stamp.touch()
        os.utime(stamp, (now, now))
        workspace.prune(older_than=now - retention_days * _DAY_S)


def _changed_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
