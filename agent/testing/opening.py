"""Prepares a project for runs of its tests: engine, image, questions to the person, box, ledger."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path

from agent.approval import Approver, ModeApprover, Question
from agent.session.runs import ledger_path
from agent.settings.schema import SandboxSettings
from agent.testing.entering import Source, ask_to_mask, project_files
from agent.testing.project import ProjectTests, Say
from agent.workspace.workspace import Workspace
from sandbox.box.accounting import AccountedSandbox
from sandbox.box.contract import Limits, NeedsNetworkError
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.engine import check_runtime, engine_url
from sandbox.box.ledger import RunLedger
from sandbox.box.leftovers import reaping
from sandbox.files.ignored import staying_out
from sandbox.files.leaving_out import missed
from sandbox.host.children import in_thread
from sandbox.images.base import ensure_base
from sandbox.images.foreign import fit, missing_compiler
from sandbox.images.image import Image
from sandbox.images.layers import ensure_project_image
from sandbox.images.pruning import sweep_layers
from sandbox.images.pythons import check_python
from sandbox.project.detection import Project, aimed, detect
from sandbox.project.focus import WHOLE, Focus

_MOST_QUESTIONS = 20
_NETWORK_BUILD = (
    "Its build failed without a network. With one it can fetch and send anything; it runs in a box "
    "of its own that never holds your project's files."
)
_NOBODY = ModeApprover("ask")


@asynccontextmanager
async def open_project(
    workspace: Workspace,
    *,
    settings: SandboxSettings,
    state_dir: Path,
    session: str,
    command: str | None = None,
    focus: Focus = WHOLE,
    say: Say = lambda _: None,
    approver: Approver = _NOBODY,
) -> AsyncIterator[ProjectTests]:
    """Prepare everything that running this project's tests needs; slow only the first time.

    `state_dir` holds the locks of living sessions and the cache of wheels. `say` is called from a
    worker thread with one line per step. `approver` is asked before a dependency is built with a
    network.

    Raises:
        SandboxError: If there is no engine, no image, or a dependency cannot be had.
    """
    async with reaping(state_dir):
        maskable = await _maskable(workspace, settings, approver)
        project, image = await prepare(
            workspace,
            settings=settings,
            state_dir=state_dir,
            command=command,
            focus=focus,
            maskable=maskable,
            say=say,
            approver=approver,
        )
        async with DockerSandbox(
            image.id, session=session, lock_dir=state_dir, runtime=settings.runtime
        ) as sandbox:
            with RunLedger(ledger_path(state_dir)) as ledger:
                await in_thread(ledger.settle, state_dir)
                yield ProjectTests(
                    source=Source(
                        root=workspace.root,
                        workspace=workspace,
                        maskable=maskable,
                        include=settings.include,
                    ),
                    repository=workspace.root,
                    sandbox=AccountedSandbox(
                        sandbox, ledger, session=session, project=str(workspace.root)
                    ),
                    project=project,
                    limits=limits_of(settings),
                    image_id=image.id,
                    image_recipe=image.key,
                )


async def prepare(
    workspace: Workspace,
    *,
    settings: SandboxSettings,
    state_dir: Path,
    command: str | None = None,
    focus: Focus = WHOLE,
    maskable: Collection[str] | None = frozenset(),
    say: Say = lambda _: None,
    approver: Approver = _NOBODY,
) -> tuple[Project, Image]:
    """Find out how the project is tested, and make the image that this takes, as `open_project`.

    Raises:
        SandboxError: If there is no engine, no image, or a dependency cannot be had.
    """
    await in_thread(check_runtime, settings.runtime)
    project = await in_thread(
        detect, workspace.root / focus.folder, command=command, within=workspace.root
    )
    project = aimed(project, workspace.root, focus.targets)
    entering = await in_thread(
        project_files, workspace, maskable=maskable, include=settings.include
    )
    for refusal in entering.refused:
        say(f"{refusal.path} does not enter the sandbox: {refusal.reason}")
    if note := staying_out(entering.ignored):
        say(note)
    for reason in project.skipped:
        say(reason)
    base = await in_thread(
        ensure_base, source=settings.image, apt_packages=settings.apt_packages, on_progress=say
    )
    if not project.tools:
        check_python(project.root, base)
    project = await in_thread(fit, project, base, url=engine_url())
    if note := await in_thread(missing_compiler, project, base, url=engine_url()):
        say(note)
    layers = _Layers(base, project, settings, state_dir / "wheels", say)
    return project, await layers.ready(approver)


async def _maskable(
    workspace: Workspace, settings: SandboxSettings, approver: Approver
) -> frozenset[str] | None:
    """The files of which a masked copy may enter; None for all."""
    if settings.mask_secrets:
        return None
    entering = await in_thread(project_files, workspace)
    return await ask_to_mask(approver, missed(entering.refused, entering.files))


class _Layers:
    """Makes the project's image, with a question for each build that wants the network."""

    def __init__(
        self, base: Image, project: Project, settings: SandboxSettings, cache: Path, say: Say
    ) -> None:
        self._base = base
        self._project = project
        self._settings = settings
        self._cache = cache
        self._say = say
        self._allowed: set[str] = set()

    async def ready(self, approver: Approver) -> Image:
        """Return the image; a build that nobody allows ends with the error that names it."""
        for _ in range(_MOST_QUESTIONS):
            try:
                return await in_thread(self._make)
            except NeedsNetworkError as error:
                question = Question(
                    kind="network build", subject=error.build, detail=_NETWORK_BUILD
                )
                if error.build in self._allowed:
                    raise
                if not (await approver.decide(question)).allowed:
                    raise
                self._allowed.add(error.build)
        return await in_thread(self._make)

    def _make(self) -> Image:
        image = ensure_project_image(
            self._base,
            self._project,
            cache=self._cache,
            allow_network=self._may_use_network,
            on_progress=self._say,
        )
        for old in sweep_layers(self._cache, keep_last=self._settings.keep_layers):
            self._say(f"removed the image {old.name}, which was not used for a week or more")
        return image

    def _may_use_network(self, build: str) -> bool:
        return self._settings.allow_network_builds or build in self._allowed


def limits_of(settings: SandboxSettings) -> Limits:
    """The limits of one run, by the user's settings."""
    return Limits(
        timeout_s=settings.timeout_s,
        test_s=settings.test_s,
        memory_mib=settings.memory_mib,
        cpus=settings.cpus,
        pids=settings.pids,
    )
