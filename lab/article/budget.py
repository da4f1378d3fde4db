"""All experiments in order, each within its share of a budget of time."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.errors import AgentError
from agent.text import format_seconds
from lab.article.published import Experiment
from learning.errors import LearningError
from sandbox.box.contract import SandboxError

_STATES = "states.json"
DONE = "done"
_NOT_RUN = "not run"
FAILED = "ended with an error"
"""Begins the words for an experiment that could not go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One experiment with its share of the time, which counts beside the shares of the later ones."""

    experiment: Experiment
    share: float
    start: Callable[[], Coroutine[Any, Any, object]] | None
    """Begins it or goes on with it."""
    reason: str = ""
    """Why it cannot be started, if it cannot."""


async def run_all(
    parts: Sequence[Part],
    *,
    budget_s: float,
    on_state: Callable[[Experiment, str], object],
    clock: Callable[[], float] = time.monotonic,
) -> dict[Experiment, str]:
    """Run the experiments one after the other; return how each of them ended, in words.

    Time that one leaves over is shared by the later ones. An experiment that fails or runs out of
    time leaves what it has, and the next begins.
    """
    ends = clock() + budget_s
    states: dict[Experiment, str] = {}
    for number, part in enumerate(parts):
        states[part.experiment] = await _run(part, time_for(parts[number:], ends - clock()))
        on_state(part.experiment, states[part.experiment])
    return states


def time_for(parts: Sequence[Part], left_s: float) -> float:
    """Time for the first of these experiments, of what is left for all that can be started."""
    first, *_ = parts
    shares = sum(part.share for part in parts if part.start is not None)
    return max(0.0, left_s) * first.share / shares if first.start is not None else 0.0


async def _run(part: Part, seconds: float) -> str:
    if part.start is None:
        return f"{_NOT_RUN}: {part.reason}"
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            await part.start()
    except TimeoutError as err:
        if not limit.expired():
            return f"{FAILED}: {err}"
        return f"stopped after its {format_seconds(seconds)}; the same command goes on"
    except (AgentError, LearningError, SandboxError, OSError) as err:
        return f"{FAILED}: {err}"
    return DONE


def save_states(folder: Path, states: Mapping[Experiment, str]) -> None:
    """Write how the experiments ended, for the report."""
    temporary = folder / f".tmp-{_STATES}"
    temporary.write_text(json.dumps(states, indent=1) + "\n", encoding="utf-8")
    temporary.replace(folder / _STATES)


def was_not_run(states: Mapping[Experiment, str], experiment: Experiment) -> bool:
    """True if an experiment was not even started when the others were run."""
    return states.get(experiment, "").startswith(_NOT_RUN)


def run_alone(folder: Path, experiment: Experiment) -> None:
    """Note in a folder of experiments that were run together that one was run by itself since."""
    if states := load_states(folder):
        save_states(folder, {**states, experiment: DONE})


def load_states(folder: Path) -> dict[Experiment, str]:
    """Read the endings of a folder's experiments; empty if they were not run together."""
    path = folder / _STATES
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
