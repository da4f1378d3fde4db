"""The files of a commit in a folder of their own, where tasks are made and tried."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agent.editing.source_files import SourceFileError, resolve_inside
from agent.errors import WorkspaceError
from agent.fixing.verify import TestRunner
from agent.workspace.committed import read_commit
from agent.workspace.safegit import user_git
from sandbox.host.children import in_thread
from sandbox.verdict.pristine import Pristine

_MOST_BYTES = 256 * 2**20


class Runners(Protocol):
    """Gives test runners for commits; `agent.testing.project.ProjectTests` implements it."""

    def at_commit(self, commit: str, folder: Path) -> TestRunner: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitTree:
    """A commit's files on disk, with the runner of its tests."""

    commit: str
    folder: Path
    files: Sequence[str]
    runner: TestRunner

    @contextmanager
    def instead(self, path: str, text: str) -> Iterator[None]:
        """Another text in place of one file; afterwards it is as the commit has it."""
        place = self.folder / path
        original = place.read_bytes()
        place.write_text(text, encoding="utf-8")
        try:
            yield
        finally:
            place.write_bytes(original)

    def read(self, path: str) -> str:
        """A file as it is now, with Unix line ends."""
        return (self.folder / path).read_text(encoding="utf-8", errors="replace")


class CommitTrees:
    """Writes commits to disk, one at a time; a repeated request for the same commit is free."""

    def __init__(
        self, root: Path, environ: Mapping[str, str], runners: Runners, folder: Path
    ) -> None:
        self._root = root
        self._environ = environ
        self._runners = runners
        self._folder = folder
        self._now: CommitTree | None = None

    async def at(self, commit: str) -> CommitTree:
        """The commit's files.

        Raises:
            WorkspaceError: If the commit is not there (any more).
        """
        if self._now is None or self._now.commit != commit:
            self._now = None
            place = self._folder / "tree"
            names = await in_thread(self._write, commit, place)
            runner = self._runners.at_commit(commit, place)
            self._now = CommitTree(commit=commit, folder=place, files=names, runner=runner)
        return self._now

    def _write(self, commit: str, place: Path) -> Sequence[str]:
        state = read_commit(self._root, self._environ, commit=commit)
        if state is None:
            raise WorkspaceError(f"the commit {commit[:12]} is not in {self._root} any more")
        if place.exists():
            shutil.rmtree(place)
        place.mkdir(parents=True)
        size = 0
        targets = dict(_targets(place, state))
        blobs = user_git(self._root, self._environ).blobs(state.hashes[name] for name in targets)
        for target, content in zip(targets.values(), blobs, strict=True):
            size += len(content)
            if size > _MOST_BYTES:
                raise WorkspaceError(f"the commit {commit[:12]} is too large to be tried")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        return list(targets)


def _targets(place: Path, state: Pristine) -> Iterator[tuple[str, Path]]:
    """Names and target paths of the files that may enter a box."""
    for name in sorted(state.hashes):
        with suppress(SourceFileError):
            yield name, resolve_inside(place, name)


@asynccontextmanager
async def open_trees(
    root: Path, environ: Mapping[str, str], runners: Runners
) -> AsyncIterator[CommitTrees]:
    """A temporary folder for commits, removed at the end of the context."""
    with tempfile.TemporaryDirectory(prefix="elagent-history-") as folder:
        yield CommitTrees(root, environ, runners, Path(folder))
