"""Decides the files of a folder that a snapshot holds, and those that it leaves out.

A snapshot holds the files that git tracks or would add, also in submodules and other repositories
inside, and the ignored files that `agent.workspace.ignored` keeps.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from agent.errors import WorkspaceError
from agent.workspace.ignored import LARGE, KeptIgnored
from agent.workspace.safegit import Git, excludes_file, user_git
from agent.workspace.worktree import Tree, is_leftover

_MAX_NESTED_FILES = 20_000
_DEEPEST_NESTING = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Covered:
    """Files that a snapshot of one moment holds and leaves out."""

    files: frozenset[bytes]
    ignored: frozenset[bytes]
    """Held files that the rules of git ignore."""
    left_out: Mapping[bytes, str]
    """Files, each with a stamp that changes when it does; folders, whose names end with a slash,
    with a reason. An empty text stands for caches."""
    leftovers: frozenset[bytes]
    """Temporary files of killed processes."""


@dataclass(slots=True, kw_only=True)
class _Found:
    kept: KeptIgnored
    files: set[bytes] = field(default_factory=set)
    leftovers: set[bytes] = field(default_factory=set)


class Coverage:
    """Lists the files of this folder and of the repositories inside it, with git.

    Use one object for one question: it caches the user's configuration.
    """

    def __init__(
        self, tree: Tree, shadow: Git, environ: Mapping[str, str], *, excluded: Sequence[Path]
    ) -> None:
        self._tree = tree
        self._environ = environ
        self._excluded = _inside(tree.root, excluded)
        # With our own index, ignored files that it holds would count as tracked.
        no_index = f"{shadow.env['GIT_DIR']}/no-index"
        self._shadow = replace(shadow, env={**shadow.env, "GIT_INDEX_FILE": no_index})

    def listed(self) -> set[bytes]:
        """The project's own files: tracked, or untracked and not ignored."""
        names = self._names(b"", self._git(), "-co")
        return self._tree.covered(path for path in names if not is_leftover(path))

    def ignored(self, patterns: Sequence[str]) -> set[bytes]:
        """The ignored files of the repository that git's glob patterns match, wherever they are."""
        specs = [f":(glob){pattern}" for pattern in patterns]
        names = self._names(b"", self._git(), "-oi", paths=specs) if specs else []
        return self._tree.covered(path for path in names if not is_leftover(path))

    def now(self) -> Covered:
        """The coverage of a snapshot at this moment."""
        found = _Found(kept=KeptIgnored(tree=self._tree, excluded=self._excluded))
        self._look_into(b"", self._git(), found, depth=0)
        ignored = self._tree.covered(found.kept.files - found.files)
        return Covered(
            files=frozenset(found.files | ignored),
            ignored=frozenset(ignored),
            left_out=found.kept.left_out,
            leftovers=frozenset(found.leftovers),
        )

    def _look_into(self, prefix: bytes, git: Git, found: _Found, *, depth: int) -> None:
        """Add the files of one repository or folder, and of the repositories inside it."""
        listed = self._names(prefix, git, "-co")
        if depth and len(listed) > _MAX_NESTED_FILES:
            found.kept.left_out[prefix] = LARGE
            return
        present = self._tree.covered(listed)
        leftovers = set(filter(is_leftover, present))
        found.files |= present - leftovers
        found.leftovers |= leftovers
        for path in self._names(prefix, git, "-oi", "--directory"):
            found.kept.add(path)
        others = (path.rstrip(b"/") for path in listed if path not in present)
        for folder in sorted(self._tree.folders(others)):
            inner = folder + b"/"
            own = self._repository(inner) if depth < _DEEPEST_NESTING else None
            if own is not None:
                self._look_into(inner, own, found, depth=depth + 1)
            else:  # a submodule that was not fetched: git has no opinion on what is in it
                found.kept.add(inner)

    def _names(
        self, prefix: bytes, git: Git, *which: str, paths: Sequence[str] = ()
    ) -> list[bytes]:
        """File names of the kinds `which`, limited to the patterns in `paths` if there are any."""
        said = git.run("ls-files", *which, "--exclude-standard", "-z", "--", *paths)
        names = said.split(b"\0")[:-1]
        found = (prefix + name for name in names)
        return [path for path in found if not path.startswith(self._excluded)]

    def _repository(self, folder: bytes) -> Git | None:
        """The git of a repository inside ours; None if there is none that can be read."""
        place = Path(os.fsdecode(self._tree.place(folder)))
        if not os.path.lexists(place / ".git"):
            return None
        git = user_git(place, self._environ)
        # Its own configuration could name another folder as its worktree.
        git = self._with_excludes(replace(git, env={**git.env, "GIT_WORK_TREE": str(place)}))
        return None if git.attempt("rev-parse", "--is-inside-work-tree").returncode else git

    def _git(self) -> Git:
        """The git that lists the files: the user's, or ours where there is none."""
        root = self._tree.root
        git = user_git(root, self._environ)
        inside = git.attempt("rev-parse", "--is-inside-work-tree")
        if inside.returncode != 0:
            _refuse_broken(inside.stderr, root)
            return self._shadow
        # A folder that its repository ignores as a whole would look empty.
        if git.attempt("check-ignore", "-q", "--", str(root)).returncode == 0:
            return self._shadow
        return self._with_excludes(git)

    def _with_excludes(self, git: Git) -> Git:
        return replace(git, options=(*git.options, f"core.excludesFile={self._excludes}"))

    @cached_property
    def _excludes(self) -> str:
        return excludes_file(self._environ) or "/dev/null"


def _inside(root: Path, folders: Sequence[Path]) -> tuple[bytes, ...]:
    resolved = [folder.resolve() for folder in folders]
    inside = [folder.relative_to(root) for folder in resolved if folder.is_relative_to(root)]
    return tuple(os.fsencode(folder) + b"/" for folder in inside)


def _refuse_broken(stderr: bytes, root: Path) -> None:
    reason = stderr.decode("utf-8", "backslashreplace").strip()
    if "not a git repository" not in reason:
        raise WorkspaceError(f"git cannot read the repository at {root}: {reason}")
