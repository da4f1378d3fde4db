"""`elagent eval baselines`: other ways to learn from the same attempts, and controls, in one table."""

from __future__ import annotations

import json
import os
import sys
import uuid
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import click

from agent.events import Event, LearnStep
from agent.paths import make_private
from agent.rounds.trial.program_judge import Judge, open_judge
from lab.arms import ABOUT, TRL_ARMS, Arm, BaselineSettings
from lab.article.results import Figure
from lab.article.rollouts import Rollout, kept_under, rollout_file
from lab.article.settings import SettingsError, read_settings
from lab.commands.humaneval import humaneval_problems
from lab.commands.options import (
    JSON,
    Shipped,
    our_versions,
    shipped_sets,
    shipped_settings,
    subject,
)
from lab.commands.progress import counter, progress, say, step_line
from lab.commands.report import cost_line, cost_of_replies
from lab.drift_set import drift_image, load_tasks, outdated_errors
from lab.evaluated_model import EvaluatedModel
from lab.report import compare, task_means
from lab.suites import DriftSuite, HumanEvalSuite, Suite
from lab.train import Trained, attempt, learn_arm, measured_sampling
from learning.evaluation.humaneval import DATA_SHA256
from learning.evaluation.prompting import Prompt
from learning.evaluation.run import answer_all
from learning.evaluation.samples import ResultManifest, Sample, SampleFile
from learning.model.catalog import InstalledModel, sha256_file
from learning.model.resolve import resolve
from sandbox.images.base import ensure_base
from tui.running import run_async
from tui.wiring import Context, context


@click.command(
    help="""Ways to learn from the same attempts, and controls, on held-out tasks.

    SETTINGS is one of """
    + ", ".join(shipped_settings("baselines"))
    + ", or a file."
)
@click.argument("config", type=Shipped(shipped_settings("baselines")), metavar="SETTINGS")
@click.option(
    "--data",
    type=click.Path(exists=True, path_type=Path),
    metavar="PATH",
    help="A file in HumanEval's format, or a folder of drift tasks, instead of the shipped ones.",
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    required=True,
    help="Where everything is kept; a run that was cut off goes on there.",
)
@JSON
def baselines(*, config: Path, data: Path | None, out: Path, as_json: bool) -> int:
    settings = read_settings(config, BaselineSettings)
    try:
        arms = settings.checked_arms()
    except ValueError as err:
        raise SettingsError(f"{config}: {err}.") from err
    if (needy := [arm for arm in arms if arm in TRL_ARMS]) and find_spec("trl") is None:
        raise SettingsError(
            f'{", ".join(needy)}: TRL is not installed; pip install "elagent[baselines]"'
        )
    where = context(None)
    _keep_settings(out, settings)
    run = _Run(
        where=where,
        settings=settings,
        model=resolve(settings.model or where.settings.model.name, where.paths.models),
        folder=out,
        suite=_drift(where, data) if settings.suite == "drift" else _humaneval(where, data),
    )
    try:
        run_async(run.all())
    finally:  # also of a part: with its n
        for line in run.table() if not as_json else [json.dumps(run.record())]:
            click.echo(line)
    return 0


def _humaneval(where: Context, data: Path | None) -> Suite:
    """HumanEval, or a file in its format."""
    if data is not None and data.is_dir():
        raise SettingsError(f"{data} is a folder; --data is a file in HumanEval's format here")
    problems = humaneval_problems(where, data)
    return HumanEvalSuite(
        problems={problem.task_id: problem for problem in problems},
        data_sha256=sha256_file(data) if data else DATA_SHA256,
        image_id=ensure_base(source=where.settings.sandbox.image, on_progress=say).id,
    )


