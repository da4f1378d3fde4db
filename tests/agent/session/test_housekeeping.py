"""State of old sessions goes; what undo needs stays."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from agent.paths import Paths
from agent.session.housekeeping import sweep
from agent.session.session import SessionLog, list_sessions
from agent.workspace.workspace import Workspace

DAY_S = 86_400.0


def test_old_sessions_and_snapshots_go_at_most_once_a_day_and_undo_still_works(
    tmp_path: Path,
) -> None:
    root = tmp_path / "repository"
    root.mkdir()
    subprocess.run(["/usr/bin/git", "init", "-q", str(root)], check=True)
    (root / "a.py").write_text("a = 1\n")
    repository = Paths(tmp_path / "home").repository(root)
    workspace = Workspace(root, repository.shadow_git, environ=os.environ)
    SessionLog.create(repository.sessions).close()
    with workspace.turn("one"):
        (root / "a.py").write_text("a = 2\n")
    workspace.snapshot("nobody needs this")

    def snapshots() -> int:
        command = ["/usr/bin/git", f"--git-dir={repository.shadow_git}", "for-each-ref"]
        listing = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return len(listing.splitlines())

    now = time.time()
    before = snapshots()
    sweep(repository, workspace, retention_days=30, now=now)
    assert (snapshots(), len(list_sessions(repository.sessions))) == (before, 1)
    sweep(repository, workspace, retention_days=30, now=now + 40 * DAY_S)
    assert (snapshots() < before, list_sessions(repository.sessions)) == (True, [])

    workspace.snapshot("another")
    kept = snapshots()
    sweep(repository, workspace, retention_days=30, now=now + 40.5 * DAY_S)
    assert snapshots() == kept
    workspace.undo()
    assert (root / "a.py").read_text() == "a = 1\n"


def test_a_repository_without_snapshots_gets_none_from_tidying_up(tmp_path: Path) -> None:
    repository = Paths(tmp_path / "home").repository(tmp_path)
    workspace = Workspace(tmp_path, repository.shadow_git, environ=os.environ)
    sweep(repository, workspace, retention_days=0, now=time.time())
    assert not repository.shadow_git.exists()
