"""Remembers the state of the files in which most tests passed, to go back to it when stuck."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from sandbox.host.children import in_thread
from sandbox.verdict.report import RunStatus, TestReport


class Checkpoints(Protocol):
    """Records and restores states of the files; all calls block."""

    def snapshot(self, label: str) -> str: ...

    def will_write(self, target: Path, content: bytes | None = None) -> None: ...

    def restore(self, state: str, *, only: Collection[str]) -> object: ...


class BestState:
    """The best state that the tests have seen in one turn, of the files that the turn wrote.

    `read` gives the present text of a file: what somebody else changed meanwhile is theirs.
    """

    def __init__(self, checkpoints: Checkpoints | None, read: Callable[[str], str | None]) -> None:
        self._checkpoints = checkpoints
        self._read = read
        self._written: dict[str, str] = {}
        self._best: tuple[int, str] | None = None
        self._now: int | None = None

    async def will_write(self, target: Path, content: bytes) -> None:
        """A file is about to be written: what is there now must be held first.

        Raises:
            WorkspaceError: If it cannot be.
        """
        if self._checkpoints is not None:
            await asyncio.to_thread(self._checkpoints.will_write, target, content)

    def edited(self, path: str, text: str) -> None:
        """A file was written: what the tests say about it is not known."""
        self._now = None
        self._written[path] = text

    async def judged(self, report: TestReport) -> None:
        """The tests ran on the files as they are now.

        Raises:
            WorkspaceError: If the state cannot be recorded.
        """
        if self._checkpoints is None:
            return
        # A run that did not come to its end counts as one in which nothing passed.
        passed = len(report.passed_ids) if report.status is RunStatus.COMPLETE else 0
        self._now = passed
        if self._best is None or passed > self._best[0]:
            label = f"{passed} tests pass"
            self._best = passed, await in_thread(self._checkpoints.snapshot, label)

    async def go_back(self) -> str:
        """Restore the best state if the tests say that the present one is worse; what was done.

        Raises:
            WorkspaceError: If it cannot be restored.
        """
        if self._checkpoints is None or self._best is None or self._now is None:
            return ""
        passed, state = self._best
        if self._now >= passed:
            return ""
        others = [path for path, text in self._written.items() if self._read(path) != text]
        if others:
            return f"{others[0]} was changed meanwhile, so nothing was put back"
        await asyncio.to_thread(self._checkpoints.restore, state, only=tuple(self._written))
        return f"the files are back in the best state of this turn ({passed} tests pass)"
