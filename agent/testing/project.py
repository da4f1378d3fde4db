"""The tests of a project, ready to run: where the files come from meets where they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from agent.advice.environment import Environment
from agent.testing.entering import Source, with_gaps
from agent.testing.verified import VerifiedTests
from sandbox.box.contract import Execution, Limits, Sandbox, SourceFile, TransferError
from sandbox.host.children import in_thread
from sandbox.project.detection import Project
from sandbox.search.trying import try_changes
from sandbox.search.values import ChangeTrial, Searched, UsualRun
from sandbox.verdict.jobs import command_job
from sandbox.verdict.lacking import told_apart
from sandbox.verdict.report import TestReport, TestResult

Say = Callable[[str], None]


class ProjectTests:
    """Runs the tests of a project, or one command, in boxes. Implements `TestRunner`.

    Its `source` says where the files come from; runs differ in nothing else.
    """

    def __init__(
        self,
        *,
        source: Source,
        repository: Path,
        sandbox: Sandbox,
        project: Project,
        limits: Limits,
        image_id: str = "",
        image_recipe: str = "",
        verified: VerifiedTests | None = None,
    ) -> None:
        """`repository` has the commits; `image_recipe` decides what is in the image; with `verified` what earlier runs showed is known here."""
        self._source = source
        self._repository = repository
        self._sandbox = sandbox
        self._project = project
        self._limits = limits
        self._image_id = image_id
        self._image_recipe = image_recipe or image_id
        self._verified = verified or VerifiedTests(
            root=repository,
            sandbox=sandbox,
            project=project,
            limits=limits,
            commit=source.commit,
        )

    @property
    def image_id(self) -> str:
        """The image in which the tests run."""
        return self._image_id

    @property
    def image_recipe(self) -> str:
        """The text that decides what is in that image: the same on two machines whose images have other ids."""
        return self._image_recipe

    @property
    def sandbox(self) -> Sandbox:
        """The boxes in which the tests run, with the project's dependencies installed."""
        return self._sandbox

    @property
    def folder(self) -> str:
        """The project's top folder, relative to the repository; empty if it is the repository's own."""
        return self._project.folder

    @property
    def requirements(self) -> tuple[str, ...]:
        """The project's own requirement lines."""
        return tuple(self._project.requirements)

    def environment(self, cache: Path, *, say: Say = lambda _: None) -> Environment:
        """The libraries of the box, to be asked questions; answers are remembered in `cache`."""
        return Environment(self._sandbox, image=self._image_id, cache=cache, say=say)

    def on_copy(self, copy: Path) -> ProjectTests:
        """The same tests on a copy of the project; no masked file enters unless it was copied."""
        return self._reading(replace(self._source, root=copy, maskable=frozenset()))

    def at_commit(self, commit: str, folder: Path) -> ProjectTests:
        """The tests as they are in a commit whose files are in `folder`, on what is there now.

        The dependencies are those of the project as it is today.
        """
        return self._reading(Source(root=folder, commit=commit))

    def _reading(self, source: Source) -> ProjectTests:
        """The same project with files from elsewhere; another commit has a memory of its own."""
        return ProjectTests(
            source=source,
            repository=self._repository,
            sandbox=self._sandbox,
            project=self._project,
            limits=self._limits,
            image_id=self._image_id,
            image_recipe=self._image_recipe,
            verified=self._verified if source.commit == self._source.commit else None,
        )

    async def run(
        self,
        *,
        only: Sequence[str] = (),
        on_output: Callable[[bytes], None] | None = None,
        on_result: Callable[[TestResult], None] | None = None,
        on_entered: Callable[[], object] = lambda: None,
    ) -> TestReport:
        """Run all tests, or only those with these ids, in a fresh box.

        `on_entered` is called once the files are read: what is written later is not tested.

        Raises:
            SandboxError: If no answer can be given.
        """
        entering = await in_thread(self._source.entering)
        on_entered()
        report = await self._verified.run(
            entering.files,
            only=only,
            on_output=on_output,
            on_result=None if on_result is None else lambda item: on_result(told_apart(item)),
        )
        return with_gaps(report, entering, folder=self._project.folder)

    async def try_changes(
        self,
        trials: Sequence[ChangeTrial],
        *,
        red: Sequence[str],
        known_red: Sequence[str],
        budget_s: float,
        beside: Sequence[str] = (),
        endless: Sequence[str] = (),
        trace: bool = False,
        enough: int = 3,
        usual: UsualRun | None = None,
    ) -> Searched:
        """See `agent.fixing.search.ChangeTester.try_changes`."""
        entering = await in_thread(self._source.entering)
        return await try_changes(
            self._sandbox,
            self._project,
            entering.files,
            trials,
            red=red,
            known_red=known_red,
            limits=self._limits,
            budget_s=budget_s,
            beside=beside,
            endless=endless,
            trace=trace,
            enough=enough,
            usual=usual,
        )

    async def run_command(
        self,
        command: str | Sequence[str],
        *,
        on_output: Callable[[bytes], None] | None = None,
        collect: Sequence[str] = (),
        instead: Sequence[SourceFile] = (),
    ) -> Execution:
        """Run a command in a fresh box as the tests would run: a shell's text, or its arguments.

        Files named in `collect` come back with the execution, as bytes; those of `instead` take the
        place of files of the project.

        Raises:
            SandboxError: If no answer can be given, or a masked copy is to come back.
        """
        entering = await in_thread(self._source.entering)
        if masked := next((path for path in collect if path in entering.masked), None):
            raise TransferError(
                f"{masked} cannot come back: placeholders stand for its secrets in the sandbox"
            )
        taken = {file.path for file in instead}
        files = [*(file for file in entering.files if file.path not in taken), *instead]
        job = command_job(self._project, files, command, limits=self._limits)
        return await self._sandbox.run(replace(job, collect=collect), on_output=on_output)
