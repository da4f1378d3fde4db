"""`elagent eval baselines`: other ways to learn from the same attempts, and controls, in one table."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path

import click

from agent.rounds.trial.program_judge import Judge
from agent.session.context import Context
from lab.article.results import Figure
from lab.article.settings import SettingsError, read_settings
from lab.commands.humaneval import humaneval_problems
from lab.commands.options import (
    JSON,
    Shipped,
    base_image,
    place_of,
    shipped_sets,
    shipped_settings,
)
from lab.commands.progress import counter, progress, say, step_line
from lab.commands.report import cost_line
from lab.drift.sets import drift_image, load_tasks, outdated_errors, pinned
from lab.report import compare, cost_of_replies, task_means
from lab.rows.evaluated_model import EvaluatedModel, our_versions
from lab.rows.rollouts import Rollout, kept_under, roll_out, rollout_file
from lab.training.arms import ARMS, Arm, examples_for, experience_of
from lab.training.suites import BaselineSettings, Suite, drift_suite, humaneval_suite
from lab.training.train import ArmAdapter, NothingLearned, arm_job, train_on_examples
from learning.evaluation.humaneval import DATA_SHA256
from learning.evaluation.prompting import Prompt
from learning.evaluation.run import answer_all, keys_of
from learning.evaluation.samples import ResultManifest, Sample, SampleFile
from learning.extra import need
from learning.model.catalog import InstalledModel, sha256_file
from learning.model.resolve import resolve
from learning.records import Sampling
from tui.running import run_async
from tui.wiring import context


@click.command(
    help="""Compare ways to learn from the same attempts, and controls, on held-out tasks.

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
    help="Folder of all results; a run that was cut off goes on there.",
)
@JSON
def baselines(*, config: Path, data: Path | None, out: Path, as_json: bool) -> int:
    need("The comparison of baselines")
    settings = read_settings(config, BaselineSettings)
    try:
        arms = settings.checked_arms()
    except ValueError as err:
        raise SettingsError(f"{config}: {err}.") from err
    if (needy := [arm.name for arm in arms if arm.needs_trl]) and find_spec("trl") is None:
        raise SettingsError(
            f'{", ".join(needy)}: TRL is not installed; pip install "elagent[baselines]"'
        )
    where = context(None)
    _keep_settings(out, settings)
    run = _BaselineRun(
        where=where,
        settings=settings,
        model=resolve(settings.model or where.settings.model.name, where.paths.models),
        folder=out,
        suite=_drift(where, data) if settings.suite == "drift" else _humaneval(where, data),
    )
    try:
        run_async(run.all())
    finally:  # an interrupted run prints its part, with the number of tasks
        for line in run.table() if not as_json else [json.dumps(run.record())]:
            click.echo(line)
    return 0


def _humaneval(where: Context, data: Path | None) -> Suite:
    """HumanEval, or a file in its format."""
    if data is not None and data.is_dir():
        raise SettingsError(f"{data} is a folder; --data is a file in HumanEval's format here")
    problems = humaneval_problems(where, data)
    return humaneval_suite(
        problems,
        data_sha256=sha256_file(data) if data else DATA_SHA256,
        image_id=base_image(where),
    )


