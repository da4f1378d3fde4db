"""`elagent eval drift`: tasks on libraries whose API has changed, with several kinds of help."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import uuid
from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import click

from agent.advice.environment import WORDING, Environment
from agent.advice.lessons import lessons_of
from agent.paths import make_private
from agent.rounds.trial.judging import EvaluationError, WarmJudge, open_judge
from agent.rounds.trial.models import Subject, open_subject
from lab.commands.shared import (
    DRIFT_TASKS,
    Counted,
    adapter_folder,
    launcher,
    result_file,
    say,
    show,
    versions,
)
from lab.costs import Meter
from lab.drift import (
    SPLITS,
    DriftTask,
    Verified,
    prompts_digest,
    verify,
)
from lab.drift_arms import (
    ARMS,
    Arm,
    DriftRollout,
    OnRollouts,
    Tell,
    run_drift,
    tell_both,
    tell_error,
    tell_facts,
    tell_hints,
    tell_neutral,
)
from lab.drift_memory import FactAsker, RememberedReplies, hint_finder, keep
from lab.drift_set import DRIFT_LIMITS, drift_image, load_tasks, outdated_errors, tasks_digest
from learning.evaluation.run import OnRow
from learning.evaluation.samples import Manifest, Sample, SampleFile
from learning.evaluation.statistics import wilson
from learning.experience.store import ExperienceStore
from learning.records import Sampling
from sandbox.box.docker_box import DockerSandbox
from sandbox.images.base import Image
from tui.running import run_async
from tui.wiring import Context, context

_PLACE = re.compile(r" \(/[^)\s]+\)")
"""Where a module lies in the image that was used: no part of what its error says."""


@click.command(help="Tasks on libraries whose API has changed since the model was trained.")
@click.option("--arm", type=click.Choice(ARMS), default="base", show_default=True)
@click.option("--split", type=click.Choice([*SPLITS, "all"]), default="all", show_default=True)
@click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
@click.option("--base-url", metavar="URL", help="Use this OpenAI-compatible server instead.")
@click.option("--engine", type=click.Choice(["auto", "llama", "torch"]))
@click.option("--adapter", metavar="NAME", help="An adapter of the repository, or its folder.")
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Whose experiences are added to or give hints. [the current folder]",
)
@click.option("--record", is_flag=True, help="Keep the attempts as experiences to learn from.")
@click.option(
    "--tries",
    type=click.IntRange(1, 32),
    default=1,
    metavar="N",
    help="Retries of a failure, until one passes; several are sampled at 0.8. [1]",
)
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.0, show_default=True)
@click.option("--max-tokens", type=click.IntRange(16), default=512, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True)
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N tasks.")
@click.option(
    "--tasks",
    "folder",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=DRIFT_TASKS,
    help="Folder with tasks/*.toml and requirements.txt. [lab/data/drift]",
)
@click.option("--verify", "only_verify", is_flag=True, help="Check the tasks themselves; no model.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def drift(
    *,
    arm: Arm,
    split: str,
    model: str | None,
    base_url: str | None,
    engine: str | None,
    adapter: str | None,
    repository: Path | None,
    record: bool,
    tries: int,
    temperature: float,
    max_tokens: int,
    seed: int,
    limit: int | None,
    folder: Path,
    only_verify: bool,
    out: Path | None,
    as_json: bool,
) -> int:
    if record and split != "experience":
        raise click.UsageError("--record needs --split experience: held-out tasks stay unseen")
    where = context(
        repository, {"model.name": model, "model.base_url": base_url, "model.engine": engine}
    )
    every = load_tasks(folder)
    tasks = [task for task in every if split in ("all", task.split)][:limit]
    image = drift_image(
        folder, settings=where.settings.sandbox, cache=where.paths.sandbox / "wheels", say=say
    )
    if only_verify:
        return _verify(where, image, tasks, folder)
    errors = outdated_errors(folder)
    sampling = Sampling(temperature=temperature, seed=seed, max_tokens=max_tokens)

    async def run(meter: Meter) -> SampleFile:
        async with AsyncExitStack() as stack:
            judge = await stack.enter_async_context(_judge(where, image))
            subject = await stack.enter_async_context(
                open_subject(
                    where.settings.model,
                    paths=where.paths,
                    launcher=launcher(),
                    environ=os.environ,
                    adapter=adapter_folder(where, adapter),
                    say=say,
                )
            )
            store = _store(stack, where) if record or arm == "hints" else None
            manifest = Manifest(
                suite="drift",
                model=subject.name,
                weights_sha256=subject.weights_sha256,
                adapter=subject.adapter,
                arm=arm if tries == 1 else f"{arm}-x{tries}",
                prompt="drift",
                prompt_sha256=prompts_digest(),
                data_sha256=tasks_digest(every),
                sampling=sampling,
                image_id=image.id,
                versions={**versions(), **subject.versions, **_wording(arm)},
            )
            file = result_file(where.paths, manifest, out)
            meter.folder = file.folder
            tell = await _tell(arm, stack, where, image, store)
            await run_drift(
                tasks,
                RememberedReplies(subject.generator, _replies(where, subject)),
                judge,
                file,
                tell=tell,
                tries=tries,
                outdated_errors=errors,
                on_row=_progress(),
                on_rollouts=_recorder(store if record else None, subject, sampling),
            )
            return file

    with Meter() as meter:
        file = run_async(run(meter))
    ids = {task.id for task in tasks}
    samples = [sample for sample in file.read().values() if sample.task_id in ids]
    show(file, samples, of_tasks=len(tasks), as_json=as_json)
    if not as_json:
        click.echo(_stale_line(samples))
    return 0


def _wording(arm: Arm) -> dict[str, str]:
    """How facts are worded: results of another wording are not gone on with."""
    return {"facts": str(WORDING)} if arm in ("facts", "both") else {}


def _replies(where: Context, subject: Subject) -> Path:
    """Where the greedy replies of this subject are kept, for all arms."""
    about = (
        subject.name,
        subject.weights_sha256,
        subject.adapter,
        sorted(subject.versions.items()),
    )
    digest = hashlib.sha256(repr(about).encode()).hexdigest()[:16]
    return make_private(where.paths.home / "evaluations" / "replies") / f"{digest}.jsonl"


def _judge(
    where: Context, image: Image, *, boxes: int = 1
) -> AbstractAsyncContextManager[WarmJudge]:
    return open_judge(
        image.id,
        lock_dir=make_private(where.paths.sandbox),
        session=f"eval-{uuid.uuid4().hex[:8]}",
        boxes=boxes,
        limits=DRIFT_LIMITS,
    )


def _store(stack: AsyncExitStack, where: Context) -> ExperienceStore:
    make_private(where.repository.home)
    return stack.enter_context(ExperienceStore.open(where.repository.experiences))


async def _tell(
    arm: Arm,
    stack: AsyncExitStack,
    where: Context,
    image: Image,
    store: ExperienceStore | None,
) -> Tell | None:
    """What a second attempt is told in this arm; None where there is only one attempt."""
    match arm:
        case "base":
            return None
        case "neutral":
            return tell_neutral
        case "errors":
            return tell_error
        case "facts" | "both":
            sandbox = await stack.enter_async_context(
                DockerSandbox(
                    image.id,
                    session=f"eval-facts-{uuid.uuid4().hex[:8]}",
                    lock_dir=make_private(where.paths.sandbox),
                )
            )
            cache = make_private(where.paths.home / "facts") / "drift.json"
            facts = tell_facts(
                FactAsker(Environment(sandbox, image=image.id, cache=cache, say=say))
            )
            return facts if arm == "facts" else tell_both(tell_error, facts)
        case "hints":
            lessons = lessons_of(store.list()) if store else ()
            if not lessons:
                raise EvaluationError(
                    f"no repair is recorded for {where.root}; first run "
                    "`elagent eval drift --split experience --arm facts --record`"
                )
            return tell_hints(hint_finder(lessons))


def _recorder(store: ExperienceStore | None, subject: Subject, sampling: Sampling) -> OnRollouts:
    session = f"drift-{uuid.uuid4().hex[:8]}"

    def on_rollouts(task: DriftTask, rollouts: Sequence[DriftRollout]) -> None:
        if store is not None:
            keep(
                store,
                task,
                rollouts,
                model=subject.name,
                adapter=subject.adapter,
                sampling=sampling,
                session=session,
                now=time.time(),
            )

    return on_rollouts


def _verify(where: Context, image: Image, tasks: list[DriftTask], folder: Path) -> int:
    """Run the tasks' own solutions, write what they were told, and count."""

    async def run() -> list[Verified]:
        async with _judge(where, image, boxes=2) as judge:
            return await verify(judge, tasks)

    found = run_async(run())
    for item in found:
        click.echo(
            f"{'sound' if item.sound else 'WRONG'} {item.task_id}: "
            f"reference {item.reference} {item.reference_note}; outdated {item.outdated} {item.error}"
        )
    record = {
        item.task_id: {
            "reference": item.reference.value,
            "outdated": item.outdated.value,
            "error": _PLACE.sub("", item.error),
        }
        for item in found
        if item.sound
    }
    if len(tasks) == len(load_tasks(folder)):
        text = json.dumps(record, indent=1, sort_keys=True) + "\n"
        (folder / "verified.json").write_text(text, encoding="utf-8")
    changes = len({task.change for task in tasks})
    halves = Counter(task.split for task in tasks)
    click.echo(
        f"{len(record)} of {len(tasks)} tasks are sound; {changes} API changes; "
        + ", ".join(f"{count} {name}" for name, count in sorted(halves.items()))
    )
    return 0 if len(record) == len(tasks) else 1


def _stale_line(samples: list[Sample]) -> str:
    stale = sum(sample.stale for sample in samples)
    if not samples:
        return "no samples yet"
    interval = wilson(stale, len(samples))
    return (
        f"stale-API errors: {stale} of {len(samples)} ({100 * stale / len(samples):.1f} %, "
        f"95 % {100 * interval.low:.1f} - {100 * interval.high:.1f})"
    )


def _progress() -> OnRow[Sample]:
    line = Counted()

    def say_sample(sample: Sample, done: int, total: int) -> None:
        tail = f" ({sample.message})" if not sample.passed else ""
        told = f"{sample.task_id} {sample.sanitised_verdict} after {sample.attempts}{tail}"
        line(done, total, told)

    return say_sample
