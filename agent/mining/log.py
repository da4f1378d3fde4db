"""Reads the commits of a repository and the functions that each touched; checks nothing out."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.editing.source_files import is_test_path
from agent.errors import WorkspaceError
from agent.mining.functions import small_functions
from agent.workspace.committed import read_commit
from agent.workspace.safegit import user_git
from sandbox.verdict.pristine import Pristine

MOST_COMMITS = 200
MOST_CHARACTERS = 8_000
"""Largest file of a task: the model has to read and rewrite it."""
_FIELDS = 2
_DEFINED = re.compile(r"\bdef (\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit of the first-parent line."""

    id: str
    committed_at: int
    """Seconds since the epoch."""
    parent: str = ""
    """The commit's first parent; empty for the first commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedFunction:
    """A function that a commit touched, with the file before the commit if there was one."""

    commit: Commit
    path: str
    function: str
    source: str
    """The file as the commit has it."""
    text: str
    """The function as the commit has it."""
    older: str | None = None
    """The file as the parent has it."""


def commits(root: Path, environ: Mapping[str, str], *, most: int = MOST_COMMITS) -> list[Commit]:
    """The first-parent commits that touched the folder, the newest first; none without git."""
    git = user_git(root, environ)
    try:
        text = git.run(
            "log", "--first-parent", f"-n{most}", "--format=%H %ct %P", "HEAD", "--", "."
        )
    except WorkspaceError:
        return []
    rows = [line.split() for line in text.decode("ascii").splitlines() if line]
    return [
        Commit(id=row[0], committed_at=int(row[1]), parent=row[2] if len(row) > _FIELDS else "")
        for row in rows
    ]


@dataclass(slots=True)
class RepositoryLog:
    """Reads a repository's commits; caches files by their blob ids."""

    root: Path
    environ: Mapping[str, str]
    _texts: dict[str, str] = field(default_factory=dict)
    _functions: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def candidates(self, commit: Commit) -> list[ChangedFunction]:
        """The small functions that a commit changed, or whose tests it changed, by file."""
        now = read_commit(self.root, self.environ, commit=commit.id)
        if now is None:
            return []
        before = (
            read_commit(self.root, self.environ, commit=commit.parent) if commit.parent else None
        )
        old = before.hashes if before is not None else {}
        changed = {path for path, blob in now.hashes.items() if old.get(path) != blob}
        tested = self._named_by_tests(now, changed)
        paths = [p for p in sorted(now.hashes) if p.endswith(".py") and not is_test_path(p)]
        if not tested:
            paths = [path for path in paths if path in changed]
        self._fetch([now.hashes[path] for path in paths])
        return [
            candidate
            for path in paths
            for candidate in self._in_file(commit, path, now, before, tested)
        ]

    def _in_file(
        self,
        commit: Commit,
        path: str,
        now: Pristine,
        before: Pristine | None,
        tested: frozenset[str],
    ) -> Iterator[ChangedFunction]:
        source = self._text(now, path)
        older = self._text(before, path) if before is not None and path in before.hashes else None
        changed = older != source
        if not changed and tested.isdisjoint(_DEFINED.findall(source)):
            return
        known = self._small(older) if older is not None else {}
        for name, text in self._small(source).items():
            touched = changed and known.get(name) != text
            if touched or name.rpartition(".")[2] in tested:
                yield ChangedFunction(
                    commit=commit,
                    path=path,
                    function=name,
                    source=source,
                    text=text,
                    older=older,
                )

    def _named_by_tests(self, state: Pristine, changed: Collection[str]) -> frozenset[str]:
        """Every word of the tests that a commit changed."""
        paths = [path for path in changed if path.endswith(".py") and is_test_path(path)]
        self._fetch([state.hashes[path] for path in paths])
        return frozenset(w for path in paths for w in re.findall(r"\w+", self._text(state, path)))

    def _small(self, source: str) -> Mapping[str, str]:
        if source not in self._functions:
            fits = 0 < len(source) <= MOST_CHARACTERS
            self._functions[source] = small_functions(source) if fits else {}
        return self._functions[source]

    def _text(self, state: Pristine, path: str) -> str:
        """A file of a commit with Unix line ends; empty if it is not UTF-8."""
        blob = state.hashes[path]
        self._fetch([blob])
        return self._texts[blob]

    def _fetch(self, blobs: Iterable[str]) -> None:
        """Read the stored files that are not cached yet, in one call."""
        new = [blob for blob in dict.fromkeys(blobs) if blob not in self._texts]
        if not new:
            return
        contents = user_git(self.root, self.environ).blobs(new)
        for blob, content in zip(new, contents, strict=True):
            try:
                self._texts[blob] = content.decode("utf-8").replace("\r\n", "\n")
            except UnicodeDecodeError:
                self._texts[blob] = ""
