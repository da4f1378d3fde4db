"""The runs that the sandbox noted, for whoever asks what happened."""

from __future__ import annotations

from pathlib import Path

from agent.paths import Paths
from sandbox.box.ledger import NotedRun, RunLedger

__all__ = ["NotedRun", "last_runs"]


def ledger_path(sandbox_dir: Path) -> Path:
    """The database of runs in the sandbox's state directory."""
    return sandbox_dir / "runs.sqlite3"


def last_runs(paths: Paths, count: int) -> tuple[NotedRun, ...]:
    """Return the last runs of all sessions on this machine, the newest first.

    Raises:
        SandboxError: If the list is damaged or cannot be read.
    """
    path = ledger_path(paths.sandbox)
    if not path.is_file():
        return ()
    with RunLedger(path) as ledger:
        return ledger.last_runs(count)
