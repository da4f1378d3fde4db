"""The commits of a repository and what each of them touched, read and never checked out."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from agent.editing.source_files import is_test_path
from agent.errors import WorkspaceError
from agent.history.functions import small_functions
from agent.workspace.committed import read_commit
from agent.workspace.safegit import user_git
from sandbox.pristine import Pristine

MOST_COMMITS = 200
MOST_CHARACTERS = 8_000
"""Of a file: the model has to read it and to write it again."""
_FIELDS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit of the first-parent line."""

    id: str
    committed_at: int
    """Seconds since the epoch."""
    parent: str = ""
    """Its first parent; empty for the first commit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A function that a commit touched, and perhaps what it was before."""

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
class History:
    """Reads a repository's commits; what was read once is remembered by its blob id."""

    root: Path
    environ: Mapping[str, str]
    _texts: dict[str, str] = field(default_factory=dict)
    _functions: dict[str, Mapping[str, str]] = field(default_factory=dict)

    def candidates(self, commit: Commit) -> Iterator[Candidate]:
        """The small functions that a commit changed, or whose tests it changed, by file."""
        now = read_commit(self.root, self.environ, commit=commit.id)
        if now is None:
            return
        before = (
            read_commit(self.root, self.environ, commit=commit.parent) if commit.parent else None
        )
        old = before.hashes if before is not None else {}
        changed = {path for path, blob in now.hashes.items() if old.get(path) != blob}
        tested = self._words(now, [path for path in changed if is_test_path(path)])
        for path in sorted(now.hashes):
            if not path.endswith(".py") or is_test_path(path):
                continue
            older = self._text(before, path) if before is not None and path in old else None
            known = self._small(before, path) if older is not None else {}
            for name, text in self._small(now, path).items():
                touched = path in changed and known.get(name) != text
                if touched or name.rpartition(".")[2] in tested:
                    yield Candidate(
                        commit=commit,
                        path=path,
                        function=name,
                        source=self._text(now, path),
                        text=text,
                        older=older,
                    )

    def _words(self, state: Pristine, paths: list[str]) -> frozenset[str]:
        python = [path for path in paths if path.endswith(".py")]
        return frozenset(w for path in python for w in re.findall(r"\w+", self._text(state, path)))

    def _small(self, state: Pristine | None, path: str) -> Mapping[str, str]:
        blob = state.hashes[path] if state is not None else ""
        if blob not in self._functions:
            text = self._text(state, path)
            fits = 0 < len(text) <= MOST_CHARACTERS
            self._functions[blob] = small_functions(text) if fits else {}
        return self._functions[blob]

    def _text(self, state: Pristine | None, path: str) -> str:
        """A file of a commit; empty if it is not UTF-8."""
        if state is None:
            return ""
        blob = state.hashes[path]
        if blob not in self._texts:
            try:
                text = state.read(path).decode("utf-8")
            except UnicodeDecodeError:
                text = ""
            self._texts[blob] = text.replace("\r\n", "\n")
        return self._texts[blob]
