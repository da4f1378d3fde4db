"""`--commit`: one commit for each accepted turn, and the one question about hooks."""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.approval import Approver, Question
from agent.errors import WorkspaceError
from agent.events import Notice
from agent.workspace.committing import Committer, commit_message
from sandbox.host.children import in_thread

_HOOKS_RUN = "These hooks would run on this machine, outside of the sandbox:"


@dataclass(kw_only=True)
class Commits:
    """Commits the changes of turns in one session."""

    committer: Committer
    approver: Approver
    hooks: bool = False
    """True if hooks shall run; the person is asked once."""
    allow_host: bool = True
    """True if the person may be asked."""
    _not_ours: frozenset[str] = field(default=frozenset(), init=False)
    _hooks_allowed: tuple[tuple[tuple[str, str], ...], bool] | None = field(
        default=None, init=False
    )

    async def turn_begins(self) -> None:
        """Note the paths with uncommitted changes, so that no commit of ours holds them.

        Raises:
            WorkspaceError: If no commit can be made here.
        """
        self._not_ours = await in_thread(self.committer.uncommitted)

    async def turn_accepted(
        self, request: str, paths: Sequence[str], *, model: str, adapter: str | None
    ) -> Notice | None:
        """Commit a turn's changes; returns a sentence on the result, or nothing without changes.

        Ignored files and files of repositories inside this one are never committed here.
        """
        if paths:
            candidates = await in_thread(self.committer.uncommitted)
            paths = [path for path in paths if path in candidates]
        if not paths:
            return None
        message = commit_message(request, model=model, adapter=adapter)
        with_hooks = self.hooks and await self._ask_about_hooks(paths)
        try:
            commit = await asyncio.to_thread(
                self.committer.commit,
                paths,
                message,
                not_ours=self._not_ours,
                with_hooks=with_hooks,
            )
        except WorkspaceError as err:
            return Notice(str(err), "warning")
        return Notice(f"committed {commit}: {message.splitlines()[0]}")

    async def _ask_about_hooks(self, paths: Sequence[str]) -> bool:
        state = await in_thread(self.committer.state_of_hooks)
        if self._hooks_allowed is None or self._hooks_allowed[0] != state:  # a turn may edit one
            self._hooks_allowed = state, await self._decided(paths)
        return self._hooks_allowed[1]

    async def _decided(self, paths: Sequence[str]) -> bool:
        hooks = await in_thread(self.committer.hooks)
        if not hooks or not self.allow_host:
            return False
        command = shlex.join(["git", "commit", "--only", "-m", "...", "--", *paths])
        detail = "\n".join([_HOOKS_RUN, *hooks])
        question = Question(kind="host command", subject=command, detail=detail)
        return (await self.approver.decide(question)).allowed
