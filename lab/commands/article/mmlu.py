"""`elagent eval article mmlu`: feedback on wrong answers, learned, then measured without it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from lab.article.feedback import FeedbackExample, words
from lab.article.mmlu import (
    Files,
    Load,
    Subject,
    run as run_mmlu,
    tells_a_letter,
    variants_of,
)
from lab.article.results import ArmRow, ExperimentResult, save_experiment
from lab.article.rounds import Learned, learn
from lab.article.settings import MmluSettings
from lab.commands.article.shared import (
    checked_settings,
    common_options,
    explanations,
    folder_of,
)
from lab.commands.article.view import finish
from lab.commands.mmlu import NO_QUESTIONS, QUESTIONS
from lab.commands.options import data_file, our_versions
from lab.commands.progress import counter, say, step_line
from lab.mmlu import (
    ChoiceQuestion,
    Score,
    ShiftFile,
    load_questions,
    prompts_digest,
    sample_questions,
    shift_file,
)
from learning.evaluation.local import LocalModel
from learning.evaluation.samples import ResultManifest
from learning.model.catalog import InstalledModel, sha256_file
from learning.model.chat import ChatFormat
from learning.model.resolve import resolve
from learning.records import Sampling
from tui.wiring import Context, context


@click.command(
    "mmlu", help="1: wrong answers, four kinds of feedback, probabilities after learning."
)
@data_file(f"{QUESTIONS}.", missing=NO_QUESTIONS)
@common_options("mmlu")
def mmlu(*, data: Path, config: Path, out: Path | None, html: Path | None, as_json: bool) -> int:
    settings = checked_settings(config, MmluSettings, variants_of)
    where = context(None)
    data_sha256 = sha256_file(data)
    folder = folder_of(where, "mmlu", settings, data_sha256[:8], out)
    model = resolve(settings.model or where.settings.model.name, where.paths.models)
    questions = sample_questions(load_questions(data), settings.questions, settings.seed)
    learned: list[Learned] = []

    def teach(lessons: Sequence[FeedbackExample], arm: str) -> Learned:
        made = learn(
            *(model, lessons, settings.learning, folder / "rounds"),
            arm=arm,
            seed=settings.seed,
            on_step=step_line(arm),
        )
        gc.collect()  # the student's weights, before the next model is loaded
        learned.append(made)
        return made

    def explain(taught: Sequence[ChoiceQuestion]) -> Mapping[str, str]:
        return asyncio.run(
            explanations(
                *(where, settings.explainer),
                {question.id: _asked(question) for question in taught},
                folder,
                refused=tells_a_letter,
            )
        )

    def outcome(rows: tuple[ArmRow, ...]) -> ExperimentResult:
        return ExperimentResult(
            experiment="mmlu",
            model=model.name,
            settings=asdict(settings),
            rows=rows,
            cost={
                "questions scored": len(questions) * (len(learned) + 1),
                "tokens learned": sum(item.tokens for item in learned),
                "s of learning": sum(item.seconds for item in learned),
            },
        )

    assert model.hf is not None  # noqa: S101 - resolve() sees to the tokenizer
    rows = run_mmlu(
        settings,
        questions,
        _files(model, folder, settings, data_sha256),
        Subject(load=_loader(model, where), teach=teach, chat=ChatFormat.load(model.hf)),
        explain=explain,
        counter=counter,
        on_rows=lambda rows: save_experiment(folder, outcome(rows)),
    )
    finish(folder, outcome(rows), html=html, as_json=as_json)
    return 0


def _asked(question: ChoiceQuestion) -> str:
    return words(
        "article_explain_choice",
        subject=question.subject.replace("_", " "),
        question=question.text,
        choice=question.choices[question.answer],
    )


def _loader(model: InstalledModel, where: Context) -> Load:
    @contextmanager
    def load(learned: Learned | None) -> Iterator[Score]:
        say(f"loading {learned.name if learned else model.name}")
        adapter = (learned.name, learned.folder) if learned else None
        with LocalModel(
            model,
            engine="torch",
            context_length=where.settings.model.context_length,
            adapter=adapter,
        ) as local:
            yield local.score
        gc.collect()

    return load


def _files(model: InstalledModel, folder: Path, settings: MmluSettings, data_sha256: str) -> Files:
    def opened(place: Path, arm: str, adapter: str | None) -> ShiftFile:
        manifest = ResultManifest(
            suite="article-mmlu",
            model=model.name,
            weights_sha256=model.identity.weights_sha256,
            adapter=adapter,
            arm=arm,
            prompt="all" if adapter else "wrong",
            prompt_sha256=prompts_digest(),
            data_sha256=data_sha256,
            sampling=Sampling(seed=settings.seed, max_tokens=1),
            image_id="",
            versions=our_versions(),
        )
        return shift_file(place, manifest)

    return Files(folder=folder, open=opened)
