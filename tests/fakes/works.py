"""Work for the workers of a cluster: as little as possible, and functions that are really judged."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from agent.rounds.trial.program_judge import EvaluationError
from agent.rounds.trial.regression import humaneval_tasks
from agent.settings.schema import SandboxSettings
from lab.rows.evaluated_model import EvaluatedModel
from lab.rows.place import Place
from lab.rows.work import About, Opened, recipe_of
from learning.evaluation.humaneval import Problem
from learning.evaluation.prompting import Prompt
from learning.evaluation.run import sample_maker
from learning.evaluation.samples import Sample, SampleKey
from learning.records import Sampling
from sandbox.box.contract import EngineUnavailableError
from tests.fakes.generator import FakeGenerator

SCRIPTED = About(
    suite="humaneval",
    prompt="chat",
    prompt_sha256="",
    data_sha256="",
    sampling=Sampling(seed=3),
)


def scripted(generator: FakeGenerator) -> EvaluatedModel:
    return EvaluatedModel(
        generator=generator, name="scripted", weights_sha256="", adapter=None, versions={}
    )


@dataclass(frozen=True, kw_only=True)
class EchoWork:
    """Gives the number of a letter; `!` cannot be made, `?` is never finished, `0` loses the sandbox."""

    refuses: str = ""
    left: Path | None = None
    """A file that is written when the work is closed."""

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncIterator[Opened[str, int]]:
        if self.refuses:
            raise EvaluationError(self.refuses)

        async def make(key: str) -> int:
            match key:
                case "!":
                    raise EvaluationError("it cannot be made")
                case "0":
                    raise EngineUnavailableError("no engine answers")
                case "?":
                    await asyncio.Event().wait()
            return ord(key)

        manifest = SCRIPTED.manifest(scripted(FakeGenerator(answer=lambda _: "")))
        try:
            yield Opened(manifest=manifest, make=make)
        finally:
            if self.left is not None:
                self.left.write_text("closed")


@dataclass(frozen=True, kw_only=True)
class JudgedWork:
    """Functions that are answered from a script and judged in this machine's own boxes."""

    problems: tuple[Problem, ...]
    stuck_in: str = ""
    """Value of `STUCK` in whose process the second row is never finished."""
    stuck: Path | None = None
    """A file that is written when it is stuck."""

    @asynccontextmanager
    async def open(self, place: Place) -> AsyncIterator[Opened[SampleKey, Sample]]:
        image = await asyncio.to_thread(place.base_image, SandboxSettings(image="lite"))
        generator = FakeGenerator(answer=partial(answer_of, self.problems))
        async with place.judging(image.id) as judge:
            tasks = humaneval_tasks(self.problems, judge, "chat")
            make = sample_maker(tasks, generator, SCRIPTED.sampling)

            async def unless_stuck(key: SampleKey) -> Sample:
                if self.stuck and len(generator.asked) == 1 and node_id() == self.stuck_in:
                    self.stuck.write_text(f"{os.getpid()}")
                    await asyncio.Event().wait()
                return await make(key)

            yield Opened(
                manifest=SCRIPTED.manifest(scripted(generator), image_id=image.id),
                make=unless_stuck,
                recipe=recipe_of(image),
            )


def node_id() -> str:
    """The node of the worker that asks."""
    import ray

    return str(ray.get_runtime_context().get_node_id())


def answer_of(problems: tuple[Problem, ...], prompt: Prompt) -> str:
    """The known solution, but a wrong one for every third problem."""
    asked = prompt.messages[0].content
    number, problem = next((n, p) for n, p in enumerate(problems) if p.prompt.strip() in asked)
    body = "    return None\n" if number % 3 == 2 else problem.canonical_solution
    return f"```python\n{problem.prompt}{body}```"


def unheard(_text: str) -> None:
    """Say nothing."""
