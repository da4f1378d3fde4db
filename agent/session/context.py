"""The one value that says what a session is about: the repository, its settings, and its state."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.approval import Mode
from agent.library.place import Library
from agent.paths import Paths, RepositoryPaths
from agent.settings.commands import NO_COMMANDS, WrittenCommands
from agent.settings.load import Loaded
from agent.settings.schema import Settings
from sandbox.project.focus import WHOLE, Focus


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Everything that commands and sessions about one repository need."""

    root: Path
    loaded: Loaded
    paths: Paths
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    launcher: Sequence[str] = ()
    """Command line that starts elagent in a subprocess."""
    instructions: str = ""
    """The project's own words for agents (AGENTS.md); empty while it is not trusted."""
    commands: WrittenCommands = NO_COMMANDS
    """The commands that the person, or a trusted project, wrote."""
    resume: str | None = None
    """The session to go on with."""
    mode: Mode = "auto"
    """The approval mode in which the session begins."""
    commit: bool = False
    """True if each accepted turn becomes a commit."""
    hooks: bool = False
    """True if git hooks shall run then; the person is asked."""
    focus: Focus = WHOLE
    """The project of the repository whose tests are meant, and which of them."""

    @property
    def settings(self) -> Settings:
        """The values of all settings, without their origins."""
        return self.loaded.settings

    @property
    def repository(self) -> RepositoryPaths:
        """Folder that keeps the state of this repository."""
        return self.paths.repository(self.root)

    @property
    def library(self) -> Library:
        """The experiences and adapters of this repository."""
        model = self.settings.model.name
        return Library(repository=self.repository, models=self.paths.models, model=model)

    def with_settings(self, settings: Settings) -> Context:
        """The same session with other settings."""
        return replace(self, loaded=replace(self.loaded, settings=settings))
