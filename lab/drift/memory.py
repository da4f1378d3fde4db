"""Memory of drift rollouts: facts asked of the libraries, greedy replies, and experiences to learn from."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, cast

from agent.advice.environment import Environment
from agent.advice.failure import FailureContext
from agent.advice.lessons import RepairLesson, hints_for
from lab.drift.arms import DriftRollout
from lab.drift.tasks import DriftTask, drift_prompt
from learning.evaluation.prompting import Prompt
from learning.evaluation.rows import RowFile
from learning.evaluation.samples import (
    ResultManifest,
    Sample,
    SamplesError,
    read_manifest,
    read_samples,
)
from learning.evaluation.task import Generated, Generator, Judged
from learning.evidence.judge import exception_in, judged_evidence
from learning.experience.store import ExperienceStore
from learning.records import (
    Action,
    Experience,
    Origin,
    Sampling,
    Trust,
    Verdict,
)

_FILE = "solution.py"
_UNSENDABLE = re.compile(r"a value of type (\w+) cannot be sent")
_FINISHES = ("stop", "length", "cancelled")
_TUPLES = ("prompt_ids", "token_ids", "logprobs")


class FactAsker:
    """Asks an environment about failed rollouts."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment

    async def __call__(self, rollout: DriftRollout) -> Sequence[str]:
        """True sentences about the installed libraries that bear on the failure."""
        facts = await self._environment.facts(failure_of(rollout.judged))
        return [*foreign_value(rollout.judged.message), *(fact.text for fact in facts)]


def failure_of(judged: Judged) -> FailureContext:
    """The failure of a rollout as a question to the environment."""
    exception, message = exception_in(judged.message)
    return FailureContext(
        exception=exception,
        message=message,
        texts=(judged.clean,),
        project_modules=frozenset({"solution"}),
        output=judged.message,
    )


def foreign_value(error: str) -> Iterator[str]:
    """A sentence about a value that the check could not take: no exception names its type."""
    if found := _UNSENDABLE.search(error):
        yield (
            f"The function returned a value of the library's type {found[1]}, not the plain Python"
            " value that its head promises: convert it (arrays and series have .tolist())."
            if found[1] != "coroutine"
            else "The function is async and returned a coroutine: it must be a plain function."
        )


def hint_finder(lessons: Sequence[RepairLesson]) -> Callable[[DriftRollout], str]:
    """Finds what earlier repairs say to a failed rollout."""

    def find(rollout: DriftRollout) -> str:
        return hints_for([rollout.exception], lessons).text

    return find


class RememberedReplies:
    """A generator that keeps its greedy replies in a file and does not make them again.

    Arms that begin with the same request then begin with the same reply. Greedy decoding alone does not
    give that: llama.cpp reads a prompt in other batches when more or less of it is cached, and a near
    tie that goes the other way would be counted as an effect of the arm.
    """

    def __init__(self, generator: Generator, path: Path) -> None:
        """`path` belongs to one model with one adapter; it need not exist."""
        self._generator = generator
        self._file: RowFile[str, Generated] = RowFile(
            path=path,
            encode=lambda key, reply: {"key": key, "reply": asdict(reply)},
            decode=lambda record: (str(record["key"]), _generated(record["reply"])),
        )
        self._known = self._file.read()

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generated:
        """See `Generator.generate`."""
        if sampling.temperature > 0:
            return await self._generator.generate(prompt, sampling)
        key = _request_key(prompt, sampling)
        if key not in self._known:
            reply = await self._generator.generate(prompt, sampling)
            self._file.append({key: reply})
            self._known[key] = reply
        return self._known[key]

    def take_over(
        self,
        folder: Path,
        tasks: Sequence[DriftTask],
        manifest: ResultManifest,
        *,
        sets: Collection[str] = (),
    ) -> int:
        """Take the first replies of earlier results over; their number.

        `sets` has the digests of parts of the run's set, whose results fit as well.

        Raises:
            SamplesError: If these are results of another model, prompt or set, were sampled, or were told something.
        """
        theirs = read_manifest(folder)
        for name in ("suite", "weights_sha256", "adapter", "prompt_sha256", "sampling"):
            if getattr(theirs, name) != getattr(manifest, name):
                raise SamplesError(
                    f"{folder} has no first replies for this run: its {name} is"
                    f" {getattr(theirs, name)}, here it is {getattr(manifest, name)}."
                )
        if theirs.arm.partition("-x")[0] in ("told", "notes") or "notes" in theirs.versions:
            raise SamplesError(
                f"{folder} has no first replies for this run: they were told something before."
            )
        if theirs.data_sha256 not in (manifest.data_sha256, *sets):
            raise SamplesError(
                f"{folder} has no first replies for this run: its tasks are others, or had other texts."
            )
        if manifest.sampling.temperature > 0:
            raise SamplesError("Only greedy first replies can be taken over: leave --temperature.")
        samples = read_samples(folder)
        new: dict[str, Generated] = {}
        for task in tasks:
            sample = samples.get((task.id, 0))
            key = _request_key(drift_prompt(task), manifest.sampling)
            if sample is not None and sample.attempts == 1 and key not in self._known:
                new[key] = _first_reply(sample)
        self._file.append(new)
        self._known.update(new)
        return len(new)


