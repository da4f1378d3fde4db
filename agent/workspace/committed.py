"""Reads a commit of the user for the sandbox: its files and their hashes.

Git runs as in `agent.workspace.safegit`: it executes nothing of the repository's configuration and
writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from agent.errors import WorkspaceError
from agent.workspace.safegit import user_git
from sandbox.verdict.pristine import Pristine

_REGULAR = (b"100644", b"100755")
_LINK = b"120000"
_ENTRY_FIELDS = 3


def read_commit(
    root: Path, environ: Mapping[str, str] = MappingProxyType({}), *, commit: str = "HEAD"
) -> Pristine | None:
    """A commit of the repository around `root`, the last one if none is named; None without it.

    Links are told apart from its files; submodules are not among them, nor names that are not UTF-8.
    """
    git = user_git(root, environ)
    try:
        found = git.run("rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}").decode().strip()
        listed = git.run("ls-tree", "-r", "-z", found, ".")
    except (WorkspaceError, UnicodeDecodeError):
        return None
    hashes: dict[str, str] = {}
    links: dict[str, str] = {}
    for entry in listed.split(b"\0"):
        fields, _, name = entry.partition(b"\t")
        parts = fields.split()
        if len(parts) != _ENTRY_FIELDS or parts[0] not in (*_REGULAR, _LINK):
            continue
        kept = links if parts[0] == _LINK else hashes
        try:
            kept[name.decode("utf-8")] = parts[2].decode("ascii")
        except UnicodeDecodeError:
            continue

    def read(path: str) -> bytes:
        return next(iter(git.blobs([hashes[path]])))

    return Pristine(commit=found, hashes=hashes, read=read, links=links)
