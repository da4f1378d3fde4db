"""Rows of results as work that any machine can do: plain values that say how a row is made.

A run opens its work once on this machine, or on each node of a cluster (`lab.cluster`). The values are
sent there by pickle, so nothing in them is a function inside another, a file or a connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Generic, Protocol

from agent.settings.schema import SandboxSettings
from lab.rows.evaluated_model import EvaluatedModel, our_versions
from lab.rows.place import AskedModel, Place
from learning.evaluation.rows import Key, Row
from learning.evaluation.run import sample_maker
from learning.evaluation.samples import ResultManifest, Sample, SampleKey
from learning.evaluation.task import Task
from learning.records import Sampling
from sandbox.images.image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened(Generic[Key, Row]):
    """Work that was opened: it makes rows, and says on what they depend."""

    manifest: ResultManifest
    make: Callable[[Key], Awaitable[Row]]
    recipe: str = ""
    """Recipe of the image for verdicts: the same on two machines whose images have other ids."""
    at_once: int = 1
    """Number of rows that may be in the making."""


class Work(Protocol[Key, Row]):
    """Makes the rows of one evaluation on the machine where it is opened."""

    def open(self, place: Place) -> AbstractAsyncContextManager[Opened[Key, Row]]:
        """Everything that rows need on one machine, while in the context.

        Raises:
            AgentError, LearningError, SandboxError: If something is missing there; says what.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """The parts of a manifest that are known before any machine is asked."""

    suite: str
    arm: str = "base"
    prompt: str
    prompt_sha256: str
    data_sha256: str
    sampling: Sampling
    versions: Mapping[str, str] = field(default_factory=dict)

    def manifest(self, model: EvaluatedModel, *, image_id: str = "") -> ResultManifest:
        """Everything that a score depends on, on the machine that has the model and the image."""
        return ResultManifest(
            suite=self.suite,
            model=model.name,
            weights_sha256=model.weights_sha256,
            adapter=model.adapter,
            arm=self.arm,
            prompt=self.prompt,
            prompt_sha256=self.prompt_sha256,
            data_sha256=self.data_sha256,
            sampling=self.sampling,
            image_id=image_id,
            versions={**our_versions(), **model.versions, **self.versions},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyWork:
    """One reply to each sample of some tasks, and its verdict."""

    about: About
    model: AskedModel
    tasks: Callable[..., Sequence[Task]]
    """Makes the tasks; called with the judge of programs, if there is one."""
    sandbox: SandboxSettings | None = None
    """None where no program is judged."""
    boxes: int = 1

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncIterator[Opened[SampleKey, Sample]]:
        """See `Work.open`."""
        async with AsyncExitStack() as stack:
            image: Image | None = None
            if self.sandbox is not None:
                image = await asyncio.to_thread(place.base_image, self.sandbox)
            model = await stack.enter_async_context(place.asking(self.model))
            judges = []
            if image is not None:
                judging = place.judging(image.id, boxes=self.boxes)
                judges.append(await stack.enter_async_context(judging))
            yield Opened(
                manifest=self.about.manifest(model, image_id=image.id if image else ""),
                make=sample_maker(self.tasks(*judges), model.generator, self.about.sampling),
                recipe=recipe_of(image),
            )


def recipe_of(image: Image | None) -> str:
    """The text that decides the content of an image: its recipe if elagent made it, else its id."""
    return "" if image is None else image.key or image.id
