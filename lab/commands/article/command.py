"""`elagent eval article`: the founding article's experiments, one command each, and one report."""

from __future__ import annotations

import gc
import uuid
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import Any, cast

import click

from agent.paths import make_private
from agent.rounds.trial.program_judge import WarmJudge
from agent.session.context import Context
from lab.article.experiment import ExperimentRun, ProgressLines, TaskSource
from lab.article.explaining import explainer_settings
from lab.article.gsm8k import WordProblems, run_gsm8k
from lab.article.humaneval import run_humaneval
from lab.article.mmlu import FileOf, Load, TaughtModel, run_mmlu, tells_a_letter
from lab.article.published import Experiment
from lab.article.results import ArmRow, ExperimentResult
from lab.article.settings import (
    ExperimentSettings,
    Explainer,
    Gsm8kSettings,
    HumanEvalSettings,
    MmluSettings,
    digest,
    read_settings,
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
from lab.commands.article.view import finish, results_in, show
from lab.commands.gsm8k import NO_WORD_PROBLEMS, WORD_PROBLEMS
from lab.commands.humaneval import humaneval_problems
from lab.commands.mmlu import NO_QUESTIONS, QUESTIONS
from lab.commands.options import (
    HTML,
    JSON,
    OUT,
    Shipped,
    base_image,
    data_file,
    place_of,
    shipped_settings,
)
from lab.commands.progress import counter, progress, say, step_line
from lab.prompt_files import filled
from lab.rows.evaluated_model import EvaluatedModel, our_versions
from lab.training.feedback import FeedbackExample
from lab.training.suites import drawn
from lab.training.train import ArmAdapter
from learning.evaluation import prompting
from learning.evaluation.humaneval import DATA_SHA256
from learning.evaluation.local import LocalModel
from learning.extra import need
from learning.model.catalog import InstalledModel, sha256_file
from learning.model.chat import ChatFormat
from learning.model.resolve import resolve
from learning.records import Sampling
from sandbox.warm.pool import WarmSandbox
from tui.running import run_async
from tui.wiring import context

_Started = tuple[ExperimentRun, Coroutine[Any, Any, ExperimentResult]]


@click.group(
    help="Repeat the founding article's three experiments, with our figures beside its own."
)
def article() -> None:
    pass


@article.command("report", help="Write one report over results folders of the experiments.")
@click.argument(
    "folders",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@HTML
@JSON
def report(*, folders: tuple[Path, ...], html: Path | None, as_json: bool) -> int:
    show(results_in(folders), html=html, as_json=as_json)
    return 0


def _experiment(name: str, about: str) -> Callable[[Callable[..., object]], click.Command]:
    """A command that runs an experiment and prints its table: settings, folder and forms of output."""
    known = shipped_settings("article", name)
    config = click.option(
        "--config",
        type=Shipped(known),
        default=name,
        show_default=True,
        metavar="NAME",
        help=f"Settings: {', '.join(known)}, or a file.",
    )

    def decorate(make: Callable[..., object]) -> click.Command:
        @wraps(make)
        def command(*, html: Path | None, as_json: bool, **others: object) -> int:
            need(f"The experiment {name}")
            run, result = cast("_Started", make(**others))
            finish(run.folder, run_async(result), html=html, as_json=as_json)
            return 0

        return article.command(name, help=about)(config(OUT(HTML(JSON(command)))))

    return decorate


@_experiment(
    "gsm8k", "Experiment 3: learn word problems with a chain of thought from explanations."
)
@data_file(f"{WORD_PROBLEMS}, to learn from.", "--train", missing=NO_WORD_PROBLEMS)
@data_file(f"{WORD_PROBLEMS}, to be measured on.", "--test", missing=NO_WORD_PROBLEMS)
def gsm8k(*, train: Path, test: Path, config: Path, out: Path | None) -> _Started:
    settings = read_settings(config, Gsm8kSettings)
    learn, measure = (
        WordProblems(
            problems=drawn(load_word_problems(file), count, settings.seed),
            data_sha256=sha256_file(file),
        )
        for file, count in ((train, settings.train), (test, settings.test))
    )
    data = f"{learn.data_sha256[:8]}-{measure.data_sha256[:8]}"
    run = _run(context(None), "gsm8k", settings, data, out, engine=settings.engine)
    return run, run_gsm8k(run, settings, learn, measure)


@_experiment(
    "humaneval", "Experiment 2: learn from half of HumanEval and measure the rest, several times."
)
@data_file("A file in HumanEval's format instead of the 164 tasks.")
def humaneval(*, data: Path | None, config: Path, out: Path | None) -> _Started:
    settings = read_settings(config, HumanEvalSettings)
    where = context(None)
    source = TaskSource(
        prompt="chat",
        prompt_sha256=prompting.digest("chat"),
        data_sha256=sha256_file(data) if data else DATA_SHA256,
        image_id=base_image(where),
    )
    problems = humaneval_problems(where, data)[: settings.tasks]
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

    return run, result()


@_experiment(
    "mmlu", "Experiment 1: learn wrong answers with feedback, and measure the probabilities."
)
@data_file(f"{QUESTIONS}.", missing=NO_QUESTIONS)
def mmlu(*, data: Path, config: Path, out: Path | None) -> _Started:
    settings = read_settings(config, MmluSettings)
    where, data_sha256 = context(None), sha256_file(data)
    questions = drawn(load_questions(data), settings.questions, settings.seed)
    run = _run(where, "mmlu", settings, data_sha256[:8], out, engine="torch")

    async def teach(arm: str, examples: Sequence[FeedbackExample]) -> ArmAdapter:
        return await run.learn(arm, examples, seed=settings.seed)

    async def explain(taught: Sequence[ChoiceQuestion]) -> Mapping[str, str]:
        asked = {question.id: _explanation_prompt(question) for question in taught}
        return await run.explanations(asked, refused=tells_a_letter)

    def save(rows: tuple[ArmRow, ...]) -> ExperimentResult:
        return run.save(rows, {"questions scored": len(questions) * (len(run.adapters) + 1)})

    async def result() -> ExperimentResult:
        assert run.model.hf is not None  # noqa: S101 - resolve() sees to the tokenizer
        taught = TaughtModel(
            load=_loader(run.model, where), teach=teach, chat=ChatFormat.load(run.model.hf)
        )
        rows = await run_mmlu(
            *(settings, questions, _file_of(run, data_sha256), taught),
            explain=explain,
            counter=counter,
            on_rows=save,
        )
        return save(rows)

    return run, result()


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
    folder = out or make_private(where.paths.home / "evaluations") / key
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


def _file_of(run: ExperimentRun, data_sha256: str) -> FileOf:
    def file_of(arm: str, adapter: ArmAdapter | None) -> ShiftFile:
        source = TaskSource(
            prompt="all" if adapter else "wrong",
            prompt_sha256=prompts_digest(),
            data_sha256=data_sha256,
        )
        sampling = Sampling(seed=run.settings.seed, max_tokens=1)
        place = run.folder / (f"{arm}-{adapter.name[-8:]}" if adapter else arm)
        return shift_file(place, run.manifest(arm, adapter, source, sampling, {}))

    return file_of
