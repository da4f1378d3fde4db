"""`elagent eval article gsm8k`: explanations of own attempts at 256 problems, then the test set."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path

import click

from agent.events import Event, LearnStep
from lab.article.grpo import learn_grpo
from lab.article.gsm8k import (
    arms_of,
    attempt_all,
    chosen,
    explanation_prompt,
    lessons_of,
    rows_of,
)
from lab.article.results import ExperimentResult, save_experiment
from lab.article.rollouts import Rollout, kept_under, rollout_file
from lab.article.rounds import Learned, learn
from lab.article.settings import Gsm8kSettings
from lab.commands.article.shared import (
    NO_EXPLAINER,
    NO_GRPO,
    NO_REWARD,
    checked_settings,
    common_options,
    cost_of,
    explanations,
    folder_of,
    subject_of,
)
from lab.commands.article.view import finish
from lab.commands.gsm8k import NO_WORD_PROBLEMS, WORD_PROBLEMS
from lab.commands.options import data_file, our_versions
from lab.commands.progress import counter, progress, step_line
from lab.gsm8k import WordProblem, load_word_problems, prompt_digest, word_tasks
from lab.report import task_means
from learning.evaluation.run import answer_all
from learning.evaluation.samples import ResultManifest, Sample, SampleFile
from learning.model.catalog import InstalledModel, sha256_file
from learning.model.resolve import resolve
from learning.records import Sampling
from tui.running import run_async
from tui.wiring import Context, context


@click.command("gsm8k", help="3: word problems with a chain of thought, learned from explanations.")
@data_file(f"{WORD_PROBLEMS}: what is learned from.", "--train", missing=NO_WORD_PROBLEMS)
@data_file(f"{WORD_PROBLEMS}: what is measured.", "--test", missing=NO_WORD_PROBLEMS)
@common_options("gsm8k")
def gsm8k(
    *, train: Path, test: Path, config: Path, out: Path | None, html: Path | None, as_json: bool
) -> int:
    settings = checked_settings(config, Gsm8kSettings, arms_of)
    where = context(None)
    train_sha256, test_sha256 = sha256_file(train), sha256_file(test)
    folder = folder_of(where, "gsm8k", settings, f"{train_sha256[:8]}-{test_sha256[:8]}", out)
    model = resolve(settings.model or where.settings.model.name, where.paths.models)
    run = _Run(
        where=where,
        settings=settings,
        model=model,
        folder=folder,
        train_sha256=train_sha256,
        data_sha256=test_sha256,
        train=chosen(load_word_problems(train), settings.train, settings.seed),
        test=chosen(load_word_problems(test), settings.test, settings.seed),
    )
    finish(folder, run_async(run.outcome()), html=html, as_json=as_json)
    return 0


@dataclass(kw_only=True)
class _Run:
    """One run of the command, with what it has made so far."""

    where: Context
    settings: Gsm8kSettings
    model: InstalledModel
    folder: Path
    train_sha256: str
    data_sha256: str
    """Of the file that is measured."""
    train: Sequence[WordProblem]
    test: Sequence[WordProblem]
    samples: list[Sample] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)

    @property
    def sampling(self) -> Sampling:
        settings = self.settings
        return Sampling(
            temperature=settings.temperature, seed=settings.seed, max_tokens=settings.max_tokens
        )

    async def outcome(self) -> ExperimentResult:
        """Everything that is still missing; what there is is kept after each arm."""
        attempts = await self._attempts()
        bare = await self._measured("bare", None)
        asked = {
            problem.task_id: explanation_prompt(problem, attempt)
            for problem, attempt in zip(self.train, attempts, strict=True)
        }
        explained = await explanations(*(self.where, self.settings.explainer, asked, self.folder))
        after: dict[str, dict[str, float]] = {}
        reasons: dict[str, str] = {}
        for arm in arms_of(self.settings):
            if arm == "grpo":
                made = await self._grpo()
            else:
                made = await self._learned(arm, attempts, explained)
            if made is None:
                reasons[arm] = _reason(arm)
                continue
            self.learned.append(made)
            after[arm] = await self._measured(arm, made)
            save_experiment(self.folder, self._outcome(bare, after, reasons))
        return self._outcome(bare, after, reasons)

    async def _learned(
        self, arm: str, attempts: Sequence[Rollout], explained: Mapping[str, str]
    ) -> Learned | None:
        """A round from notes on the attempts; None without explanations."""
        if not (lessons := lessons_of(self.train, attempts, arm, explained)):
            return None
        return await asyncio.to_thread(
            learn,
            *(self.model, lessons, self.settings.learning, self.folder / "rounds"),
            arm=arm,
            seed=self.settings.seed,
            on_step=step_line(arm),
        )

    async def _grpo(self) -> Learned | None:
        """GRPO on the training problems; None without TRL or a reward."""
        if not _has_trl():
            return None
        line = step_line("grpo")

        def show(event: Event) -> None:
            if isinstance(event, LearnStep):
                line(event.step, event.steps, event.loss)

        made = await learn_grpo(
            self.train,
            self.folder / "rounds",
            model=self.model,
            settings=self.settings,
            environ=os.environ,
            python=sys.executable,
            on_event=show,
        )
        if made is None:
            return None
        return Learned(
            name=made.name,
            folder=made.folder,
            steps=made.steps,
            lessons=made.examples,
            tokens=made.tokens,
            seconds=made.seconds,
        )

    def _outcome(
        self,
        bare: Mapping[str, float],
        after: Mapping[str, Mapping[str, float]],
        reasons: Mapping[str, str],
    ) -> ExperimentResult:
        return ExperimentResult(
            experiment="gsm8k",
            model=self.model.name,
            settings=asdict(self.settings),
            rows=rows_of(self.settings, bare, after, reasons),
            cost=cost_of(self.samples, self.learned),
        )

    async def _attempts(self) -> list[Rollout]:
        file = rollout_file(
            kept_under(
                self.folder,
                "attempts",
                weights=self.model.identity.weights_sha256,
                engine=self.settings.engine,
                prompt=prompt_digest(),
                data=self.train_sha256,
                sampling=asdict(self.sampling),
            )
        )
        done = file.read()
        if all((problem.task_id, 0) in done for problem in self.train):
            return [done[problem.task_id, 0] for problem in self.train]
        async with subject_of(
            self.where, self.settings.model, self.settings.engine, None
        ) as subject:
            return await attempt_all(
                *(self.train, subject.generator, file, self.sampling), on_row=counter("attempts")
            )

    async def _measured(self, arm: str, learned: Learned | None) -> dict[str, float]:
        """Accuracy by problem; what is on the disk is not asked again."""
        place = self.folder / (f"{arm}-{learned.name[-8:]}" if learned else arm)
        file = SampleFile(place, self._manifest(arm, learned))
        done = file.read()
        if any((problem.task_id, 0) not in done for problem in self.test):
            async with subject_of(
                *(self.where, self.settings.model, self.settings.engine, learned)
            ) as subject:
                done = await answer_all(
                    word_tasks(self.test), subject.generator, file, on_row=progress()
                )
        self.samples += done.values()
        return task_means(done.values())

    def _manifest(self, arm: str, learned: Learned | None) -> ResultManifest:
        return ResultManifest(
            suite="article-gsm8k",
            model=self.model.name,
            weights_sha256=self.model.identity.weights_sha256,
            adapter=learned.name if learned else None,
            arm=arm,
            prompt="chain of thought",
            prompt_sha256=prompt_digest(),
            data_sha256=self.data_sha256,
            sampling=self.sampling,
            image_id="",
            versions={**our_versions(), "engine": self.settings.engine},
        )


def _reason(arm: str) -> str:
    """Why an arm has no adapter."""
    if arm != "grpo":
        return NO_EXPLAINER
    return NO_REWARD if _has_trl() else NO_GRPO


def _has_trl() -> bool:
    return find_spec("trl") is not None
