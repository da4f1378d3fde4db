"""A shell in a box on the terminal of the person, beside a copy of the project's files."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from agent.approval import Approver
from agent.paths import Paths, make_private
from agent.settings.schema import SandboxSettings
from agent.stages import PREPARING_SANDBOX
from agent.testing.entering import project_files
from agent.testing.opening import limits_of, prepare
from agent.workspace.workspace import Workspace
from sandbox.box.terminal import run_shell

_SHELL_S = 8 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedShell:
    """A shell that can be started."""

    image: str
    files: int
    """Number of files in the copy."""
    run: Callable[[], int]
    """Runs the shell to its end and returns its exit code; takes over the terminal."""


async def open_shell(
    root: Path,
    *,
    settings: SandboxSettings,
    paths: Paths,
    environ: Mapping[str, str],
    say: Callable[[str], None],
    approver: Approver,
) -> PreparedShell:
    """Make the image and the copy of the files that a shell needs.

    Raises:
        SandboxError: If there is no engine or no image.
    """
    repository = paths.repository(root)
    workspace = Workspace(root, repository.shadow_git, environ=environ, excluded=(paths.home,))
    state_dir = make_private(paths.sandbox)
    say(PREPARING_SANDBOX)
    _, image = await prepare(
        workspace, settings=settings, state_dir=state_dir, say=say, approver=approver
    )
    files = project_files(workspace, include=settings.include).files

    def run() -> int:
        return run_shell(
            image.id,
            files,
            limits=replace(limits_of(settings), timeout_s=_SHELL_S),
            session=f"shell-{os.getpid()}",
            lock_dir=state_dir,
            runtime=settings.runtime,
        )

    return PreparedShell(image=image.name, files=len(files), run=run)