def _drift(where: Context, data: Path | None) -> Suite:
    """The drift tasks of a folder; without one, those that come with elagent."""
    folder = data or shipped_sets()["drift"]
    tasks, errors = load_tasks(folder), outdated_errors(folder)
    cache = where.paths.sandbox / "wheels"
    image = drift_image(pinned(folder), settings=where.settings.sandbox, cache=cache, say=say)
    return drift_suite(tasks, errors, image_id=image.id)


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
class _BaselineRun:
    """One comparison, with its rollouts, adapters and samples so far."""

    where: Context
    settings: BaselineSettings
    model: InstalledModel
    folder: Path
    suite: Suite
    prompts: dict[str, Prompt] = field(default_factory=dict)
    """Prompts of the tasks to learn from."""
    rollouts: list[Rollout] = field(default_factory=list)
    adapters: dict[str, ArmAdapter | None] = field(default_factory=dict)
    greedy: dict[str, list[Sample]] = field(default_factory=dict)
    sampled: dict[str, list[Sample]] = field(default_factory=dict)

    async def all(self) -> None:
        """Make the rollouts, then learn and measure one arm after the other."""
        learn_from, held_out = self.suite.split(self.settings)
        image, limits = self.suite.image_id, self.suite.limits
        async with place_of(self.where).judging(image, limits=limits) as judge:
            tasks = self.suite.tasks(learn_from, judge)
            self.prompts = {task.id: task.prompt for task in tasks}
            await self._roll_out(learn_from, judge)
            for arm in self.settings.checked_arms():
                made = await self._learn(arm)
                self.adapters[arm.name] = made
                if arm.name == "base" or made is not None:
                    await self._measure(arm, made, held_out, judge)

    async def _roll_out(self, task_ids: list[str], judge: Judge) -> None:
        file = rollout_file(
            kept_under(
                self.folder,
                "attempts",
                weights=self.model.identity.weights_sha256,
                prompt=self.suite.prompt_sha256,
                data=self.suite.data_sha256,
            )
        )
        tasks = self.suite.tasks(task_ids, judge, judge_raw=False)
        done, wanted = file.read(), keys_of((task.id for task in tasks), self.settings.samples)
        if any(key not in done for key in wanted):
            async with self._subject(None) as asked:
                self.rollouts = await roll_out(
                    *(tasks, asked.generator, file, self._sampling(greedy=False)),
                    samples=self.settings.samples,
                    on_row=counter("attempts"),
                )
        else:
            self.rollouts = [done[key] for key in wanted]

    async def _learn(self, arm: Arm) -> ArmAdapter | None:
        experiences = [
            experience_of(each, self.prompts[each.task_id].messages, model=self.model.name)
            for each in self.rollouts
        ]
        seed = self.settings.seed
        made = await train_on_examples(
            self.folder / "arms" / arm.name,
            arm_job(
                *(arm.name, self.model, self.settings.training),
                prefix=f"baseline-{arm.name}",
                seed=seed,
                rule=arm.rule,
            ),
            examples_for(arm, experiences, seed=seed),
            worker=arm.worker,
            on_step=step_line(arm.name),
        )
        return None if isinstance(made, NothingLearned) else made

    def _sampling(self, *, greedy: bool) -> Sampling:
        settings = self.settings
        return Sampling(
            temperature=0.0 if greedy else settings.temperature,
            seed=settings.seed,
            max_tokens=settings.max_tokens,
        )

    async def _measure(
        self, arm: Arm, made: ArmAdapter | None, task_ids: list[str], judge: Judge
    ) -> None:
        for kind, count, samples in (
            ("greedy", 1, self.greedy),
            ("sampled", self.settings.measured, self.sampled),
        ):
            if not count:
                continue
            file = self._file(arm.name, made, kind)
            try:
                if len(file.read()) < count * len(task_ids):
                    async with self._subject(made) as asked:
                        await answer_all(
                            *(self.suite.tasks(task_ids, judge), asked.generator, file),
                            samples=count,
                            on_row=progress(),
                        )
            finally:  # a part of the samples counts, with its number of tasks
                samples[arm.name] = list(file.read().values())

    def _subject(self, made: ArmAdapter | None) -> AbstractAsyncContextManager[EvaluatedModel]:
        own, settings = self.where.settings.model, self.settings
        chosen = replace(
            own, name=settings.model or own.name, engine=settings.engine, base_url=None
        )
        return place_of(self.where).subject(chosen, (made.name, made.folder) if made else None)

    def _file(self, arm: str, made: ArmAdapter | None, kind: str) -> SampleFile:
        manifest = ResultManifest(
            suite="baselines",
            model=self.model.name,
            weights_sha256=self.model.identity.weights_sha256,
            adapter=made.name if made else None,
            arm=f"{arm}-{kind}",
            prompt=self.suite.prompt_name,
            prompt_sha256=self.suite.prompt_sha256,
            data_sha256=self.suite.data_sha256,
            sampling=self._sampling(greedy=kind == "greedy"),
            image_id=self.suite.image_id,
            versions={**our_versions(), "engine": self.settings.engine},
        )
        return SampleFile(self.folder / "samples" / f"{arm}-{kind}", manifest)

    def record(self) -> dict[str, object]:
        """All results so far, for programs."""
        return {
            "settings": asdict(self.settings),
            "sandbox_runs_learned_from": len(self.rollouts),
            "attempts_passed": sum(each.passed for each in self.rollouts),
            "attempts_cost": cost_of_replies(self.rollouts),
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
                for arm, made in self.adapters.items()
            },
        }

    def _stale(self, arm: str) -> int | None:
        """Greedy replies that end in an error of an API that is not there; in `drift` alone."""
        if self.settings.suite != "drift":
            return None
        return sum(sample.stale for sample in self.greedy.get(arm, []))

    def _cost(self, arm: str) -> dict[str, float]:
        """Cost of measuring this arm, without its training."""
        return cost_of_replies([*self.greedy.get(arm, []), *self.sampled.get(arm, [])])

    def table(self) -> list[str]:
        """One line for each arm that was run, complete or not."""
        passed = sum(each.passed for each in self.rollouts)
        lines = [
            f"learned from {len(self.rollouts)} judged attempts, {passed} of them passes",
            f"{'':9} {cost_line(cost_of_replies(self.rollouts))}",
        ]
        return [*lines, *(self._line(arm, made) for arm, made in self.adapters.items())]

    def _line(self, arm: str, made: ArmAdapter | None) -> str:
        scores = task_means(self.greedy.get(arm, []))
        if not scores:
            return f"{arm:9} nothing to learn from: {ARMS[arm].about}"
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
        return f"{text}: {ARMS[arm].about}\n{'':9} {cost_line(self._cost(arm))}"
