"""`elagent eval drift`: tasks on libraries whose API has changed, with several kinds of help."""

from __future__ import annotations

import fnmatch
import hashlib
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from agent.advice.environment import WORDING
from agent.advice.lessons import RepairLesson, lessons_of
from agent.paths import make_private
from agent.rounds.trial.program_judge import EvaluationError
from lab.commands.drift_sets import verify_set
from lab.commands.options import (
    JSON,
    LIMIT,
    SEED,
    TEMPERATURE,
    ModelChoice,
    Shipped,
    asks_a_model,
    computes_on_nodes,
    max_tokens,
    shipped_sets,
)
from lab.commands.progress import progress, say
from lab.commands.report import show
from lab.drift.arms import ARMS, Arm, DriftRollout, OnRollouts
from lab.drift.memory import keep
from lab.drift.notes import notes_before
from lab.drift.sets import (
    PARTS,
    Part,
    drift_image,
    load_tasks,
    outdated_errors,
    pinned,
    tasks_digest,
)
from lab.drift.tasks import SPLITS, DriftTask, prompts_digest
from lab.drift.work import DriftWork, Earlier
from lab.report import Meter
from lab.rows.evaluated_model import EvaluatedModel
from lab.rows.work import About
from learning.evaluation.run import keys_of
from learning.evaluation.samples import Sample, SampleFile
from learning.evaluation.statistics import wilson
from learning.experience.store import ExperienceStore
from learning.records import Sampling
from tui.running import run_async

_SET = "drift"


@click.command(help="Measure tasks on libraries whose API has changed since the model was trained.")
@click.option("--arm", type=click.Choice(ARMS), default="base", show_default=True)
@click.option("--split", type=click.Choice([*SPLITS, "all"]), default="all", show_default=True)
@asks_a_model
@computes_on_nodes
@click.option(
    "--repository",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Repository whose experiences give hints or are added to. [the current folder]",
)
@click.option("--record", is_flag=True, help="Keep the attempts as experiences to learn from.")
@click.option(
    "--tries",
    type=click.IntRange(1, 32),
    default=1,
    metavar="N",
    help="Retries of a failure, until one passes; several are sampled at 0.8. [1]",
)
@TEMPERATURE
@max_tokens(512)
@SEED
@LIMIT
@click.option(
    "--tasks",
    "folder",
    type=Shipped(shipped_sets()),
    default=_SET,
    metavar="NAME",
    show_default=True,
    help=f"{', '.join(shipped_sets())}, or a folder with tasks/*.toml and requirements.txt.",
)
@click.option(
    "--part",
    type=click.Choice(PARTS),
    default="all",
    show_default=True,
    help="Only the tasks that the set began with, or only those with plain logic.",
)
@click.option(
    "--contexts",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Verified contexts for --arm notes. [those of this computer]",
)
@click.option("--ids", default="*", metavar="GLOB", help="Only tasks whose id is like this. [*]")
@click.option(
    "--first-replies",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    metavar="DIR",
    help="Results of the same model whose greedy first replies are taken over.",
)
@click.option("--verify", "only_verify", is_flag=True, help="Check the tasks themselves; no model.")
@JSON
def drift(
    *,
    arm: Arm,
    split: str,
    choice: ModelChoice,
    record: bool,
    tries: int,
    temperature: float,
    max_tokens: int,
    seed: int,
    limit: int | None,
    folder: Path,
    part: Part,
    contexts: Path | None,
    ids: str,
    first_replies: Path | None,
    only_verify: bool,
    as_json: bool,
) -> int:
    _check_together(choice, record=record, split=split, first_replies=first_replies)
    where, every = choice.where, load_tasks(folder, part)
    chosen = [task for task in every if split in ("all", task.split)]
    tasks = [task for task in chosen if fnmatch.fnmatchcase(task.id, ids)][:limit]
    if only_verify:
        cache = where.paths.sandbox / "wheels"
        image = drift_image(pinned(folder), settings=where.settings.sandbox, cache=cache, say=say)
        return verify_set(
            where, image, tasks, folder, whole=part == "all" and len(tasks) == len(every)
        )
    run = DriftRun(
        choice=choice,
        arm=arm,
        tries=tries,
        sampling=Sampling(temperature=temperature, seed=seed, max_tokens=max_tokens),
        tasks=tasks,
        data_sha256=tasks_digest(every),
        requirements=pinned(folder),
        errors=outdated_errors(folder),
        notes=notes_before(
            arm, tasks, folder, contexts or where.paths.repository(Path.cwd()).contexts
        ),
        record=record,
        earlier=_earlier(first_replies, folder),
    )
    with Meter() as meter:
        file = run_async(run.measure(meter))
    asked = {task.id for task in tasks}
    samples = [sample for sample in file.read().values() if sample.task_id in asked]
    show(file, samples, of_tasks=len(tasks), as_json=as_json)
    if not as_json:
        click.echo(_stale_line(samples))
    return 0