def _first_reply(sample: Sample) -> Generated:
    return Generated(
        text=sample.reply,
        finish=sample.finish,
        prompt_tokens=sample.prompt_tokens,
        completion_tokens=sample.completion_tokens,
        duration_s=sample.generation_s,
    )


def _request_key(prompt: Prompt, sampling: Sampling) -> str:
    """Digest of all that decides a greedy reply of one model: the seed does not."""
    request = (prompt, sampling.max_tokens)
    return hashlib.sha256(repr(request).encode()).hexdigest()


def _generated(record: dict[str, Any]) -> Generated:
    lists = {name: None if record[name] is None else tuple(record[name]) for name in _TUPLES}
    return Generated(**{**record, **lists})


def keep(
    store: ExperienceStore,
    task: DriftTask,
    rollouts: Sequence[DriftRollout],
    *,
    model: str,
    adapter: str | None,
    sampling: Sampling,
    session: str,
    now: float,
) -> None:
    """Keep the rollouts at one task as experiences, a repair pointing at the first rollout.

    The first was told nothing: its prompt is where the repair is to be learned. A spliced reply that
    fails is nobody's own: it is left out.

    Raises:
        StoreError: If they cannot be written.
    """
    failed: Experience | None = None
    for rollout in rollouts:
        if rollout.spliced and not rollout.judged.passed:
            continue
        experience = Experience(
            id=secrets.token_hex(16),
            session=session,
            created_at=now,
            repository="drift",
            model=model,
            messages=rollout.prompt.messages,
            action=_action(rollout, model=model, adapter=adapter, sampling=sampling),
            verdict=Verdict.PASS if rollout.judged.passed else Verdict.FAIL,
            evidence=()
            if rollout.judged.passed
            else (
                judged_evidence(
                    rollout.judged.message, subject=task.id, file=_FILE, function=task.entry_point
                ),
            ),
            targets=(task.id,),
            path=_FILE,
            origin=Origin.SPLICE if rollout.spliced else Origin.FIX,
            before=failed.after if failed else "",
            after=rollout.judged.clean,
            fixes=failed.id if failed and rollout.judged.passed else "",
            trust=Trust.JUDGE,
        )
        store.add(experience)
        failed = failed or experience


def _action(
    rollout: DriftRollout, *, model: str, adapter: str | None, sampling: Sampling
) -> Action:
    generated = rollout.reply
    finish = generated.finish if generated.finish in _FINISHES else "stop"
    return Action(
        text=generated.text,
        model=model,
        adapter=adapter,
        prompt_ids=generated.prompt_ids,
        token_ids=generated.token_ids,
        logprobs=generated.logprobs,
        sampling=sampling,
        finish=cast(Literal["stop", "length", "cancelled"], finish),
    )
