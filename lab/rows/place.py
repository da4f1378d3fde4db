"""The machine on which rows of results are made: its models, its boxes, and how elagent is started there."""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from agent.paths import Paths, from_environ, make_private
from agent.rounds.trial.program_judge import WarmJudge, open_judge
from agent.settings.schema import ModelSettings, SandboxSettings, is_plain_name
from lab.rows.evaluated_model import EvaluatedModel, open_subject
from sandbox.box.contract import Limits
from sandbox.images.base import ensure_base
from sandbox.images.image import Image
from sandbox.warm.values import BOX_LIMITS


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedModel:
    """The model to ask, as values that mean the same on every machine."""

    settings: ModelSettings
    adapter: tuple[str, Path] | None = None
    """Name and folder of an adapter on this machine."""
    adapter_files: tuple[str, Mapping[str, bytes]] | None = field(default=None, repr=False)
    """Name and files of an adapter that was sent here."""

    def to_send(self) -> Self:
        """The same without the API key, with the adapter's files instead of its folder.

        A path stays a path, from the root: each machine must have the model there.
        """
        name = self.settings.name
        if not is_plain_name(name) and Path(name).expanduser().exists():
            name = str(Path(name).expanduser().resolve())
        settings = replace(self.settings, name=name, api_key=None)
        sent = replace(self, settings=settings, adapter=None)
        if self.adapter is None:
            return sent
        adapter, folder = self.adapter
        files = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        return replace(sent, adapter_files=(adapter, files))


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A machine with its own models and its own container engine."""

    paths: Paths
    launcher: Sequence[str]
    """Command line that starts elagent in a subprocess."""
    environ: Mapping[str, str]
    say: Callable[[str], None] = lambda _text: None

    @classmethod
    def here(cls) -> Self:
        """This machine, as its environment says."""
        from elagent import command

        return cls(paths=from_environ(os.environ), launcher=command(), environ=os.environ)

    @asynccontextmanager
    async def asking(
        self, model: AskedModel, *, served: bool = False
    ) -> AsyncIterator[EvaluatedModel]:
        """The model, ready to be asked; with `served` through elagent's own server.

        Raises:
            ModelError, LearningError: If it cannot be had.
        """
        with ExitStack() as stack:
            adapter = model.adapter
            if model.adapter_files is not None:
                name, files = model.adapter_files
                scratch = tempfile.TemporaryDirectory(prefix="elagent-adapter-")
                adapter = name, _written(Path(stack.enter_context(scratch), "adapter"), files)
            async with self.subject(model.settings, adapter, served=served) as asked:
                yield asked

    def subject(
        self,
        settings: ModelSettings,
        adapter: tuple[str, Path] | None,
        *,
        served: bool = False,
    ) -> AbstractAsyncContextManager[EvaluatedModel]:
        """A model with an adapter of this machine, ready to be asked; see `open_subject`."""
        return open_subject(
            settings,
            paths=self.paths,
            launcher=list(self.launcher),
            environ=self.environ,
            adapter=adapter,
            served=served,
            say=self.say,
        )

    def judging(
        self, image_id: str, *, boxes: int = 1, limits: Limits = BOX_LIMITS
    ) -> AbstractAsyncContextManager[WarmJudge]:
        """The judge of programs in an image, while in the context.

        Raises:
            SandboxError: If there is no engine.
        """
        return open_judge(
            image_id,
            lock_dir=make_private(self.paths.sandbox),
            session=f"eval-{uuid.uuid4().hex[:8]}",
            boxes=boxes,
            limits=limits,
        )

    def base_image(self, settings: SandboxSettings) -> Image:
        """The image in which plain programs are judged, made if it is not there.

        Raises:
            SandboxError: If it cannot be had.
        """
        return ensure_base(source=settings.image, on_progress=self.say)


def _written(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / Path(name).name).write_bytes(content)
    return folder
