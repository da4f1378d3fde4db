"""States of the worktree as commits in our own git directory, and going back to one of them.

Covered are the files that git would track or offer to add, by the user's own ignore rules. Not
covered: ignored files, empty folders, submodules and nested repositories; these are left alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from agent.errors import UndoRefusedError, WorkspaceError
from agent.workspace.safegit import Git, excludes_file, shadow_git, user_git
from agent.workspace.worktree import TEMPORARY_PREFIX, Tree, parents

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

MAX_FILES = 200_000
# Flushing thousands of files takes a minute, and the snapshot holds their contents anyway.
_MOST_SYNCED = 100


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


class Snapshots:
    """The states of one folder. One caller at a time: `agent.workspace.workspace` holds the lock."""

    def __init__(
        self, root: Path, git_dir: Path, environ: Mapping[str, str], *, excluded: Sequence[Path]
    ) -> None:
        self.root = root.resolve()
        self._excluded = _inside(self.root, excluded)
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
        """The files that count now: tracked, or untracked and not ignored."""
        listed = self._listed()
        return self._tree.covered(path for path in listed if not _is_leftover(path))

    def nested(self) -> set[bytes]:
        """Submodules and other repositories inside the folder, which are not covered."""
        return self._tree.folders(path.rstrip(b"/") for path in self._listed())

    def remove_leftovers(self) -> None:
        """Remove what a killed process left half written; its lock is free, so it is gone."""
        for path in self._tree.covered(filter(_is_leftover, self._listed())):
            self._tree.remove(path)

    def take(self, label: str, *, also: str | None = None) -> str:
        """Record the state of the folder now; gives its id.

        Files of the state `also` that still exist are covered even if they are ignored by now.
        """
        # What is once covered stays covered, as in git itself, even if it is ignored later.
        self.remove_leftovers()
        indexed = self._indexed()
        extra = indexed.union(self._contents(also)) if also else indexed
        kept = self.files() | self._tree.covered(extra)
        if len(kept) > MAX_FILES:
            raise WorkspaceError(
                f"{self.root} holds more than {MAX_FILES} files that are not ignored; "
                "start in the project's own folder, or list what is generated in .gitignore"
            )
        try:
            tree = self._tree_of(gone=indexed - kept, kept=kept)
        except WorkspaceError:
            # The index is only a cache, and a power cut may have torn it or lost stored files.
            (self._git_dir / "index").unlink(missing_ok=True)
            tree = self._tree_of(gone=set(), kept=kept)
        made = self._git.run("commit-tree", tree, stdin=label.encode("utf-8", "backslashreplace"))
        commit = made.decode().strip()
        self._git.run("update-ref", f"refs/snapshots/{commit}", commit)
        return commit

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
        """What differs from one state to another, by path."""
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
        return found

    def diff(self, old: str, new: str) -> str:
        """The difference as a unified diff; bytes that are not UTF-8 appear as escapes."""
        flags = ("-r", "-p", "--no-color", "--no-ext-diff", "--no-textconv", "--find-renames")
        return self._git.run("diff-tree", *flags, old, new).decode("utf-8", "backslashreplace")

    def apply(self, changes: Mapping[bytes, Change]) -> tuple[bytes, ...]:
        """Bring the given paths from their old to their new entry; other files stay untouched.

        Everything that could fail is checked first. Files that the rules of the reached state
        ignore are not removed, since that state would not have shown them.

        Raises:
            UndoRefusedError: If something that is not covered stands in the way.
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
        free = (leaving - blocking) - self._ignored(leaving - blocking)
        for path in sorted(free):
            self._tree.remove(path)
        return tuple(sorted(blocking | set(written) | free))

    def forget(self, keep: set[str], *, older_than: float) -> int:
        """Drop snapshots from before the time `older_than` that are not in `keep`; counts them."""
        listing = self._git.run("for-each-ref", "--format=%(objectname) %(creatordate:unix)")
        rows = [line.split() for line in listing.decode().splitlines()]
        old = [state for state, made in rows if state not in keep and int(made) < older_than]
        for state in old:
            self._git.run("update-ref", "-d", f"refs/snapshots/{state}")
        self._git.run("gc", "--quiet", "--prune=now")
        return len(old)

    def _asked(self) -> Git:
        """The git that knows which files count: the user's, or ours where there is none."""
        git = user_git(self.root, self._environ)
        inside = git.attempt("rev-parse", "--is-inside-work-tree")
        if inside.returncode != 0:
            _refuse_broken(inside.stderr, self.root)
            return self._git
        # A folder that its repository ignores as a whole would look empty.
        if git.attempt("check-ignore", "-q", "--", str(self.root)).returncode == 0:
            return self._git
        if excludes := excludes_file(self._environ):
            return replace(git, options=(*git.options, f"core.excludesFile={excludes}"))
        return git

    def _listed(self) -> list[bytes]:
        listing = self._asked().run("ls-files", "-co", "--exclude-standard", "-z")
        return [path for path in _fields(listing) if not path.startswith(self._excluded)]

    def _indexed(self) -> set[bytes]:
        listing = self._git.attempt("ls-files", "-z")
        return set(_fields(listing.stdout)) if listing.returncode == 0 else set()

    def _tree_of(self, *, gone: set[bytes], kept: set[bytes]) -> str:
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

    def _ignored(self, paths: set[bytes]) -> set[bytes]:
        if not paths:
            return set()
        # The prefix keeps names such as `:(top)x` from being read as patterns.
        names = b"".join(b"./%s\0" % path for path in sorted(paths))
        finished = self._asked().attempt("check-ignore", "-z", "--no-index", "--stdin", stdin=names)
        if finished.returncode not in (0, 1):
            raise WorkspaceError(
                f"git check-ignore failed in {self.root}, so files made since were not removed"
            )
        return {path.removeprefix(b"./") for path in _fields(finished.stdout)}


def _fields(output: bytes) -> list[bytes]:
    return output.split(b"\0")[:-1]


def _is_leftover(path: bytes) -> bool:
    return path.rpartition(b"/")[2].startswith(TEMPORARY_PREFIX)


def _inside(root: Path, folders: Sequence[Path]) -> tuple[bytes, ...]:
    resolved = [folder.resolve() for folder in folders]
    inside = [folder.relative_to(root) for folder in resolved if folder.is_relative_to(root)]
    return tuple(os.fsencode(folder) + b"/" for folder in inside)


def _blocking(leaving: set[bytes], written: set[bytes]) -> set[bytes]:
    """The files that must go first: a folder comes in their place, or they are in a file's."""
    needed = {parent for path in written for parent in parents(path)}
    return {path for path in leaving if path in needed or not written.isdisjoint(parents(path))}


def _refuse_broken(stderr: bytes, root: Path) -> None:
    reason = stderr.decode("utf-8", "backslashreplace").strip()
    if "not a git repository" not in reason:
        raise WorkspaceError(f"git cannot read the repository at {root}: {reason}")