def _check_together(
    choice: ModelChoice, *, record: bool, split: str, first_replies: Path | None
) -> None:
    """Refuse options that do not go together.

    Raises:
        UsageError: If they do not.
    """
    if record and split != "experience":
        raise click.UsageError("--record needs --split experience: held-out tasks stay unseen")
    if choice.cluster and (record or first_replies):
        name = "--record" if record else "--first-replies"
        raise click.UsageError(f"{name} needs files of this machine: leave --cluster away")


def _earlier(first_replies: Path | None, folder: Path) -> Earlier | None:
    """The results whose first replies are taken over; they may be of the tasks that the set began with."""
    if first_replies is None:
        return None
    return Earlier(folder=first_replies, sets=[tasks_digest(load_tasks(folder, "first"))])


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRun:
    """One run of the command: the tasks, the arm, and what is kept of it."""

    choice: ModelChoice
    arm: Arm
    tries: int
    sampling: Sampling
    tasks: Sequence[DriftTask]
    data_sha256: str
    """Digest of every task of the set, also those that are left out."""
    requirements: Sequence[str]
    errors: Mapping[str, str]
    notes: Mapping[str, str]
    """Notes that are told before the first attempt, by task."""
    record: bool
    earlier: Earlier | None

    async def measure(self, meter: Meter) -> SampleFile:
        """Make the rows that are missing."""
        with ExitStack() as stack:
            store = self._store(stack) if self.record or self.arm == "hints" else None
            work = DriftWork(
                about=self._about(),
                model=self.choice.asked,
                arm=self.arm,
                tries=self.tries,
                tasks=self.tasks,
                requirements=self.requirements,
                sandbox=self.choice.where.settings.sandbox,
                errors=self.errors,
                notes=self.notes,
                lessons=self._lessons(store) if self.arm == "hints" else (),
                earlier=self.earlier,
                on_rollouts=self._recorder(store) if self.record and store else None,
            )
            keys = keys_of(task.id for task in self.tasks)
            told = progress(_attempts_words)
            return await self.choice.complete(meter, work, keys, on_row=told)

    def _about(self) -> About:
        # A run never goes on with results that were made under another wording of the facts.
        versions = {"facts": str(WORDING)} if self.arm in ("facts", "both", "splice") else {}
        if self.notes:
            versions["notes"] = hashlib.sha256(repr(self.notes).encode()).hexdigest()[:16]
        return About(
            suite="drift",
            arm=self.arm if self.tries == 1 else f"{self.arm}-x{self.tries}",
            prompt="drift",
            prompt_sha256=prompts_digest(self.arm),
            data_sha256=self.data_sha256,
            sampling=self.sampling,
            versions=versions,
        )

    def _store(self, stack: ExitStack) -> ExperienceStore:
        repository = self.choice.where.repository
        make_private(repository.home)
        return stack.enter_context(ExperienceStore.open(repository.experiences))

    def _lessons(self, store: ExperienceStore | None) -> Sequence[RepairLesson]:
        lessons = lessons_of(store.list()) if store else ()
        if not lessons:
            raise EvaluationError(
                f"no repair is recorded for {self.choice.where.root}; first run "
                "`elagent eval drift --split experience --arm facts --record`"
            )
        return lessons

    def _recorder(self, store: ExperienceStore) -> Callable[[EvaluatedModel], OnRollouts]:
        session = f"drift-{uuid.uuid4().hex[:8]}"

        def recorder(model: EvaluatedModel) -> OnRollouts:
            def on_rollouts(task: DriftTask, rollouts: Sequence[DriftRollout]) -> None:
                keep(
                    store,
                    task,
                    rollouts,
                    model=model.name,
                    adapter=model.adapter,
                    sampling=self.sampling,
                    session=session,
                    now=time.time(),
                )

            return on_rollouts

        return recorder


def _stale_line(samples: Sequence[Sample]) -> str:
    stale = sum(sample.stale for sample in samples)
    if not samples:
        return "no samples yet"
    interval = wilson(stale, len(samples))
    return (
        f"stale-API errors: {stale} of {len(samples)} ({100 * stale / len(samples):.1f} %, "
        f"95 % {100 * interval.low:.1f} - {100 * interval.high:.1f})"
    )


def _attempts_words(sample: Sample) -> str:
    tail = f" ({sample.message})" if not sample.passed else ""
    return f" after {sample.attempts}{tail}"
