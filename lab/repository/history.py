"""A repository's commits as bytes, to be sent to another machine and unpacked there.

A bundle is git's own form of it. Git runs as in `agent.workspace.safegit`: it executes nothing of the repository.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from agent.errors import WorkspaceError
from agent.workspace.committed import read_commit
from agent.workspace.safegit import user_git

MOST_BYTES = 64 * 2**20
"""Largest history that is sent: each node gets all of it."""


def packed_history(root: Path, environ: Mapping[str, str], *, most: int = MOST_BYTES) -> bytes:
    """The last commit of a repository and all before it; blocks.

    Raises:
        WorkspaceError: If there is none, git cannot read it, or it is larger than `most` bytes.
    """
    with tempfile.TemporaryDirectory(prefix="elagent-bundle-") as folder:
        bundle = Path(folder, "history")
        if read_commit(root, environ) is None:
            raise WorkspaceError(
                f"{root} has no commits that could be sent to a cluster: its tasks are made of them"
            )
        user_git(root, environ).run("bundle", "create", "--quiet", str(bundle), "HEAD")
        size = bundle.stat().st_size
        if size > most:
            raise WorkspaceError(
                f"the history of {root} has {size / 2**20:.0f} MiB, and at most {most / 2**20:.0f} MiB are"
                " sent to a cluster: measure it on this machine, without --cluster"
            )
        return bundle.read_bytes()


def place_in(root: Path, environ: Mapping[str, str]) -> str:
    """The place of a folder in its repository, such as `services/web/`; empty at the top; blocks.

    Raises:
        WorkspaceError: If it is in none.
    """
    return user_git(root, environ).run("rev-parse", "--show-prefix").decode().strip()


def unpack_history(history: bytes, root: Path, environ: Mapping[str, str]) -> None:
    """Make a repository of packed history in a new folder, with the files of its last commit; blocks.

    Raises:
        WorkspaceError: If git cannot read it.
        OSError: If it cannot be written.
    """
    root.mkdir(parents=True)
    bundle = root.with_name(f"{root.name}.bundle")
    bundle.write_bytes(history)
    git = user_git(root, environ)
    git.run("init", "--quiet")
    head = git.run("bundle", "unbundle", str(bundle)).split(maxsplit=1)[0].decode()
    git.run("reset", "--quiet", "--hard", head)
    bundle.unlink()
