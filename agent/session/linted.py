"""Shows what a project's linters say of the files that a turn changed, and which of it is new."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.events import Notice, StageStarted
from agent.streaming import Emit
from agent.testing.diagnostics import Diagnostic, in_short
from agent.testing.linting import lint, linters_for
from agent.testing.project import ProjectTests
from agent.workspace.workspace import Workspace
from sandbox.box.contract import SandboxError
from sandbox.host.children import in_thread


@dataclass(kw_only=True)
class Linting:
    """The linters of one project, for one turn; they change no file."""

    root: Path
    command: str | None
    """The person's own command; None for what the project configures."""
    workspace: Workspace
    project: Callable[[], Awaitable[ProjectTests]]
    emit: Emit

    async def introduced(self, state: str, paths: Sequence[str]) -> Sequence[Diagnostic] | None:
        """The problems that these files have and did not have in a recorded state.

        Shows all of them in short; says nothing where no tool is configured or in the image. None
        where nothing is known.
        """
        project = await self.project()
        linters = await in_thread(linters_for, self.root / project.folder, self.command)
        if not linters or not paths:
            return None
        self.emit(StageStarted("looking with " + ", ".join(linter.name for linter in linters)))
        old = await in_thread(self.workspace.held, state, paths)
        try:
            linted = await lint(project, linters, paths, old)
        except SandboxError as err:
            self.emit(Notice(f"the changed files were not looked at: {err}", "warning"))
            return None
        for sentence in linted.failed:
            self.emit(Notice(f"the changed files were not looked at: {sentence}", "warning"))
        if not linted.names:
            return None
        self.emit(Notice(in_short(linted.names, linted.found, linted.new)))
        return linted.new
