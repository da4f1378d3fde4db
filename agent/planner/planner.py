"""Asks the planner for steps; where it gives none, the first model goes on alone."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from agent.errors import ConfigError, ModelError
from agent.events import Notice, Progress, StageStarted
from agent.fixing.sources import Sources
from agent.model.openai_api import address, is_loopback
from agent.model.protocol import Model, Reply, Waiting
from agent.model.serving import connect
from agent.paths import Paths
from agent.planner.outgoing import MOST_STEPS, Outgoing, outgoing
from agent.reply.reasoning import part_reply
from agent.settings.schema import ModelSettings, PlannerSettings
from agent.streaming import Emit
from agent.text import display_safe
from learning.records import Sampling

_MOST_CHARACTERS = 600
_STEP = re.compile(r"^\s{0,3}(?:\*\*)?(?:step )?(\d{1,2})[.):]\s*(.+)$", re.IGNORECASE)
_SAMPLING = Sampling(temperature=0.0, max_tokens=2048)
_OUR_NAMES = (("model.base_url", "planner.base_url"), ("model.name (or --model)", "planner.model"),
              ("model.api_key", "planner.api_key_env"))  # fmt: skip


class _NoPlanError(Exception):
    """There is no plan, and the message says why."""


@dataclass(kw_only=True)
class Planner:
    """The planner of one request."""

    settings: PlannerSettings
    first: str
    """Name of the model that carries the steps out."""
    paths: Paths
    environ: Mapping[str, str]
    emit: Emit

    async def steps(self, text: str, sources: Sources) -> tuple[str, ...]:
        """The steps for a request, each a line; none where the planner gives no plan, which is said."""
        name = self.settings.model or "that planner.base_url names"
        clock = asyncio.timeout(self.settings.timeout_s)
        try:
            async with clock:
                steps = await self._planned(text, sources)
        except (_NoPlanError, ModelError, ConfigError) as err:
            return self._alone(name, _in_our_names(str(err)))
        except TimeoutError:
            if not clock.expired():
                raise
            return self._alone(name, f"it did not answer within {self.settings.timeout_s:g} s")
        noun = "step" if len(steps) == 1 else "steps"
        self.emit(Notice(f"{name} plans {len(steps)} {noun}, {self.first} carries them out:"))
        for number, step in enumerate(steps, start=1):
            self.emit(Notice(f"{number}. {step}"))
        return steps

    def _alone(self, name: str, reason: str) -> tuple[str, ...]:
        said = f"The planner {name} gave no plan ({reason}); {self.first} goes on alone."
        self.emit(Notice(said, "warning"))
        return ()

    async def _planned(self, text: str, sources: Sources) -> tuple[str, ...]:
        model = self._model()
        root = address(model.base_url or "").root
        told = await asyncio.to_thread(outgoing, text, sources, home=self.environ.get("HOME", ""))
        async with connect(
            model.name, paths=self.paths, settings=model, launcher=(), environ=self.environ
        ) as planner:
            self.emit(Notice(f"{_place(root)} is sent {told.words}."))
            self.emit(StageStarted(f"{model.name} plans"))
            said = await self._said(planner, told)
        steps = read_steps(said)
        if not steps:
            raise _NoPlanError("its answer has no numbered steps")
        return steps

    def _model(self) -> ModelSettings:
        """The planner as a model's settings.

        Raises:
            _NoPlanError: If its name or its key is missing.
        """
        planner = self.settings
        if not planner.model:
            raise _NoPlanError("planner.model is not set; `elagent config set planner.model NAME`")
        key = self.environ.get(planner.api_key_env, "") if planner.api_key_env else None
        if key == "":
            raise _NoPlanError(
                f"the environment variable {planner.api_key_env} of planner.api_key_env is not set"
            )
        return ModelSettings(name=planner.model, base_url=planner.base_url, api_key=key)

    async def _said(self, model: Model, told: Outgoing) -> str:
        said = ""
        async for item in model.stream(told.messages, sampling=_SAMPLING):
            if isinstance(item, Waiting):
                self.emit(Progress(item.elapsed_s, 0, "s"))
            elif isinstance(item, Reply):
                said = item.action.text
        return said


def read_steps(said: str) -> tuple[str, ...]:
    """The numbered lines of a planner's answer, behind its reasoning, at most five.

    Nothing in them can drive a terminal: they are shown, kept and sent on.
    """
    lines = part_reply(said.replace("\r\n", "\n")).answer.splitlines()
    steps = (_STEP.match(display_safe(line)) for line in lines)
    found = [step[2].strip().strip("*").strip() for step in steps if step]
    return tuple(step[:_MOST_CHARACTERS] for step in found if step)[:MOST_STEPS]


def _place(root: str) -> str:
    host = urlsplit(root).netloc
    return (
        f"The planner on this machine ({host})" if is_loopback(root) else f"The planner at {host}"
    )


def _in_our_names(message: str) -> str:
    """A message about the server of a model, with the planner's settings named."""
    for model, planner in _OUR_NAMES:
        message = message.replace(model, planner)
    return message
