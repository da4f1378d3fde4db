"""Frames what a session's jobs write: steps of `undo`, the lock, and what the user made of edits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from agent.events import Event, Notice
from agent.fixing.sources import Sources
from agent.session.resources import Resources
from agent.session.rewinding import turn_record
from agent.streaming import Emit
from agent.workspace.editing import editing
from agent.workspace.workspace import Workspace
from learning.experience.redact import redact
from learning.experience.store import StoreError
from sandbox.host.children import in_thread

_T = TypeVar("_T")


@dataclass(kw_only=True, slots=True)
class SessionEdits:
    """The edits of one session in one worktree."""

    root: Path
    workspace: Workspace
    resources: Resources
    write: Callable[[Mapping[str, object]], None] = lambda _: None
    """Appends a record to the session file."""
    state_before: str = ""
    """The state of the files before the last job that may write; empty if it may not."""
    _told_left_out: bool = False

    @asynccontextmanager
    async def step(self, label: str, emit: Emit) -> AsyncIterator[str]:
        """Make one step of `undo` of everything inside; yields the state before.

        Nobody else edits in this worktree meanwhile.
        """
        with editing(self.root):
            turn = self.workspace.turn(label)
            steps = await in_thread(self.workspace.steps)
            before = self.state_before = await in_thread(turn.__enter__)
            self.write(turn_record(redact(label), before, steps[-1] if steps else None))
            self.say_what_is_left_out(emit)
            try:
                yield before
            finally:
                await asyncio.shield(asyncio.to_thread(turn.__exit__, None, None, None))

    async def written(self) -> Sequence[str]:
        """The files that the last job left changed, as `undo` knows it; also after it was stopped.

        Raises:
            WorkspaceError: If the states of the files cannot be read.
        """
        steps = await in_thread(self.workspace.steps)
        if not steps or steps[-1].before != self.state_before:
            return ()
        last = steps[-1]
        return last.only or await in_thread(self.workspace.changed, last.before, last.after)

    def say_what_is_left_out(self, emit: Emit) -> None:
        """Tell once what no snapshot of this session holds."""
        if (said := self.workspace.left_out) and not self._told_left_out:
            self._told_left_out = True
            emit(Notice(said, "warning"))

    async def note_the_users(self, emit: Emit) -> None:
        """Record what the user made of the agent's edits since they were written."""
        if recorder := self.resources.recorded:
            await recorded(emit, recorder.files_are, Sources(self.root, ()).text)


async def recorded(emit: Emit, record: Callable[[_T], Iterable[Event]], what: _T) -> None:
    """Record in a thread, since what is stored is flushed to the disk, and tell of it."""
    try:
        events = await asyncio.to_thread(record, what)
    except StoreError as err:
        emit(Notice(f"this was not recorded: {err}", "warning"))
        return
    for event in events:
        emit(event)
