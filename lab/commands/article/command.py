"""`elagent eval article`: the founding article's experiments, one command each, all, and one report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import cast

import click

from agent.paths import make_private
from lab.article.budget import run_alone
from lab.article.settings import (
    Gsm8kSettings,
    HumanEvalSettings,
    MmluSettings,
    NoiseSettings,
    read_settings,
)
from lab.commands.article.all import everything
from lab.commands.article.starting import (
    Started,
    start_gsm8k,
    start_humaneval,
    start_mmlu,
    start_noise,
)
from lab.commands.article.view import finish, kept_results, report_on
from lab.commands.gsm8k import NO_WORD_PROBLEMS, WORD_PROBLEMS
from lab.commands.mmlu import NO_QUESTIONS, QUESTIONS
from lab.commands.options import HTML, JSON, OUT, Shipped, data_file, shipped_settings
from learning.extra import need
from tui.running import run_async
from tui.wiring import context


@click.group(help="Repeat the founding article's experiments, with our figures beside its own.")
def article() -> None:
    pass


article.add_command(everything)


@article.command(
    "report",
    help="Write the page: what of the article holds. Without FOLDERS, over the results kept here.",
)
@click.argument(
    "folders",
    nargs=-1,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
@click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The page. [report.html in the first folder]",
)
@JSON
def report(*, folders: tuple[Path, ...], html: Path | None, as_json: bool) -> int:
    chosen = folders or (make_private(context(None).paths.home / "evaluations"),)
    page = html or (None if as_json else chosen[0] / "report.html")
    report_on(kept_results(chosen, named=bool(folders)), html=page, as_json=as_json)
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
            started = cast("Started", make(**others))
            result = run_async(started.result)
            run_alone(started.folder.parent, result.experiment)
            finish(started.folder, result, html=html, as_json=as_json)
            return 0

        return article.command(name, help=about)(config(OUT(HTML(JSON(command)))))

    return decorate


@_experiment(
    "gsm8k", "Experiment 3: learn word problems with a chain of thought from explanations."
)
@data_file(f"{WORD_PROBLEMS}, to learn from.", "--train", missing=NO_WORD_PROBLEMS)
@data_file(f"{WORD_PROBLEMS}, to be measured on.", "--test", missing=NO_WORD_PROBLEMS)
def gsm8k(*, train: Path, test: Path, config: Path, out: Path | None) -> Started:
    return start_gsm8k(read_settings(config, Gsm8kSettings), train, test, out)


@_experiment(
    "noise", "Experiment 4: learn from the same noisy explanations with small and large batches."
)
@data_file(f"{WORD_PROBLEMS}, to learn from.", "--train", missing=NO_WORD_PROBLEMS)
@data_file(f"{WORD_PROBLEMS}, to be measured on.", "--test", missing=NO_WORD_PROBLEMS)
def noise(*, train: Path, test: Path, config: Path, out: Path | None) -> Started:
    return start_noise(read_settings(config, NoiseSettings), train, test, out)


@_experiment(
    "humaneval", "Experiment 2: learn from half of HumanEval and measure the rest, several times."
)
@data_file("A file in HumanEval's format instead of the 164 tasks.")
def humaneval(*, data: Path | None, config: Path, out: Path | None) -> Started:
    return start_humaneval(read_settings(config, HumanEvalSettings), data, out)


def _rates(
    _ctx: click.Context, _param: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    try:
        rates = tuple(map(float, value.split(","))) if value is not None else None
    except ValueError as err:
        raise click.BadParameter(f"{value!r} is not a list of numbers such as 5e-5,1e-4") from err
    if rates and min(rates) <= 0:
        raise click.BadParameter("a learning rate is more than 0")
    return rates


@_experiment(
    "mmlu", "Experiment 1: learn wrong answers with feedback, and measure the probabilities."
)
@data_file(f"{QUESTIONS}.", missing=NO_QUESTIONS)
@click.option(
    "--epochs",
    type=click.IntRange(min=1),
    metavar="N",
    help="Epochs of every arm before the first look at whether it is where its teacher is.",
)
@click.option(
    "--one-at-a-time",
    type=click.IntRange(min=0),
    metavar="N",
    help="Questions that are each learned alone as well; 0: none.",
)
@click.option(
    "--sweep",
    metavar="RATES",
    callback=_rates,
    help="Learning rates to choose from on questions of their own, as 5e-5,1e-4; one: no choice.",
)
def mmlu(
    *,
    data: Path,
    config: Path,
    out: Path | None,
    epochs: int | None,
    one_at_a_time: int | None,
    sweep: tuple[float, ...] | None,
) -> Started:
    settings = read_settings(config, MmluSettings)
    if epochs is not None:
        most = max(epochs, settings.most_epochs)
        settings = replace(settings, epochs=epochs, most_epochs=most)
    if one_at_a_time is not None:
        settings = replace(settings, one_at_a_time=one_at_a_time)
    if sweep is not None:
        learning = replace(settings.learning, learning_rates=sweep)
        settings = replace(settings, learning=learning)
    return start_mmlu(settings, data, out)
