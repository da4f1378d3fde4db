"""Decides which comments of saved files ask for something now: only those that came while watching.

A repository that somebody gives you can hold such comments. So what stands there at the start, what
git brings (a checkout, a merge, a pull), what comes with a new file (an archive, a generator) and what
a turn itself wrote is noted and starts nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from agent.watching.comments import Comment, comments_in
from agent.workspace.head import Head, read_head

_LARGEST_BYTES = 1_000_000
_GIT_AT_WORK = (
    "index.lock",
    "MERGE_HEAD",
    "CHERRY_PICK_HEAD",
    "REVERT_HEAD",
    "rebase-merge",
    "rebase-apply",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """One comment that came since the last look."""

    comment: Comment
    passed_over: str = ""
    """The reason why it starts no turn; empty if it does."""


@dataclass(kw_only=True)
class Noticing:
    """Remembers the comments of a repository's files; blocks while it reads them."""

    root: Path
    list_files: Callable[[], Sequence[str]]
    """The product's own listing: what git ignores, and what is outside, is never in it."""
    git_folder: Path | None = None
    """Git's own folder of this worktree, where there is one."""
    _known: dict[str, tuple[str, ...]] = field(default_factory=dict, init=False)
    _states: dict[str, tuple[int, int]] = field(default_factory=dict, init=False)
    """Time and size of each file when it was read."""
    _head: Head | None = field(default=None, init=False)

    def begin(self) -> int:
        """Note all comments that stand there already; counts them."""
        self._head = read_head(self.root)
        return len(self._new())

    @property
    def git_at_work(self) -> bool:
        """True while git writes files, or a merge, a rebase or a pick waits for its end."""
        folder = self.git_folder
        return folder is not None and any((folder / name).exists() for name in _GIT_AT_WORK)

    @property
    def folders(self) -> frozenset[Path]:
        """The folders of all files that are looked at."""
        return frozenset({self.root, *(self.root / Path(path).parent for path in self._states)})

    def look(self, *, written: Collection[str] = ()) -> tuple[Noticed, ...]:
        """Find the comments that came since the last look; `written` are files of our own turn."""
        before = frozenset(self._known)
        new = self._new()
        head, self._head = self._head, read_head(self.root)
        of_git = ""
        if head != self._head:
            of_git = "git moved to another commit meanwhile"
        elif self.git_at_work:
            of_git = "git has not finished a merge, rebase or pick"

        def why(comment: Comment) -> str:
            if comment.path in written:
                return "the last turn wrote this file"
            return of_git or ("" if comment.path in before else "the file is new")

        return tuple(Noticed(comment=comment, passed_over=why(comment)) for comment in new)

    def _new(self) -> tuple[Comment, ...]:
        """The comments that were not there at the last look, and are noted by this one."""
        found: list[Comment] = []
        states: dict[str, tuple[int, int]] = {}
        for path in self.list_files():
            if (state := _state(self.root / path)) is None:
                continue
            states[path] = state
            if self._states.get(path) == state:
                continue
            now = tuple(comments_in(path, _text(self.root / path)))
            found += _added(now, self._known.get(path, ()))
            self._known[path] = tuple(comment.words for comment in now)
        self._states = states
        return tuple(found)


def git_folder(root: Path) -> Path | None:
    """Git's own folder of the worktree at `root`; None where there is none."""
    place = root / ".git"
    if place.is_dir():
        return place
    try:
        text = place.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None
    return (root / text.removeprefix("gitdir:").strip()).resolve()


def _added(now: Iterable[Comment], before: Sequence[str]) -> list[Comment]:
    """Comments whose words stand there more often than before."""
    left = list(before)
    added = []
    for comment in now:
        if comment.words in left:
            left.remove(comment.words)
        else:
            added.append(comment)
    return added


def _state(target: Path) -> tuple[int, int] | None:
    """Time and size of a regular file that is not too large; None for anything else, also a link."""
    try:
        status = target.lstat()
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_BYTES:
        return None
    return status.st_mtime_ns, status.st_size


def _text(target: Path) -> str:
    """A file as text, without following a link; empty where it cannot be read."""
    try:
        descriptor = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            return stream.read(_LARGEST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
