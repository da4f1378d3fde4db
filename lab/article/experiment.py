"""One run of an article's experiment: rollouts, explanations, adapters and measurements, each made once.

Everything is kept in the run's folder, so that a run that was cut off goes on where it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from lab.article.explaining import explain_all
from lab.article.published import Experiment
from lab.article.results import ArmRow, Curve, ExperimentResult, is_of, save_experiment
from lab.article.settings import (
    ExperimentSettings,
    Explainer,
    LearningSettings,
    SampledSettings,
)
from lab.report import cost_of_replies, task_means
from lab.rows.evaluated_model import EvaluatedModel
from lab.rows.rollouts import (
    Observe,
    Rollout,
    explanation_file,
    kept_under,
    roll_out,
    rollout_file,
)
from lab.training.feedback import FeedbackExample
from lab.training.train import ArmAdapter, NothingLearned, OnStep, arm_job, train_on_feedback
from learning.evaluation.run import OnRow, answer_all, keys_of
from learning.evaluation.samples import ResultManifest, Sample, SampleFile
from learning.evaluation.task import Task
from learning.model.catalog import InstalledModel
from learning.promotion.manifest import adapter_prefix
from learning.records import Sampling
from learning.training.job import TrainingError

NO_EXPLAINER = "not run: no model to explain ([explainer] in the settings)"

OpenModel = Callable[[ArmAdapter | None], AbstractAsyncContextManager[EvaluatedModel]]
"""Opens the model of the experiment, bare or with an adapter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSource:
    """A source of tasks: the words of their prompts, their data, and the image of their judge."""

    prompt: str
    prompt_sha256: str
    data_sha256: str
    image_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressLines:
    """Lines for the person while an experiment runs."""

    rows: Callable[[str], OnRow[object]]
    samples: Callable[[], OnRow[Sample]]
    steps: Callable[[str], OnStep]


