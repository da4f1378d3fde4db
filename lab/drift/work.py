"""The rows of `elagent eval drift` as work that any machine can do; see `lab.rows.work`."""

from __future__ import annotations

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from agent.advice.environment import Environment
from agent.advice.lessons import RepairLesson
from agent.paths import make_private
from agent.settings.schema import SandboxSettings
from lab.drift.arms import (
    Arm,
    OnRollouts,
    Tell,
    drift_maker,
    tell_both,
    tell_error,
    tell_facts,
    tell_hints,
    tell_neutral,
)
from lab.drift.memory import FactAsker, RememberedReplies, hint_finder
from lab.drift.sets import DRIFT_LIMITS, drift_image
from lab.drift.splicing import DriftSplicer
from lab.drift.tasks import DriftTask
from lab.rows.evaluated_model import EvaluatedModel
from lab.rows.place import AskedModel, Place
from lab.rows.work import About, Opened, recipe_of
from learning.evaluation.samples import Sample, SampleKey
from sandbox.box.docker_box import DockerSandbox
from sandbox.images.image import Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Earlier:
    """Results on this machine whose greedy first replies are taken over."""

    folder: Path
    sets: Sequence[str]
    """Digests of the sets of tasks with which they may have been made, beside the present one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftWork:
    """Replies to drift tasks, with the retries of an arm, judged where the pinned libraries are."""

    about: About
    model: AskedModel
    arm: Arm
    tries: int
    tasks: Sequence[DriftTask]
    requirements: Sequence[str]
    """The pinned libraries, one line each."""
    sandbox: SandboxSettings
    errors: Mapping[str, str]
    """Errors of the tasks' outdated idioms, by task."""
    notes: Mapping[str, str]
    """Notes that are told before the first attempt, by task."""
    lessons: Sequence[RepairLesson] = ()
    """Earlier repairs, for the arm `hints`."""
    earlier: Earlier | None = None
    """None on the machines of a cluster, which do not have its folder."""
    on_rollouts: Callable[[EvaluatedModel], OnRollouts] | None = field(default=None, compare=False)
    """Called with the model, for what is called with every task's rollouts; None on a cluster."""

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncIterator[Opened[SampleKey, Sample]]:
        """See `lab.rows.work.Work.open`."""
        base = await asyncio.to_thread(place.base_image, self.sandbox)
        image = await asyncio.to_thread(
            drift_image,
            self.requirements,
            settings=self.sandbox,
            cache=place.paths.sandbox / "wheels",
            say=place.say,
        )
        async with AsyncExitStack() as stack:
            judging = place.judging(image.id, limits=DRIFT_LIMITS)
            judge = await stack.enter_async_context(judging)
            model = await stack.enter_async_context(place.asking(self.model))
            manifest = self.about.manifest(model, image_id=image.id)
            replies = RememberedReplies(model.generator, replies_of(model, place))
            if self.earlier is not None:
                folder, sets = self.earlier.folder, self.earlier.sets
                taken = replies.take_over(folder, self.tasks, manifest, sets=sets)
                place.say(f"{taken} first replies are taken from {folder}")
            environment = await self._environment(stack, image, place)
            make = drift_maker(
                self.tasks,
                replies,
                judge,
                self.about.sampling,
                tell=self._tell(environment),
                splice=DriftSplicer(model.generator, replies, environment.names)
                if self.arm == "splice"
                else None,
                tries=self.tries,
                outdated_errors=self.errors,
                notes=self.notes,
                on_rollouts=self.on_rollouts(model) if self.on_rollouts else lambda _t, _r: None,
            )
            recipe = " ".join([recipe_of(base), *self.requirements])
            yield Opened(manifest=manifest, make=make, recipe=recipe)

    def _tell(self, environment: Environment) -> Tell | None:
        """The notes that retries are given in this arm; None where there are no retries."""
        match self.arm:
            case "base" | "told" | "notes":
                return None
            case "neutral":
                return tell_neutral
            case "errors":
                return tell_error
            case "facts":
                return tell_facts(FactAsker(environment))
            case "both" | "splice":
                return tell_both(tell_error, tell_facts(FactAsker(environment)))
            case "hints":
                return tell_hints(hint_finder(self.lessons))

    async def _environment(self, stack: AsyncExitStack, image: Image, place: Place) -> Environment:
        """The installed libraries, to be asked about themselves; the box starts with the first question."""
        session, lock_dir = f"eval-facts-{uuid.uuid4().hex[:8]}", make_private(place.paths.sandbox)
        box = await stack.enter_async_context(
            DockerSandbox(image.id, session=session, lock_dir=lock_dir)
        )
        cache = make_private(place.paths.home / "facts") / "drift.json"
        return Environment(box, image=image.id, cache=cache, say=place.say)


def replies_of(model: EvaluatedModel, place: Place) -> Path:
    """The file of a model's greedy replies on one machine, for all arms."""
    versions = sorted(model.versions.items())
    about = (model.name, model.weights_sha256, model.adapter, versions)
    digest = hashlib.sha256(repr(about).encode()).hexdigest()[:16]
    return make_private(place.paths.home / "evaluations" / "replies") / f"{digest}.jsonl"
