"""Stores states of the worktree as commits in our own git directory, and restores them.

`agent.workspace.coverage` decides the files of a state. The message of its commit names the omitted
files: they are neither restored nor removed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.errors import UndoRefusedError, WorkspaceError
from agent.workspace.coverage import Coverage
from agent.workspace.limits import DEFAULT_LIMITS, LeftOut, SnapshotLimits, beyond
from agent.workspace.safegit import shadow_git
from agent.workspace.worktree import Tree, parents

# Only for folders that are not git repositories: what hardly anyone wants to keep.
_IGNORED_WITHOUT_GIT = """\
.hg/
.svn/
node_modules/
__pycache__/
*.py[co]
.venv/
venv/
.tox/
.nox/
.mypy_cache/
.ruff_cache/
.pytest_cache/
*.egg-info/
.DS_Store
"""
# The highest-ranking attributes: files go in and come out byte by byte, whatever the tree says.
_ATTRIBUTES = "* -text -eol -ident -filter -working-tree-encoding\n"
_NO_BLOB = b"0" * 40
ABSENT = "absent"
"""Stamp of a file that is known to be missing in a folder that is left out."""

# Flushing thousands of files takes a minute, and the snapshot holds their contents anyway.
_MOST_SYNCED = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """The files of a folder that git ignores, other than caches."""

    files: frozenset[bytes]
    large: frozenset[bytes]
    """Files and folders (with a slash) that are too large for a snapshot."""
    asked: frozenset[bytes]
    """Files that a pattern names, caches included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file of a state: its mode and content hash; mode 0 where there is none."""

    mode: int
    blob: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One path that differs between two states."""

    path: bytes
    old: Entry
    new: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Notes in a state beside its files."""

    label: str
    left_out: Mapping[bytes, str]
    """Files that are left out, with those known to be missing in a folder that is left out."""
    ignored: frozenset[bytes] = frozenset()
    """Files of the state that the rules of git ignored."""

    def is_silent_on(self, path: bytes) -> bool:
        """True if a file that the state does not hold may have been there all the same."""
        if (why := self.left_out.get(path)) is not None:
            return why != ABSENT
        return any(parent + b"/" in self.left_out for parent in parents(path))


class Snapshots:
    """The states of one folder. One caller at a time: `agent.workspace.workspace` holds the lock."""

    def __init__(
        self,
        root: Path,
        git_dir: Path,
        environ: Mapping[str, str],
        *,
        excluded: Sequence[Path],
        limits: SnapshotLimits = DEFAULT_LIMITS,
    ) -> None:
        self.left_out: LeftOut | None = None
        """Files and folders that the last snapshot left out, beyond its limits."""
        self._limits = limits
        self.root = root.resolve()
        self._excluded = excluded
        self._git_dir = git_dir
        self._environ = environ
        self._tree = Tree(self.root)
        self._git = shadow_git(self.root, git_dir, environ)

    def prepare(self, lock: int) -> None:
        """Make or repair our git directory; `lock` is inherited by every git child."""
        self._git = replace(self._git, inherit=(lock,))
        (self._git_dir / "index.lock").unlink(missing_ok=True)
        marker = self._git_dir / "ready"
        if marker.exists():
            return
        self._git.run("init", "--quiet", "--template=")
        info = self._git_dir / "info"
        info.mkdir(exist_ok=True)
        (info / "attributes").write_text(_ATTRIBUTES)
        (info / "exclude").write_text(_IGNORED_WITHOUT_GIT)
        marker.touch()

    def files(self) -> set[bytes]:
        """The project's files now: tracked, or untracked and not ignored."""
        return self._coverage().listed()

    def ignored(self, patterns: Sequence[str]) -> Ignored:
        """The files that git ignores, as far as a snapshot holds them, and those of the patterns."""
        coverage = self._coverage()
        covered = coverage.now()
        large = {path for path, why in covered.left_out.items() if why}
        return Ignored(
            files=covered.ignored,
            large=frozenset(large),
            asked=frozenset(coverage.ignored(patterns)),
        )

    def take(self, label: str, *, also: str | None = None, written: Iterable[bytes] = ()) -> str:
        """Record the state of the folder now.

        Files of the state `also` that still exist are held even if they would not be by now, and
        so are those `written` by the agent, wherever they are.
        """
        written = frozenset(written)
        covered = self._coverage().now()
        for path in covered.leftovers:  # whoever wrote it is gone: its lock is free
            self._tree.remove(path)
        # What is once held stays held, as in git itself, even if it is ignored later.
        indexed = self._indexed()
        asked = frozenset(self._contents(also)) if also else frozenset()
        before = indexed | asked
        extra = before - covered.left_out.keys() | written
        wanted = covered.files | self._tree.covered(extra - covered.files)
        self.left_out = beyond(self._tree, wanted, self._limits, always=asked | written)
        too_much = self.left_out.files if self.left_out else frozenset()
        kept = wanted - too_much
        try:
            tree = self._tree_of(gone=indexed - kept, kept=kept)
        except WorkspaceError:
            # The index is only a cache, and a power cut may have torn it or lost stored files.
            (self._git_dir / "index").unlink(missing_ok=True)
            tree = self._tree_of(gone=set(), kept=kept)
        reasons = {**covered.left_out, **(self.left_out.reasons if self.left_out else {})}
        left_out = {path: why for path, why in reasons.items() if path not in kept}
        note = Note(label=label, left_out=left_out, ignored=covered.ignored)
        gone = (before | written) - kept - left_out.keys() - too_much
        known = dict.fromkeys(filter(note.is_silent_on, gone), ABSENT)
        return self._commit(tree, replace(note, left_out={**left_out, **known}))

    def with_file(self, state: str, path: bytes) -> str:
        """The same state, which also says what is at a path now: a file, or none.

        For what was left out and is about to be written.
        """
        note = self.note(state)
        if path in self._contents(state) or not note.is_silent_on(path):
            return state
        if not self._tree.covers(path):
            return self._commit(
                f"{state}^{{tree}}", replace(note, left_out={**note.left_out, path: ABSENT})
            )
        index = self._git_dir / "index.more"
        git = replace(self._git, env={**self._git.env, "GIT_INDEX_FILE": str(index)})
        try:
            git.run("read-tree", state)
            git.run("update-index", "-z", "--add", "--replace", "--stdin", stdin=path + b"\0")
            tree = git.run("write-tree").decode().strip()
        finally:
            index.unlink(missing_ok=True)
        left_out = {name: why for name, why in note.left_out.items() if name != path}
        return self._commit(tree, replace(note, left_out=left_out))

    def note(self, state: str) -> Note:
        """The note of a state; only its label if the state is older than notes."""
        commit = self._git.run("cat-file", "commit", state).decode("utf-8", "backslashreplace")
        label, _, said = commit.partition("\n\n")[2].partition("\n\n")
        try:
            data = json.loads(said)
            left_out: dict[str, str] = data["left_out"]
            ignored: list[str] = data["ignored"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return Note(label=label, left_out={})
        return Note(
            label=label,
            left_out={os.fsencode(path): why for path, why in left_out.items()},
            ignored=frozenset(map(os.fsencode, ignored)),
        )

    def require(self, state: str) -> str:
        """The id, checked.

        Raises:
            WorkspaceError: If it is not the id of a snapshot.
        """
        known = (
            re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", state)
            and not self._git.attempt("cat-file", "-e", f"{state}^{{tree}}").returncode
        )
        if not known:
            raise WorkspaceError(f"there is no snapshot {state!r}")
        return state

    def changes(self, old: str, new: str) -> dict[bytes, Change]:
        """Differences of two states by path, without paths that one of them left out."""
        raw = self._git.run(
            "diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old, new
        )
        fields = iter(_fields(raw))
        found = {}
        for header, path in zip(fields, fields, strict=True):
            old_mode, new_mode, old_blob, new_blob, _ = header.decode().lstrip(":").split(" ")
            before = Entry(mode=int(old_mode, 8), blob=old_blob)
            after = Entry(mode=int(new_mode, 8), blob=new_blob)
            found[path] = Change(path=path, old=before, new=after)
        of_old, of_new = self.note(old), self.note(new)
        return {
            path: change
            for path, change in found.items()
            if (change.old.mode or not of_old.is_silent_on(path))
            and (change.new.mode or not of_new.is_silent_on(path))
        }

    def diff(self, old: str, new: str) -> str:
        """The difference as a unified diff; bytes that are not UTF-8 appear as escapes."""
        flags = ("-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames")
        return self._git.run("diff-tree", *flags, old, new).decode("utf-8", "backslashreplace")

    def apply(self, changes: Mapping[bytes, Change]) -> tuple[bytes, ...]:
        """Bring the given paths from their old to their new entry; other files stay untouched.

        Everything that could fail is checked first.

        Raises:
            UndoRefusedError: If something that no snapshot holds stands in the way.
            WorkspaceError: If a stored file is missing or damaged; nothing was changed then.
        """
        leaving = {path for path, change in changes.items() if not change.new.mode}
        written = {path: change for path, change in changes.items() if change.new.mode}
        self._refuse_obstacles(written, leaving)
        blobs = [change.new.blob for change in written.values()]
        for _ in self._git.blobs(blobs):
            pass  # Reading everything once finds damage before the first file is touched.
        blocking = _blocking(leaving, set(written))
        for path in sorted(blocking):
            self._tree.remove(path)
        few = len(written) <= _MOST_SYNCED
        for change, content in zip(written.values(), self._git.blobs(blobs), strict=True):
            self._tree.write(change.path, content, mode=change.new.mode, sync=few)
        for path in sorted(leaving - blocking):
            self._tree.remove(path)
        return tuple(sorted(changes))

    def contents(self, blobs: Iterable[str]) -> Iterator[bytes]:
        """The contents of files by their ids, in order."""
        return self._git.blobs(blobs)

    def held(self, state: str, now: str, paths: Collection[bytes]) -> dict[bytes, bytes | None]:
        """Those of the files that differ between two states, with their old content, None for none."""
        changes = [c for path, c in self.changes(state, now).items() if path in paths]
        known = [change for change in changes if change.old.mode]
        had = zip(known, self.contents([change.old.blob for change in known]), strict=True)
        return dict.fromkeys(c.path for c in changes) | {c.path: text for c, text in had}

    def forget(self, keep: set[str], *, older_than: float) -> int:
        """Drop snapshots from before the time `older_than` that are not in `keep`; counts them."""
        listing = self._git.run("for-each-ref", "--format=%(objectname) %(creatordate:unix)")
        rows = [line.split() for line in listing.decode().splitlines()]
        old = [state for state, made in rows if state not in keep and int(made) < older_than]
        for state in old:
            self._git.run("update-ref", "-d", f"refs/snapshots/{state}")
        self._git.run("gc", "--quiet", "--prune=now")
        return len(old)

    def _coverage(self) -> Coverage:
        return Coverage(self._tree, self._git, self._environ, excluded=self._excluded)

    def _commit(self, tree: str, note: Note) -> str:
        said = {
            "left_out": {os.fsdecode(path): why for path, why in note.left_out.items()},
            "ignored": sorted(map(os.fsdecode, note.ignored)),
        }
        message = f"{' '.join(note.label.split())}\n\n{json.dumps(said)}\n"
        stdin = message.encode("utf-8", "backslashreplace")
        commit = self._git.run("commit-tree", tree, stdin=stdin).decode().strip()
        self._git.run("update-ref", f"refs/snapshots/{commit}", commit)
        return commit

    def _indexed(self) -> set[bytes]:
        listing = self._git.attempt("ls-files", "-z")
        return set(_fields(listing.stdout)) if listing.returncode == 0 else set()

    def _tree_of(self, *, gone: Collection[bytes], kept: Collection[bytes]) -> str:
        removals = b"".join(b"0 %s\t%s\0" % (_NO_BLOB, path) for path in sorted(gone))
        if removals:
            self._git.run("update-index", "-z", "--index-info", stdin=removals)
        names = b"".join(path + b"\0" for path in sorted(kept))
        self._git.run(
            "update-index", "-z", "--add", "--remove", "--replace", "--stdin", stdin=names
        )
        return self._git.run("write-tree").decode().strip()

    def _contents(self, state: str) -> list[bytes]:
        return _fields(self._git.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", state))

    def _refuse_obstacles(self, written: Mapping[bytes, Change], leaving: set[bytes]) -> None:
        for path in written:
            obstacle = self._tree.obstacle(path, leaving=leaving)
            if obstacle is not None:
                name = os.fsdecode(path)
                raise UndoRefusedError(
                    f"{os.fsdecode(obstacle)} stands where {name} has to be written, and no "
                    "snapshot covers it; move it away first. Nothing was changed"
                )


def _fields(output: bytes) -> list[bytes]:
    return output.split(b"\0")[:-1]


def _blocking(leaving: set[bytes], written: set[bytes]) -> set[bytes]:
    """Files to remove first: a folder takes their place, or their folder becomes a file."""
    needed = {parent for path in written for parent in parents(path)}
    return {path for path in leaving if path in needed or not written.isdisjoint(parents(path))}
