"""`elagent eval drift`: tasks on libraries whose API has changed, with several kinds of help."""

from __future__ import annotations

import fnmatch
import hashlib
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import click

from agent.advice.environment import WORDING, Environment
from agent.advice.lessons import lessons_of
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
    max_tokens,
    place_of,
    shipped_sets,
)
from lab.commands.progress import progress, say
from lab.commands.report import show
from lab.drift.arms import (
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
from lab.drift.memory import FactAsker, RememberedReplies, hint_finder, keep
from lab.drift.notes import notes_before
from lab.drift.sets import (
    DRIFT_LIMITS,
    PARTS,
    Part,
    drift_image,
    load_tasks,
    outdated_errors,
    tasks_digest,
)
from lab.drift.splicing import DriftSplicer
from lab.drift.tasks import SPLITS, DriftTask, prompts_digest
from lab.report import Meter
from lab.rows.evaluated_model import EvaluatedModel
from lab.rows.work import About
from learning.evaluation.samples import Sample, SampleFile
from learning.evaluation.statistics import wilson
from learning.experience.store import ExperienceStore
from learning.records import Sampling
from sandbox.box.docker_box import DockerSandbox
from sandbox.images.image import Image
from tui.running import run_async

_SET = "drift"


@click.command(help="Measure tasks on libraries whose API has changed since the model was trained.")
@click.option("--arm", type=click.Choice(ARMS), default="base", show_default=True)
@click.option("--split", type=click.Choice([*SPLITS, "all"]), default="all", show_default=True)
@asks_a_model
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
    if record and split != "experience":
        raise click.UsageError("--record needs --split experience: held-out tasks stay unseen")
    where, every = choice.where, load_tasks(folder, part)
    chosen = [task for task in every if split in ("all", task.split)]
    tasks = [task for task in chosen if fnmatch.fnmatchcase(task.id, ids)][:limit]
    cache = where.paths.sandbox / "wheels"
    image = drift_image(folder, settings=where.settings.sandbox, cache=cache, say=say)
    if only_verify:
        return verify_set(
            where, image, tasks, folder, whole=part == "all" and len(tasks) == len(every)
        )
    run = DriftRun(
        choice=choice,
        arm=arm,
        tries=tries,
        record=record,
        sampling=Sampling(temperature=temperature, seed=seed, max_tokens=max_tokens),
        tasks=tasks,
        data_sha256=tasks_digest(every),
        first_sha256=tasks_digest(load_tasks(folder, "first")) if first_replies else "",
        errors=outdated_errors(folder),
        notes=notes_before(
            arm, tasks, folder, contexts or where.paths.repository(Path.cwd()).contexts
        ),
        image=image,
        first_replies=first_replies,
    )
    with Meter() as meter:
        file = run_async(run.measure(meter))
    asked = {task.id for task in tasks}
    samples = [sample for sample in file.read().values() if sample.task_id in asked]
    show(file, samples, of_tasks=len(tasks), as_json=as_json)
    if not as_json:
        click.echo(_stale_line(samples))
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftRun:
    """One run of the command: the tasks, the arm, and the image in which programs are judged."""

    choice: ModelChoice
    arm: Arm
    tries: int
    record: bool
    sampling: Sampling
    tasks: Sequence[DriftTask]
    data_sha256: str
    """Digest of every task of the set, also those that are left out."""
    first_sha256: str
    """Digest of the tasks that the set began with; empty where no replies are taken over."""
    errors: Mapping[str, str]
    notes: Mapping[str, str]
    """Notes that are told before the first attempt, by task."""
    image: Image
    first_replies: Path | None = None
    """Results whose greedy first replies are taken over."""

    async def measure(self, meter: Meter) -> SampleFile:
        """Make the rows that are missing."""
        async with AsyncExitStack() as stack:
            opened = place_of(self.choice.where).judging(self.image.id, limits=DRIFT_LIMITS)
            judge = await stack.enter_async_context(opened)
            subject, file = await stack.enter_async_context(self._results(meter))
            replies = RememberedReplies(subject.generator, self._replies(subject))
            if self.first_replies is not None:
                taken = replies.take_over(
                    self.first_replies, self.tasks, file.manifest, sets=[self.first_sha256]
                )
                say(f"{taken} first replies are taken from {self.first_replies}")
            environment = await self._environment(stack)
            store = self._store(stack) if self.record or self.arm == "hints" else None
            await run_drift(
                self.tasks,
                replies,
                judge,
                file,
                tell=self._tell(environment, store),
                splice=DriftSplicer(subject.generator, replies, environment.names)
                if self.arm == "splice"
                else None,
                tries=self.tries,
                outdated_errors=self.errors,
                notes=self.notes,
                on_row=progress(_attempts_words),
                on_rollouts=self._recorder(store if self.record else None, subject),
            )
            return file

    def _results(
        self, meter: Meter
    ) -> AbstractAsyncContextManager[tuple[EvaluatedModel, SampleFile]]:
        # A run never goes on with results that were made under another wording of the facts.
        versions = {"facts": str(WORDING)} if self.arm in ("facts", "both", "splice") else {}
        if self.notes:
            versions["notes"] = hashlib.sha256(repr(self.notes).encode()).hexdigest()[:16]
        about = About(
            suite="drift",
            arm=self.arm if self.tries == 1 else f"{self.arm}-x{self.tries}",
            prompt="drift",
            prompt_sha256=prompts_digest(self.arm),
            data_sha256=self.data_sha256,
            sampling=self.sampling,
            versions=versions,
        )
        return self.choice.results(meter, about, image_id=self.image.id)

    def _replies(self, subject: EvaluatedModel) -> Path:
        """The file of this model's greedy replies, for all arms."""
        versions = sorted(subject.versions.items())
        about = (subject.name, subject.weights_sha256, subject.adapter, versions)
        digest = hashlib.sha256(repr(about).encode()).hexdigest()[:16]
        home = self.choice.where.paths.home
        return make_private(home / "evaluations" / "replies") / f"{digest}.jsonl"

    def _store(self, stack: AsyncExitStack) -> ExperienceStore:
        repository = self.choice.where.repository
        make_private(repository.home)
        return stack.enter_context(ExperienceStore.open(repository.experiences))

    def _tell(self, environment: Environment, store: ExperienceStore | None) -> Tell | None:
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
                return self._tell_hints(store)

    async def _environment(self, stack: AsyncExitStack) -> Environment:
        """The installed libraries, to be asked about themselves; the box starts with the first question."""
        paths = self.choice.where.paths
        session, lock_dir = f"eval-facts-{uuid.uuid4().hex[:8]}", make_private(paths.sandbox)
        box = await stack.enter_async_context(
            DockerSandbox(self.image.id, session=session, lock_dir=lock_dir)
        )
        cache = make_private(paths.home / "facts") / "drift.json"
        return Environment(box, image=self.image.id, cache=cache, say=say)

    def _tell_hints(self, store: ExperienceStore | None) -> Tell:
        lessons = lessons_of(store.list()) if store else ()
        if not lessons:
            raise EvaluationError(
                f"no repair is recorded for {self.choice.where.root}; first run "
                "`elagent eval drift --split experience --arm facts --record`"
            )
        return tell_hints(hint_finder(lessons))

    def _recorder(self, store: ExperienceStore | None, subject: EvaluatedModel) -> OnRollouts:
        session = f"drift-{uuid.uuid4().hex[:8]}"

        def on_rollouts(task: DriftTask, rollouts: Sequence[DriftRollout]) -> None:
            if store is not None:
                keep(
                    store,
                    task,
                    rollouts,
                    model=subject.name,
                    adapter=subject.adapter,
                    sampling=self.sampling,
                    session=session,
                    now=time.time(),
                )

        return on_rollouts


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
