"""`elagent eval article humaneval`: learned on one half of the tasks, measured on the other."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click

from agent.paths import make_private
from agent.rounds.trial.program_judge import WarmJudge
from agent.rounds.trial.regression import humaneval_tasks
from lab.article.humaneval import (
    Halves,
    arms_of,
    attempt_all,
    attempt_key,
    explanation_prompt,
    lessons_of,
    rows_of,
    splits_of,
)
from lab.article.results import ArmRow, ExperimentResult, save_experiment
from lab.article.rollouts import Rollout, kept_under, rollout_file
from lab.article.rounds import Learned, learn
from lab.article.settings import HumanEvalSettings
from lab.commands.article.shared import (
    NO_EXPLAINER,
    checked_settings,
    common_options,
    cost_of,
    explanations,
    folder_of,
    subject_of,
)
from lab.commands.article.view import finish
from lab.commands.humaneval import humaneval_problems
from lab.commands.options import data_file, our_versions
from lab.commands.progress import counter, progress, say, step_line
from lab.report import task_means
from learning.evaluation import prompting
from learning.evaluation.humaneval import DATA_SHA256, Problem
from learning.evaluation.run import answer_all
from learning.evaluation.samples import ResultManifest, Sample, SampleFile
from learning.model.catalog import InstalledModel, sha256_file
from learning.model.resolve import resolve
from learning.records import Sampling
from sandbox.images.base import ensure_base
from sandbox.warm.pool import WarmSandbox
from tui.running import run_async
from tui.wiring import Context, context


@click.command("humaneval", help="2: halves of HumanEval, learned and measured, several times.")
@data_file("A file in HumanEval's format instead of the 164 tasks.")
@common_options("humaneval")
def humaneval(
    *, data: Path | None, config: Path, out: Path | None, html: Path | None, as_json: bool
) -> int:
    settings = checked_settings(config, HumanEvalSettings, arms_of)
    where = context(None)
    data_sha256 = sha256_file(data) if data else DATA_SHA256
    problems = humaneval_problems(where, data)
    folder = folder_of(where, "humaneval", settings, data_sha256[:8], out)
    run = _Run(
        where=where,
        settings=settings,
        model=resolve(settings.model or where.settings.model.name, where.paths.models),
        folder=folder,
        data_sha256=data_sha256,
        image_id=ensure_base(source=where.settings.sandbox.image, on_progress=say).id,
        problems={problem.task_id: problem for problem in problems[: settings.tasks]},
    )
    finish(folder, run_async(run.outcome()), html=html, as_json=as_json)
    return 0


@dataclass(kw_only=True)
class _Run:
    """One run of the command, with what it has made so far."""

    where: Context
    settings: HumanEvalSettings
    model: InstalledModel
    folder: Path
    data_sha256: str
    image_id: str
    problems: Mapping[str, Problem]
    samples: list[Sample] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)

    @property
    def sampling(self) -> Sampling:
        settings = self.settings
        return Sampling(
            temperature=settings.temperature, seed=settings.seed, max_tokens=settings.max_tokens
        )

    async def outcome(self) -> ExperimentResult:
        """Everything that is still missing; what there is is kept after each arm of each split."""
        settings = self.settings
        splits = splits_of(list(self.problems), count=settings.splits, seed=settings.seed)
        async with AsyncExitStack() as stack:
            warm = await stack.enter_async_context(
                WarmSandbox(
                    self.image_id,
                    session=f"eval-{uuid.uuid4().hex[:8]}",
                    lock_dir=make_private(self.where.paths.sandbox),
                    boxes=2,
                )
            )
            attempts = await self._attempts(warm)
            asked = {
                attempt_key(item): explanation_prompt(self.problems[item.task_id], item)
                for item in attempts
            }
            explained = await explanations(*(self.where, settings.explainer, asked, self.folder))
            after: dict[str, dict[tuple[int, str], float]] = {}
            reasons = {} if explained else {"explained": NO_EXPLAINER}
            for halves in splits:
                for arm in arms_of(settings):
                    if arm not in reasons:
                        scores = after.setdefault(arm, {})
                        scores |= await self._one(arm, halves, attempts, explained, warm)
                        rows = rows_of(settings, splits, _means(attempts), after, reasons)
                        save_experiment(self.folder, self._outcome(rows))
        rows = rows_of(settings, splits, _means(attempts), after, reasons)
        return self._outcome(rows)

    def _outcome(self, rows: tuple[ArmRow, ...]) -> ExperimentResult:
        return ExperimentResult(
            experiment="humaneval",
            model=self.model.name,
            settings=asdict(self.settings),
            rows=rows,
            cost=cost_of(self.samples, self.learned),
        )

    async def _attempts(self, warm: WarmSandbox) -> list[Rollout]:
        file = rollout_file(
            kept_under(
                self.folder,
                "attempts",
                weights=self.model.identity.weights_sha256,
                engine=self.settings.engine,
                prompt=prompting.digest("chat"),
                data=self.data_sha256,
                sampling=asdict(self.sampling),
            )
        )
        done = file.read()
        wanted = [(id_, index) for id_ in self.problems for index in range(self.settings.samples)]
        if any(key not in done for key in wanted):
            async with subject_of(
                *(self.where, self.settings.model, self.settings.engine, None)
            ) as subject:
                done = await attempt_all(
                    *(list(self.problems.values()), subject.generator, WarmJudge(warm), warm, file),
                    sampling=self.sampling,
                    samples=self.settings.samples,
                    on_row=counter("attempts"),
                )
        return [done[key] for key in wanted]

    async def _one(
        self,
        arm: str,
        halves: Halves,
        attempts: list[Rollout],
        explained: Mapping[str, str],
        warm: WarmSandbox,
    ) -> dict[tuple[int, str], float]:
        """One arm on one split: learn, then measure; scores by split and task."""
        own = [attempt for attempt in attempts if attempt.task_id in halves.learn]
        name = f"{arm}-{halves.number}"
        made = await asyncio.to_thread(
            learn,
            self.model,
            lessons_of(self.problems, own, arm, explained),
            self.settings.learning,
            self.folder / "rounds",
            arm=name,
            seed=self.settings.seed + halves.number,
            on_step=step_line(name),
        )
        self.learned.append(made)
        place = self.folder / f"{name}-{made.name[-8:]}"
        file = SampleFile(place, self._manifest(arm, made))
        done, samples = file.read(), self.settings.samples
        if any((id_, index) not in done for id_ in halves.measure for index in range(samples)):
            async with subject_of(
                *(self.where, self.settings.model, self.settings.engine, made)
            ) as subject:
                tasks = humaneval_tasks(
                    [self.problems[id_] for id_ in halves.measure], WarmJudge(warm), "chat"
                )
                done = await answer_all(
                    *(tasks, subject.generator, file), samples=samples, on_row=progress()
                )
        self.samples += done.values()
        means = task_means(done.values())
        return {(halves.number, task): score for task, score in means.items()}

    def _manifest(self, arm: str, learned: Learned) -> ResultManifest:
        return ResultManifest(
            suite="article-humaneval",
            model=self.model.name,
            weights_sha256=self.model.identity.weights_sha256,
            adapter=learned.name,
            arm=arm,
            prompt="chat",
            prompt_sha256=prompting.digest("chat"),
            data_sha256=self.data_sha256,
            sampling=self.sampling,
            image_id=self.image_id,
            versions={**our_versions(), "engine": self.settings.engine},
        )


def _means(attempts: list[Rollout]) -> dict[str, float]:
    """Share of passing attempts of each task."""
    found: dict[str, list[bool]] = {}
    for attempt in attempts:
        found.setdefault(attempt.task_id, []).append(attempt.passed)
    return {task: sum(passed) / len(passed) for task, passed in found.items()}
