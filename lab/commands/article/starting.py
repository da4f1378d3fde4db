"""Joins each of the article's experiments with its model, its files and its folder."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from agent.paths import make_private
from agent.rounds.trial.program_judge import WarmJudge
from agent.session.context import Context
from lab.article.asking import Enough, Load, ask_kept
from lab.article.experiment import ExperimentRun, ProgressLines, TaskSource
from lab.article.explaining import explainer_settings
from lab.article.gsm8k import WordProblems, run_gsm8k
from lab.article.humaneval import run_humaneval
from lab.article.lessons import Lesson, Probe, Readings, Teach, steps_for, teach
from lab.article.letters import Chances
from lab.article.mmlu import Subject, run_mmlu, tells_a_letter
from lab.article.mmlu_rows import FORMAT, MmluFindings, curves_of, rows_of, words_of
from lab.article.noise import run_noise
from lab.article.published import Experiment
from lab.article.results import ExperimentResult
from lab.article.settings import (
    ExperimentSettings,
    Explainer,
    Gsm8kSettings,
    HumanEvalSettings,
    LearningSettings,
    MmluSettings,
    NoiseSettings,
    WordSettings,
    digest,
)
from lab.benchmarks.gsm8k import load_word_problems
from lab.benchmarks.mmlu import (
    ChoiceQuestion,
    Score,
    ShiftFile,
    load_questions,
    prompts_digest,
    shift_file,
)
from lab.commands.humaneval import humaneval_problems
from lab.commands.options import base_image, place_of
from lab.commands.progress import Counted, counter, progress, say, step_line
from lab.prompt_files import filled
from lab.rows.evaluated_model import EvaluatedModel, our_versions
from lab.training.feedback import FeedbackExample
from lab.training.suites import drawn
from lab.training.train import ArmAdapter, arm_job
from learning.evaluation import prompting
from learning.evaluation.humaneval import DATA_SHA256
from learning.evaluation.local import LocalModel
from learning.model.catalog import InstalledModel, sha256_file
from learning.model.chat import ChatFormat
from learning.model.resolve import resolve
from learning.records import Sampling
from sandbox.warm.pool import WarmSandbox
from tui.wiring import context


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """An experiment that is ready to run: its folder, and the rest of its work."""

    folder: Path
    result: Coroutine[Any, Any, ExperimentResult]


def start_gsm8k(settings: Gsm8kSettings, train: Path, test: Path, out: Path | None) -> Started:
    """The third experiment on files of problems."""
    learn, measure, data = _word_problems(settings, train, test)
    run = _run(context(None), "gsm8k", settings, data, out, engine=settings.engine)
    return Started(folder=run.folder, result=run_gsm8k(run, settings, learn, measure))


def start_noise(settings: NoiseSettings, train: Path, test: Path, out: Path | None) -> Started:
    """The fourth experiment on files of problems."""
    learn, measure, data = _word_problems(settings, train, test)
    run = _run(context(None), "noise", settings, data, out, engine=settings.engine)
    return Started(folder=run.folder, result=run_noise(run, settings, learn, measure))


def _word_problems(
    settings: WordSettings, train: Path, test: Path
) -> tuple[WordProblems, WordProblems, str]:
    """The problems to learn from, those to be measured on, and the key of both files."""
    learn, measure = (
        WordProblems(
            problems=drawn(load_word_problems(file), count, settings.seed),
            data_sha256=sha256_file(file),
        )
        for file, count in ((train, settings.train), (test, settings.test))
    )
    return learn, measure, f"{learn.data_sha256[:8]}-{measure.data_sha256[:8]}"


def start_humaneval(settings: HumanEvalSettings, data: Path | None, out: Path | None) -> Started:
    """The second experiment, on the 164 tasks or those of a file."""
    where = context(None)
    problems = humaneval_problems(where, data)[: settings.tasks]
    source = TaskSource(
        prompt="chat",
        prompt_sha256=prompting.digest("chat"),
        data_sha256=sha256_file(data) if data else DATA_SHA256,
        image_id=base_image(where),
    )
    run = _run(where, "humaneval", settings, source.data_sha256[:8], out, engine=settings.engine)

    async def result() -> ExperimentResult:
        async with WarmSandbox(
            source.image_id,
            session=f"eval-{uuid.uuid4().hex[:8]}",
            lock_dir=make_private(where.paths.sandbox),
            boxes=2,
        ) as warm:
            by_id = {problem.task_id: problem for problem in problems}
            return await run_humaneval(
                run, settings, by_id, source, judge=WarmJudge(warm), programs=warm
            )

    return Started(folder=run.folder, result=result())


def start_mmlu(settings: MmluSettings, data: Path, out: Path | None) -> Started:
    """The first experiment on a file of questions."""
    where, data_sha256 = context(None), sha256_file(data)
    questions = drawn(load_questions(data), settings.questions, settings.seed)
    run = _run(where, "mmlu", settings, data_sha256[:8], out, engine="torch")
    asked = _AskedMmlu(run=run, settings=settings, where=where, data_sha256=data_sha256)

    async def result() -> ExperimentResult:
        assert run.model.hf is not None  # noqa: S101 - resolve() sees to the tokenizer
        run.begin(rows_of(MmluFindings(settings=settings)))
        subject = Subject(
            ask=asked.ask,
            learn_format=asked.learn_format,
            teacher=asked.teacher,
            chat=ChatFormat.load(run.model.hf),
        )
        found = await run_mmlu(
            settings, questions, subject, explain=asked.explain, on_found=asked.save
        )
        return asked.save(found)

    return Started(folder=run.folder, result=result())


@dataclass(frozen=True, slots=True, kw_only=True)
class _AskedMmlu:
    """Model, folder and terminal of the first experiment."""

    run: ExperimentRun
    settings: MmluSettings
    where: Context
    data_sha256: str

    async def ask(
        self,
        questions: Sequence[ChoiceQuestion],
        adapter: ArmAdapter | None,
        enough: Enough = lambda _found: False,
    ) -> Mapping[str, Chances]:
        return await ask_kept(
            *(questions, adapter),
            load=_loader(self.run.model, self.where),
            file=self._file(adapter),
            enough=enough,
            on_row=counter(f"asked, {FORMAT} learned" if adapter else "asked, bare"),
        )

    async def learn_format(self, examples: Sequence[FeedbackExample]) -> ArmAdapter:
        chosen, lessons = self.settings.format, self.settings.learning
        learning = LearningSettings(
            steps=steps_for(len(examples), batch=chosen.batch, epochs=chosen.epochs),
            batch=chosen.batch,
            learning_rate=chosen.learning_rate,
            rank=lessons.rank,
            max_tokens=lessons.max_tokens,
        )
        return await self.run.learn(FORMAT, examples, learning, seed=self.settings.seed)

    def teacher(self, adapter: ArmAdapter | None) -> Teach:
        learning = self.settings.learning
        job = arm_job(
            *("lessons", self.run.model),
            learning.limits(batch=learning.batch, learning_rate=0.0),
            prefix="article-mmlu",
            seed=self.settings.seed,
            rule=learning.training_rule(),
        )
        if adapter is not None:
            job = replace(job, parent=adapter.name, parent_folder=str(adapter.folder))

        async def give(lessons: Sequence[Lesson], probes: Sequence[Probe]) -> Readings:
            return await teach(
                *(self.run.folder / "rounds", job, lessons, probes), on_line=Counted(), say=say
            )

        return give

    async def explain(self, taught: Sequence[ChoiceQuestion]) -> Mapping[str, str]:
        asked = {question.id: _explanation_prompt(question) for question in taught}
        return await self.run.explanations(asked, refused=tells_a_letter)

    def save(self, found: MmluFindings) -> ExperimentResult:
        return self.run.save(
            rows_of(found),
            {"answers read": len(found.readings)},
            curves=curves_of(found),
            found=words_of(found),
        )

    def _file(self, adapter: ArmAdapter | None) -> ShiftFile:
        name = FORMAT if adapter else "bare"
        source = TaskSource(
            prompt="plain", prompt_sha256=prompts_digest(), data_sha256=self.data_sha256
        )
        sampling = Sampling(seed=self.settings.seed, max_tokens=1)
        place = self.run.folder / (f"{name}-{adapter.name[-8:]}" if adapter else name)
        return shift_file(place, self.run.manifest(name, adapter, source, sampling, {}))


def _run(
    where: Context,
    experiment: Experiment,
    settings: ExperimentSettings,
    data: str,
    out: Path | None,
    *,
    engine: str,
) -> ExperimentRun:
    """A run in `out`, by default in a folder of these settings and these data."""
    key = f"article-{experiment}-{digest(settings)}-{data}"
    folder = (out or make_private(where.paths.home / "evaluations") / key).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    own = where.settings.model

    def open_model(adapter: ArmAdapter | None) -> AbstractAsyncContextManager[EvaluatedModel]:
        asked = replace(own, name=settings.model or own.name, engine=engine, base_url=None)  # type: ignore[arg-type]  # one of three words, checked by the settings
        return place_of(where).subject(asked, (adapter.name, adapter.folder) if adapter else None)

    def open_explainer(explainer: Explainer) -> AbstractAsyncContextManager[EvaluatedModel]:
        return place_of(where).subject(explainer_settings(explainer, own), None)

    return ExperimentRun(
        experiment=experiment,
        settings=settings,
        model=resolve(settings.model or own.name, where.paths.models),
        folder=folder,
        versions=our_versions(),
        open_model=open_model,
        open_explainer=open_explainer,
        lines=ProgressLines(rows=counter, samples=progress, steps=step_line),
    )


def _explanation_prompt(question: ChoiceQuestion) -> str:
    return filled(
        "article_explain_choice",
        subject=question.subject.replace("_", " "),
        question=question.text,
        choice=question.choices[question.answer],
    )


def _loader(model: InstalledModel, where: Context) -> Load:
    @contextmanager
    def load(adapter: ArmAdapter | None) -> Iterator[Score]:
        say(f"loading {adapter.name if adapter else model.name}")
        with LocalModel(
            model,
            engine="torch",
            context_length=where.settings.model.context_length,
            adapter=(adapter.name, adapter.folder) if adapter else None,
        ) as local:
            yield local.score
        gc.collect()  # the weights, before the next model is loaded

    return load