def sampling_of(settings: SampledSettings) -> Sampling:
    """Settings for the rollouts and the measurements of an experiment."""
    return Sampling(
        temperature=settings.temperature, seed=settings.seed, max_tokens=settings.max_tokens
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRun:
    """The model and the folder of one run, with the samples and adapters that it has so far."""

    experiment: Experiment
    settings: ExperimentSettings
    model: InstalledModel
    folder: Path
    versions: Mapping[str, str]
    open_model: OpenModel
    open_explainer: Callable[[Explainer], AbstractAsyncContextManager[EvaluatedModel]]
    lines: ProgressLines
    samples: list[Sample] = field(default_factory=list)
    adapters: list[ArmAdapter] = field(default_factory=list)

    async def rollouts(
        self,
        tasks: Sequence[Task],
        source: TaskSource,
        settings: SampledSettings,
        *,
        samples: int = 1,
        observe: Observe | None = None,
    ) -> list[Rollout]:
        """Rollouts of the bare model; without missing ones the model is not opened."""
        sampling = sampling_of(settings)
        path = kept_under(
            self.folder,
            "attempts",
            weights=self.model.identity.weights_sha256,
            engine=settings.engine,
            prompt=source.prompt_sha256,
            data=source.data_sha256,
            sampling=asdict(sampling),
        )
        file, wanted = rollout_file(path), keys_of((task.id for task in tasks), samples)
        done = file.read()
        if all(key in done for key in wanted):
            return [done[key] for key in wanted]
        async with self.open_model(None) as subject:
            return await roll_out(
                *(tasks, subject.generator, file, sampling),
                samples=samples,
                observe=observe,
                on_row=self.lines.rows("attempts"),
            )

    async def explanations(
        self, asked: Mapping[str, str], *, refused: Callable[[str], bool] = lambda _text: False
    ) -> dict[str, str]:
        """Explanations by the model that the settings name, by key; none if they name no model."""
        chosen = self.settings.explainer
        if not chosen.model:
            return {}
        store = explanation_file(
            kept_under(self.folder, "explanations", explainer=asdict(chosen), asked=dict(asked))
        )
        done = store.read()
        if asked.keys() <= done.keys():
            return {key: done[key] for key in asked}
        async with self.open_explainer(chosen) as explainer:
            return await explain_all(
                *(asked, explainer.generator, store),
                max_tokens=chosen.max_tokens,
                refused=refused,
                on_row=self.lines.rows("explanations"),
            )

    async def learn(
        self,
        arm: str,
        examples: Sequence[FeedbackExample],
        learning: LearningSettings,
        *,
        seed: int,
    ) -> ArmAdapter:
        """The adapter of an arm, made now or before.

        Raises:
            TrainingError: If there is nothing to learn from.
            LearnerFailedError: If the worker ended with an error.
        """
        job = arm_job(
            *(arm, self.model, learning.limits),
            prefix=adapter_prefix(f"article-{arm}", 1),
            seed=seed,
            rule=learning.training_rule(),
        )
        made = await train_on_feedback(
            self.folder / "rounds", job, examples, on_step=self.lines.steps(arm)
        )
        if isinstance(made, NothingLearned):
            raise TrainingError(
                f"{arm} learned nothing: {made.reason} (examples of {learning.max_tokens} tokens at most)"
            )
        self.adapters.append(made)
        return made

    async def measure(
        self,
        name: str,
        adapter: ArmAdapter | None,
        tasks: Sequence[Task],
        source: TaskSource,
        settings: SampledSettings,
        *,
        arm: str,
        samples: int = 1,
    ) -> dict[str, float]:
        """Mean score of each task; without missing samples the model is not opened."""
        place = self.folder / (f"{name}-{adapter.name[-8:]}" if adapter else name)
        manifest = self.manifest(
            *(arm, adapter, source), sampling_of(settings), {"engine": settings.engine}
        )
        file = SampleFile(place, manifest)
        done = file.read()
        if any(key not in done for key in keys_of((task.id for task in tasks), samples)):
            async with self.open_model(adapter) as subject:
                done = await answer_all(
                    *(tasks, subject.generator, file),
                    samples=samples,
                    on_row=self.lines.samples(),
                )
        self.samples.extend(done.values())
        return task_means(done.values())

    def manifest(
        self,
        arm: str,
        adapter: ArmAdapter | None,
        source: TaskSource,
        sampling: Sampling,
        versions: Mapping[str, str],
    ) -> ResultManifest:
        """Everything that the results of an arm depend on."""
        return ResultManifest(
            suite=f"article-{self.experiment}",
            model=self.model.name,
            weights_sha256=self.model.identity.weights_sha256,
            adapter=adapter.name if adapter else None,
            arm=arm,
            prompt=source.prompt,
            prompt_sha256=source.prompt_sha256,
            data_sha256=source.data_sha256,
            sampling=sampling,
            image_id=source.image_id,
            versions={**self.versions, **versions},
        )

    def begin(self, rows: Sequence[ArmRow]) -> None:
        """Write a result without figures, unless an earlier run of this model and settings left one."""
        if not is_of(self.folder, self.model.name, asdict(self.settings)):
            self.save(rows)

    def save(
        self,
        rows: Sequence[ArmRow],
        measuring: Mapping[str, float] | None = None,
        *,
        curves: Sequence[Curve] = (),
        found: Mapping[str, str] | None = None,
    ) -> ExperimentResult:
        """Write the result so far; `measuring` is the cost of measuring, by default the samples'."""
        cost = cost_of_replies(self.samples) if measuring is None else measuring
        result = ExperimentResult(
            experiment=self.experiment,
            model=self.model.name,
            settings=asdict(self.settings),
            rows=tuple(rows),
            cost={
                **cost,
                "tokens learned": sum(item.tokens for item in self.adapters),
                "s of learning": sum(item.seconds for item in self.adapters),
            },
            curves=tuple(curves),
            found=found or {},
        )
        save_experiment(self.folder, result)
        return result