def _drift(where: Context, data: Path | None) -> Suite:
    """The drift tasks of a folder, the shipped ones without."""
    folder = data or shipped_sets()["drift"]
    tasks, errors = load_tasks(folder), outdated_errors(folder)
    cache = where.paths.sandbox / "wheels"
    image = drift_image(folder, settings=where.settings.sandbox, cache=cache, say=say)
    return DriftSuite(
        all={task.id: task for task in tasks}, outdated_errors=errors, image_id=image.id
    )


def _keep_settings(out: Path, settings: BaselineSettings) -> None:
    """Leave the settings in the folder.

    Raises:
        SettingsError: If it holds what was made under others.
    """
    out.mkdir(parents=True, exist_ok=True)
    path, text = out / "settings.json", json.dumps(asdict(settings), indent=1) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise SettingsError(f"{out} holds results of other settings; give another --out")
    path.write_text(text, encoding="utf-8")


@dataclass(kw_only=True)
class _Run:
    """One comparison, with what it has made so far."""

    where: Context
    settings: BaselineSettings
    model: InstalledModel
    folder: Path
    suite: Suite
    prompts: dict[str, Prompt] = field(default_factory=dict)
    """Of the tasks that are learned from."""
    attempts: list[Rollout] = field(default_factory=list)
    trained: dict[Arm, Trained | None] = field(default_factory=dict)
    greedy: dict[Arm, list[Sample]] = field(default_factory=dict)
    sampled: dict[Arm, list[Sample]] = field(default_factory=dict)

    async def all(self) -> None:
        """Attempts, then one arm after the other: learned, then measured."""
        learn_from, held_out = self.suite.split(self.settings)
        judging = open_judge(
            self.suite.image_id,
            lock_dir=make_private(self.where.paths.sandbox),
            session=f"eval-{uuid.uuid4().hex[:8]}",
            limits=self.suite.limits,
        )
        async with judging as judge:
            tasks = self.suite.tasks(learn_from, judge)
            self.prompts = {task.id: task.prompt for task in tasks}
            await self._attempt(learn_from, judge)
            for arm in self.settings.checked_arms():
                made = await self._learn(arm)
                self.trained[arm] = made
                if arm == "base" or made is not None:
                    await self._measure(arm, made, held_out, judge)

    async def _attempt(self, task_ids: list[str], judge: Judge) -> None:
        file = rollout_file(
            kept_under(
                self.folder,
                "attempts",
                weights=self.model.identity.weights_sha256,
                prompt=self.suite.prompt_sha256,
                data=self.suite.data_sha256,
            )
        )
        done = file.read()
        wanted = [
            (task_id, index) for task_id in task_ids for index in range(self.settings.samples)
        ]
        if any(key not in done for key in wanted):
            async with self._subject(None) as asked:
                await attempt(
                    *(self.suite.tasks(task_ids, judge, judge_raw=False), asked.generator, file),
                    settings=self.settings,
                    on_row=counter("attempts"),
                )
            done = file.read()
        self.attempts = [done[key] for key in wanted]

    async def _learn(self, arm: Arm) -> Trained | None:
        line = step_line(arm)

        def show(event: Event) -> None:
            if isinstance(event, LearnStep):
                line(event.step, event.steps, event.loss)

        return await learn_arm(
            arm,
            self.attempts,
            self.prompts,
            self.folder / "arms",
            model=self.model,
            settings=self.settings,
            environ=os.environ,
            python=sys.executable,
            on_event=show,
        )

    async def _measure(
        self, arm: Arm, made: Trained | None, task_ids: list[str], judge: Judge
    ) -> None:
        for kind, count, samples in (
            ("greedy", 1, self.greedy),
            ("sampled", self.settings.measured, self.sampled),
        ):
            if not count:
                continue
            file = self._file(arm, made, kind)
            try:
                if len(file.read()) < count * len(task_ids):
                    async with self._subject(made) as asked:
                        await answer_all(
                            *(self.suite.tasks(task_ids, judge), asked.generator, file),
                            samples=count,
                            on_row=progress(),
                        )
            finally:  # what was measured so far counts with its n
                samples[arm] = list(file.read().values())

    def _subject(self, made: Trained | None) -> AbstractAsyncContextManager[EvaluatedModel]:
        own, settings = self.where.settings.model, self.settings
        chosen = replace(
            own, name=settings.model or own.name, engine=settings.engine, base_url=None
        )
        return subject(self.where, chosen, (made.name, made.folder) if made else None)

    def _file(self, arm: Arm, made: Trained | None, kind: str) -> SampleFile:
        manifest = ResultManifest(
            suite="baselines",
            model=self.model.name,
            weights_sha256=self.model.identity.weights_sha256,
            adapter=made.name if made else None,
            arm=f"{arm}-{kind}",
            prompt=self.suite.prompt_name,
            prompt_sha256=self.suite.prompt_sha256,
            data_sha256=self.suite.data_sha256,
            sampling=measured_sampling(self.settings, greedy=kind == "greedy"),
            image_id=self.suite.image_id,
            versions={**our_versions(), "engine": self.settings.engine},
        )
        return SampleFile(self.folder / "samples" / f"{arm}-{kind}", manifest)

    def record(self) -> dict[str, object]:
        """Everything that is known, for programs."""
        return {
            "settings": asdict(self.settings),
            "sandbox_runs_learned_from": len(self.attempts),
            "attempts_passed": sum(each.passed for each in self.attempts),
            "attempts_cost": cost_of_replies(self.attempts),
            "arms": {
                arm: {
                    "greedy": task_means(self.greedy.get(arm, [])),
                    "sampled": task_means(self.sampled.get(arm, [])),
                    "stale_api_errors": self._stale(arm),
                    "cost": self._cost(arm),
                    "examples": made.examples if made else 0,
                    "steps": made.steps if made else 0,
                    "seconds_training": made.seconds if made else 0.0,
                }
                for arm, made in self.trained.items()
            },
        }

    def _stale(self, arm: Arm) -> int | None:
        """Greedy replies that end in an error of an API that is not there; in `drift` alone."""
        if self.settings.suite != "drift":
            return None
        return sum(sample.stale for sample in self.greedy.get(arm, []))

    def _cost(self, arm: Arm) -> dict[str, float]:
        """What measuring this arm took; its training is told beside it."""
        return cost_of_replies([*self.greedy.get(arm, []), *self.sampled.get(arm, [])])

    def table(self) -> list[str]:
        """One line for each arm that was run, complete or not."""
        passed = sum(each.passed for each in self.attempts)
        lines = [
            f"learned from {len(self.attempts)} judged attempts, {passed} of them passes",
            f"{'':9} {cost_line(cost_of_replies(self.attempts))}",
        ]
        return [*lines, *(self._line(arm, made) for arm, made in self.trained.items())]

    def _line(self, arm: Arm, made: Trained | None) -> str:
        scores = task_means(self.greedy.get(arm, []))
        if not scores:
            return f"{arm:9} nothing to learn from: {ABOUT[arm]}"
        mean = Figure.of(list(scores.values()), seed=self.settings.seed)
        text = f"{arm:9} {mean.value:5.1f} ({mean.low:.0f} to {mean.high:.0f}), n = {len(scores)}"
        if (stale := self._stale(arm)) is not None:
            text += f", {stale} stale-API errors"
        if sampled := task_means(self.sampled.get(arm, [])):
            text += f", sampled {Figure.of(list(sampled.values())).value:5.1f}"
        if made is not None:
            beside = compare(task_means(self.greedy["base"]), scores, seed=self.settings.seed)
            text += (
                f"; {len(beside.won)} won, {len(beside.lost)} lost against the base;"
                f" {made.steps} steps on {made.examples} examples in {made.seconds:.0f} s"
            )
        return f"{text}: {ABOUT[arm]}\n{'':9} {cost_line(self._cost(arm))}"
