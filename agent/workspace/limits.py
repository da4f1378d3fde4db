"""Limits of a snapshot, and the files to leave out beyond them.

Large files are left out first, since few of them are work on a program; then the fullest folder, as
far down as it is enough. A state says nothing of omitted files: they are neither restored nor removed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from agent.workspace.ignored import LARGE
from agent.workspace.worktree import Tree, parents

_MIB = 2**20
_NAMES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotLimits:
    """Largest number and size of the files of a snapshot."""

    files: int = 50_000
    size_mib: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """Files and folders that one snapshot leaves out, beyond its limits."""

    files: frozenset[bytes]
    size_bytes: int
    reasons: Mapping[bytes, str]
    """Files that are left out, with a stamp, and folders, with a slash and the reason."""

    def __str__(self) -> str:
        names = [os.fsdecode(name) for name in sorted(self.reasons)]
        rest = len(names) - _NAMES_SHOWN
        listed = ", ".join(names[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
        what = "1 file" if len(self.files) == 1 else f"{len(self.files)} files"
        return (
            f"{what} of {self.size_bytes / _MIB:.0f} MiB are too much for a snapshot, so undo does "
            f"not bring them back unless elagent itself writes them: {listed} "
            "(session.snapshot_files and session.snapshot_mib set the limits)"
        )


DEFAULT_LIMITS = SnapshotLimits()


def beyond(
    tree: Tree, paths: Collection[bytes], limits: SnapshotLimits, *, always: Collection[bytes]
) -> LeftOut | None:
    """The paths to leave out, without those that are `always` held."""
    sizes = tree.sizes(paths)
    files = _largest(sizes, sum(sizes.values()) - limits.size_mib * _MIB, always)
    reasons = {path: f"{sizes[path]} bytes" for path in files}
    staying = sizes.keys() - files
    while (surplus := len(staying) - limits.files) > 0:
        folder = _fullest(staying, surplus)
        if folder:
            inside = {path for path in staying if path.startswith(folder)}
            reasons[folder] = LARGE
        else:  # too many in the top folder itself
            inside = set(sorted(staying)[-surplus:])
            reasons |= dict.fromkeys(inside, LARGE)
        staying -= inside
        files |= inside - set(always)
    if not files:
        return None
    size_bytes = sum(sizes[path] for path in files)
    return LeftOut(files=frozenset(files), size_bytes=size_bytes, reasons=reasons)


def _largest(sizes: Mapping[bytes, int], surplus: int, always: Collection[bytes]) -> set[bytes]:
    found: set[bytes] = set()
    if surplus <= 0:
        return found
    for path in sorted(sizes, key=lambda name: (-sizes[name], name)):
        if surplus <= 0:
            break
        if path not in always:
            found.add(path)
            surplus -= sizes[path]
    return found


def _fullest(paths: Collection[bytes], surplus: int) -> bytes:
    """The folder to leave out, with its slash: the fullest one, as far down as it is enough."""
    counts = Counter(parent for path in paths for parent in parents(path))
    inner: dict[bytes, list[bytes]] = {}
    for folder in counts:
        inner.setdefault(folder.rpartition(b"/")[0], []).append(folder)
    chosen, below = b"", inner.get(b"", [])
    while below:
        fullest = max(below, key=lambda folder: (counts[folder], folder))
        if chosen and counts[fullest] < surplus:
            break
        chosen, below = fullest, inner.get(fullest, [])
        if counts[chosen] < surplus:
            break
    return chosen + b"/" if chosen else b""
