"""Makes one commit on the user's branch for one accepted turn, with none of the user's own changes.

Hooks, filters, signing programs and editors run on the host, so they are switched off unless the
person allowed the hooks; then the user's own git commits with the user's own configuration. Staged
changes stay staged. Calls block; a commit that would have to guess is refused.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from agent.errors import WorkspaceError
from agent.workspace.dirtiness import without_filters
from agent.workspace.safegit import Git, user_git

_HOOKS = (
    *("pre-commit", "prepare-commit-msg", "commit-msg", "post-commit"),
    *("post-index-change", "reference-transaction", "pre-auto-gc"),
)
_UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
_SUBJECT_LENGTH = 72
_SAFE = ("commit.gpgSign=false", "commit.template=", "core.editor=true", "commit.cleanup=verbatim")
_PATHS = ("--pathspec-from-file=-", "--pathspec-file-nul")


class Committer:
    """Makes commits in one git repository of the user."""

    def __init__(self, root: Path, environ: Mapping[str, str]) -> None:
        self.root = root
        self._environ = environ
        self._git = user_git(root, environ)

    def uncommitted(self) -> frozenset[str]:
        """The paths that differ from the last commit, untracked ones included.

        Raises:
            WorkspaceError: If this is no git repository on a branch that a commit can go to.
        """
        self._require_branch()
        git = without_filters(self._git)
        flags = ("--porcelain", "-z", "--no-renames", "--ignore-submodules=all", "-uall")
        listed = git.run("status", *flags).split(b"\0")
        return frozenset(os.fsdecode(line[3:]) for line in listed if line)

    def hooks(self) -> tuple[str, ...]:
        """The hooks that a commit by the user's own git would run."""
        folder = self._users_git().run("rev-parse", "--git-path", "hooks").decode().strip()
        place = self.root / folder
        return tuple(
            str(place / name)
            for name in _HOOKS
            if (place / name).is_file() and os.access(place / name, os.X_OK)
        )

    def state_of_hooks(self) -> tuple[tuple[str, str], ...]:
        """Path and SHA-256 of each hook: a permission holds for these and no others."""
        return tuple(
            (path, hashlib.sha256(Path(path).read_bytes()).hexdigest()) for path in self.hooks()
        )

    def commit(
        self,
        paths: Sequence[str],
        message: str,
        *,
        not_ours: Collection[str] = (),
        with_hooks: bool = False,
    ) -> str:
        """Commit these paths as they are now and nothing else; gives the short id.

        `not_ours` had uncommitted changes before the turn: they cannot be told apart from it.

        Raises:
            WorkspaceError: If it would have to guess, or git refuses; nothing is staged then.
        """
        self._require_branch()
        if mixed := sorted(set(paths) & set(not_ours)):
            raise WorkspaceError(
                f"not committed: {mixed[0]} had changes of your own before the turn; "
                "commit or stash them first"
            )
        if not with_hooks and (filtered := self._filtered(paths)):
            raise WorkspaceError(
                f"not committed: {filtered} goes through a filter (.gitattributes), which would "
                "run a program; commit it yourself"
            )
        git = self._users_git() if with_hooks else self._safe_git()
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        new = self._untracked(paths)
        new_names = b"".join(os.fsencode(path) + b"\0" for path in new)
        if new:
            self._git.run("add", "--intent-to-add", *_PATHS, stdin=new_names)
        try:
            git.run("commit", "--only", "--quiet", "-m", message, *_PATHS, stdin=names)
        except WorkspaceError:
            if new:
                self._git.attempt("rm", "--cached", "--quiet", *_PATHS, stdin=new_names)
            raise
        return self._git.run("rev-parse", "--short", "HEAD").decode().strip()

    def _require_branch(self) -> None:
        if self._git.attempt("symbolic-ref", "-q", "HEAD").returncode != 0:
            raise WorkspaceError(
                f"{self.root} is no git repository on a branch; --commit needs one"
            )
        for name in _UNFINISHED:
            place = self._git.run("rev-parse", "--git-path", name).decode().strip()
            if (self.root / place).exists():
                raise WorkspaceError(
                    f"git is in the middle of something in {self.root} ({name}); finish it first"
                )

    def _filtered(self, paths: Sequence[str]) -> str:
        names = b"".join(os.fsencode(path) + b"\0" for path in paths)
        found = self._git.run("check-attr", "-z", "--stdin", "filter", stdin=names).split(b"\0")
        rows = zip(found[0::3], found[2::3], strict=False)
        return next(
            (os.fsdecode(path) for path, value in rows if value not in (b"unspecified", b"unset")),
            "",
        )

    def _untracked(self, paths: Sequence[str]) -> list[str]:
        tracked = set(self._git.run("ls-files", "-z").split(b"\0"))
        return [
            path
            for path in paths
            if os.fsencode(path) not in tracked and os.path.lexists(self.root / path)
        ]

    def _users_git(self) -> Git:
        """The user's own git, with hooks and configuration; only after the person allowed it."""
        env = {name: value for name, value in self._environ.items() if not name.startswith("GIT_")}
        return Git(cwd=self.root, env={**env, "GIT_LITERAL_PATHSPECS": "1"}, options=())

    def _safe_git(self) -> Git:
        git = without_filters(self._git)
        env = {**git.env, **self._identity(), "GIT_LITERAL_PATHSPECS": "1"}
        return replace(git, env=env, options=(*git.options, *_SAFE))

    def _identity(self) -> dict[str, str]:
        """Name and address of the user, read from configuration, which executes nothing."""
        reader = self._users_git()
        known = {}
        for role in ("AUTHOR", "COMMITTER"):
            for field in ("name", "email"):
                variable = f"GIT_{role}_{field.upper()}"
                found = reader.attempt("config", "--get", f"user.{field}").stdout
                value = self._environ.get(variable) or found.decode("utf-8", "replace").strip()
                if not value:
                    raise WorkspaceError(
                        f"not committed: git does not know your {field}; "
                        f"set it with: git config user.{field} ..."
                    )
                known[variable] = value
        return known


def commit_message(request: str, *, model: str, adapter: str | None) -> str:
    """The person's request as subject and body, with a trailer that names the model."""
    line = " ".join(request.split()) or "Change by elagent"
    subject = line
    if len(line) > _SUBJECT_LENGTH:
        subject = f"{line[: _SUBJECT_LENGTH - 4].rsplit(' ', 1)[0]} ..."
    body = f"\n\n{request.strip()}" if subject != request.strip() else ""
    who = f"{model}, adapter {adapter}" if adapter else model
    return f"{subject}{body}\n\nAssisted-by: elagent ({who})\n"
