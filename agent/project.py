"""A project that is ready to have its tests run: image, box and files put together.

The only place where the workspace (which files) meets the sandbox (where they run).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from agent.settings.schema import SandboxSettings
from agent.workspace.workspace import Workspace
from sandbox.box import DockerSandbox
from sandbox.contract import Execution, Job, Limits, Sandbox, SourceFile
from sandbox.image import Image, ensure_base
from sandbox.layers import ensure_project_image
from sandbox.leftovers import remove_leftovers
from sandbox.project import Project, detect
from sandbox.report import TestReport, TestResult
from sandbox.suite import run_tests
from sandbox.transfer import Refusal, collect_files

MAX_PROJECT_BYTES = 256 * 2**20
Say = Callable[[str], None]


class ProjectTests:
    """Runs the tests, or one command, on the files as they are now. Implements `TestRunner`."""

    def __init__(
        self, *, workspace: Workspace, sandbox: Sandbox, project: Project, limits: Limits
    ) -> None:
        self._workspace = workspace
        self._sandbox = sandbox
        self._project = project
        self._limits = limits

    async def run(
        self,
        *,
        only: Sequence[str] = (),
        on_output: Callable[[bytes], None] | None = None,
        on_result: Callable[[TestResult], None] | None = None,
    ) -> TestReport:
        """Run all tests, or only those with these ids, in a fresh box.

        Raises:
            SandboxError: If no answer can be given.
        """
        files, _ = await asyncio.to_thread(project_files, self._workspace)
        return await run_tests(
            self._sandbox,
            self._project,
            files,
            limits=self._limits,
            only=only,
            on_output=on_output,
            on_result=on_result,
        )

    async def run_command(
        self, command: str, *, on_output: Callable[[bytes], None] | None = None
    ) -> Execution:
        """Run one shell command in a fresh box that holds the project's files.

        Raises:
            SandboxError: If no answer can be given.
        """
        files, _ = await asyncio.to_thread(project_files, self._workspace)
        job = Job(argv=["sh", "-c", command], files=files, limits=self._limits)
        return await self._sandbox.run(job, on_output=on_output)


def project_files(workspace: Workspace) -> tuple[list[SourceFile], list[Refusal]]:
    """What is copied into the box, and what is not with the reason."""
    return collect_files(workspace.root, workspace.list_files(), max_bytes=MAX_PROJECT_BYTES)


@asynccontextmanager
async def open_project(
    workspace: Workspace,
    *,
    settings: SandboxSettings,
    state_dir: Path,
    session: str,
    command: str | None = None,
    say: Say = lambda _: None,
) -> AsyncIterator[ProjectTests]:
    """Prepare everything that running this project's tests needs; slow only the first time.

    `state_dir` holds the locks of living sessions and the cache of wheels. `say` is called from a
    worker thread with one line per step.

    Raises:
        SandboxError: If there is no engine, no image, or a dependency cannot be had.
    """
    await asyncio.to_thread(remove_leftovers, state_dir)
    project = await asyncio.to_thread(detect, workspace.root, command=command)
    _, refused = await asyncio.to_thread(project_files, workspace)
    for refusal in refused:
        say(f"{refusal.path} does not enter the sandbox: {refusal.reason}")
    image = await asyncio.to_thread(_project_image, project, settings, state_dir / "wheels", say)
    async with DockerSandbox(
        image.id, session=session, lock_dir=state_dir, runtime=settings.runtime
    ) as sandbox:
        yield ProjectTests(
            workspace=workspace, sandbox=sandbox, project=project, limits=limits_of(settings)
        )


def _project_image(
    project: Project, settings: SandboxSettings, wheel_cache: Path, say: Say
) -> Image:
    base = ensure_base(source=settings.image, on_progress=say)
    return ensure_project_image(
        base,
        project,
        cache=wheel_cache,
        allow_network=settings.allow_network_builds,
        on_progress=say,
    )


def limits_of(settings: SandboxSettings) -> Limits:
    """What one run may use, by the user's settings."""
    return Limits(
        timeout_s=settings.timeout_s,
        memory_mib=settings.memory_mib,
        cpus=settings.cpus,
        pids=settings.pids,
    )
