"""Takes in the adapter that a round made: tries it, decides on its use, and tries a weaker copy of one that forgets."""

from __future__ import annotations

import shutil
from pathlib import Path

from agent.errors import AgentError
from agent.events import LearnFinished, Notice, StageStarted
from agent.rounds.jobs import LearnError
from agent.rounds.planning import NOTHING_USABLE, LearningRound, nothing_to_learn
from agent.rounds.trial.settling import settle
from learning.errors import LearningError
from learning.promotion.adapters import AdapterError, AdapterManifest
from learning.promotion.gate import NO_TRIAL, Trial, decide, forgets
from learning.promotion.manifest import adapter_prefix
from learning.promotion.report import unseen_in_words
from learning.promotion.weakening import weakened
from learning.training.job import read_result
from sandbox.box.contract import SandboxError

_STRENGTH = 0.5
"""Of the copy of an adapter that forgets: the only one that was measured, and one more trial costs minutes."""


async def take_in(this: LearningRound, folder: Path, *, now: float) -> None:
    """Adopt the adapter of the job in `folder`, decide on its use, and remove the job with its copies of experiences.

    Raises:
        LearnError: If the job has no result.
        AdapterError: If the adapter is damaged.
    """
    result = read_result(folder)
    if result is None:
        raise LearnError("the learner ended without a result: run `elagent learn` again")
    if result.adapter is None:
        shutil.rmtree(folder)
        this.emit(nothing_to_learn(NOTHING_USABLE))
        return
    this.emit(StageStarted("checking the adapter"))
    if (folder / "adapter").exists():
        this.adapters.adopt(folder / "adapter")
    manifest = this.adapters.get(result.adapter)
    shutil.rmtree(folder)
    for name in this.adapters.retain(keep_last=this.options.keep_adapters):
        this.emit(Notice(f"removed the old adapter {name}"))
    if unseen := unseen_in_words(manifest.report):
        this.emit(Notice(unseen))
    this.emit(await _decided(this, manifest, now=now))


async def _decided(this: LearningRound, manifest: AdapterManifest, *, now: float) -> LearnFinished:
    """The decision on the adapter, or on its weaker copy where it won and lost general tasks for it."""
    trial = await _tried(this, manifest)
    finished = settle(this.adapters, manifest, trial, base=this.model.identity, now=now)
    if not forgets(decide(trial)):
        return finished
    prefix = adapter_prefix(this.repository, this.adapters.next_version())
    try:
        copy = weakened(this.adapters, manifest.name, prefix=prefix, strength=_STRENGTH)
    except AdapterError as err:
        this.emit(Notice(f"no weaker copy of {manifest.name} is tried: {err}", "warning"))
        return finished
    this.emit(
        Notice(
            f"{manifest.name} is not used: {finished.reason}. A copy halfway back to the bare model,"
            f" {copy.name}, is tried next"
        )
    )
    trial = await _tried(this, copy)
    return settle(this.adapters, copy, trial, base=this.model.identity, now=now)


async def _tried(this: LearningRound, manifest: AdapterManifest) -> Trial:
    """The trial of the adapter; `NO_TRIAL`, with a warning, if the trial fails."""
    if this.measure is None:
        return NO_TRIAL
    try:
        return await this.measure(manifest, this.emit)
    except (AgentError, LearningError, SandboxError) as err:
        text = f"not tried: {err}; `elagent adapters try {manifest.name}` does it later"
        this.emit(Notice(text, "warning"))
        return NO_TRIAL
