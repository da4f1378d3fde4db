"""Holds what one turn wrote: which files those are, what the tests say of them, and the way back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.events import EditReverted, Notice, StageStarted
from agent.fixing.sources import Sources
from agent.streaming import Emit
from agent.testing.project import ProjectTests
from agent.turn.checking import named
from agent.turn.conversation import Conversation
from agent.workspace.workspace import Workspace
from sandbox.box.contract import SandboxError
from sandbox.host.children import in_thread
from sandbox.verdict.report import TestReport


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnChange:
    """The files of one turn, and the sandbox and the conversation that belong to them."""

    before: str
    """The state of the files before the turn."""
    root: Path
    workspace: Workspace
    conversation: Conversation
    project: Callable[[], Awaitable[ProjectTests]]
    emit: Emit
    judged: Callable[[TestReport], Awaitable[None]]
    """Keeps what the tests say of the change."""
    put_back: Callable[[], Awaitable[None]]
    """Is told that files are no longer as the model wrote them."""

    async def own(self, *, since: str | None = None) -> list[str]:
        """The files that differ because of this turn, and that nobody else has changed since.

        Those that differ from the state `since`; from the state before the turn, if none is given.
        """
        written = set(await in_thread(self.workspace.written))
        changed = await in_thread(self.workspace.changed, since or self.before)
        return [path for path in changed if path in written]

    async def all(self) -> list[str]:
        """The files that differ from the state before the turn, whoever changed them."""
        return await in_thread(self.workspace.changed, self.before)

    async def sources(self) -> Sources:
        """The files as they are now."""
        return Sources(self.root, await in_thread(self.workspace.list_files))

    async def snapshot(self, why: str) -> str:
        """Record the files as they are now; the name of that state."""
        return await in_thread(self.workspace.snapshot, why)

    async def tests(self, only: Sequence[str] = (), *, whole: int = 0) -> TestReport | None:
        """Run the tests, `only` these of `whole`, or all; None, and that is said, if they cannot run."""
        what = f"those of the {whole} tests that reach the change" if only else "all tests"
        self.emit(StageStarted(f"Running {what}"))
        try:
            return await (await self.project()).run(only=only)
        except SandboxError as err:
            self.emit(Notice(f"The tests could not be run: {err}", "warning"))
            return None

    async def take_back(
        self, wanted: Sequence[str], reason: str, *, state: str | None = None
    ) -> bool:
        """Restore those of the files that are as the turn left them; False if there are none.

        They go back to `state`; to the state before the turn, if none is given.
        """
        own = await self.own(since=state)
        paths = [path for path in wanted if path in own]
        others = set(await self.all()) - set(await self.own())
        if others:
            said = f"{named(sorted(others))}: changed by others meanwhile and left"
            self.emit(Notice(said, "warning"))
        if not paths:
            return False
        await in_thread(self.workspace.restore, state or self.before, only=tuple(paths))
        for path in paths:
            self.emit(EditReverted(path, reason))
        await self.put_back()
        self.conversation.overhear(f"The change of {', '.join(paths)} was taken back: {reason}.")
        return True
