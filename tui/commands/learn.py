"""`elagent learn`: runs learning rounds on the captured experiences, each with its trial."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import click

from agent.events import LearnFinished
from agent.library import adapters
from agent.library.extra import need
from agent.rounds.libraries import LibraryOptions
from agent.rounds.options import (
    ALL_KINDS,
    API_KINDS,
    ExampleKind,
    LearnOptions,
    Origin,
    round_options,
)
from agent.rounds.self_play import SelfPlayOptions
from agent.session.context import Context
from agent.text import display_safe
from tui.running import open_assistant, run_async
from tui.show.plain import Presenter, make_presenter, show_all
from tui.wiring import context

_T = TypeVar("_T")
_BUDGET = re.compile(r"(\d+(?:\.\d+)?)([smh])")
_SELF_PLAY_S = 1800.0
_SECONDS = {"s": 1, "m": 60, "h": 3600}


class Budget(click.ParamType[float]):
    """A duration such as `90s`, `30m` or `2h`, in seconds."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        found = _BUDGET.fullmatch(str(value))
        if found is None:
            self.fail(f"{value!r} is not a duration; write 90s, 30m or 2h", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]


_TYPES = {
    "fixes": {ExampleKind.HINDSIGHT},
    "failures": {ExampleKind.EVIDENCE},
    "first-tries": {ExampleKind.FIRST_TRY},
    "uses": API_KINDS,
}


class Types(click.ParamType[frozenset[ExampleKind]]):
    """A list such as `fixes,failures`."""

    name = "types"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> frozenset[ExampleKind]:
        names = [name.strip() for name in str(value).split(",")]
        if unknown := [name for name in names if name not in _TYPES]:
            self.fail(f"{unknown[0]!r} is not one of {', '.join(_TYPES)}", param, ctx)
        return frozenset(kind for name in names for kind in _TYPES[name])


@click.command(help="Turn what was captured here into an adapter, and decide whether to use it.")
@click.argument("path", type=click.Path(exists=True, file_okay=False, path_type=Path), default=".")
@click.option(
    "--max-examples",
    type=click.IntRange(min=1),
    metavar="N",
    help="Most experiences in a round. [8]",
)
@click.option(
    "--max-tokens", type=click.IntRange(min=32), metavar="N", help="Longest example. [512]"
)
@click.option(
    "--budget",
    type=Budget(),
    metavar="TIME",
    help="Stop training after e.g. 30m; the trial has as long. [trial: 60m]",
)
@click.option("--no-trial", is_flag=True, help="Save the adapter without trying or using it.")
@click.option(
    "--rounds",
    type=click.IntRange(min=1, max=20),
    default=1,
    metavar="N",
    help="Rounds, one after the other. [1]",
)
@click.option(
    "--types", type=Types(), metavar="LIST", help=f"Kinds to learn from: {','.join(_TYPES)}. [all]"
)
@click.option(
    "--leave-out",
    multiple=True,
    type=click.Choice([origin.value for origin in Origin]),
    metavar="ORIGIN",
    help=f"One of {','.join(Origin)}; may be repeated.",
)
@click.option(
    "--self-play", is_flag=True, help="First retry failures that nobody fixed, in a copy."
)
@click.option("--practise", "practise", is_flag=True, hidden=True)  # old name of --self-play
@click.option(
    "--library",
    "libraries",
    multiple=True,
    metavar="NAME",
    help="Find what the model gets wrong of an installed library; no failure is needed.",
)
@click.option("--dependencies", is_flag=True, help="The same for all that the project requires.")
@click.option("--rebuild", metavar="NAME", help="Make a tainted adapter again, without the rest.")
@click.option("--report", is_flag=True, help="Only show what the last round learned; none is run.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write what was learned as a page.",
)
@click.option("--seed", type=click.IntRange(min=0), help="Seed of the random order. [0]")
@click.option("--dry-run", is_flag=True, help="Only say what would be learned and its cost.")
@click.option("--discard", is_flag=True, help="Throw an interrupted round away first.")
@click.option("--model", metavar="NAME", help="Model name or folder.")
@click.option("--json", "as_json", is_flag=True, help="Print events as JSON lines.")
def learn(
    *,
    path: Path,
    max_examples: int | None,
    max_tokens: int | None,
    budget: float | None,
    no_trial: bool,
    rounds: int,
    types: frozenset[ExampleKind] | None,
    leave_out: tuple[str, ...],
    self_play: bool,
    practise: bool,
    libraries: tuple[str, ...],
    dependencies: bool,
    rebuild: str | None,
    report: bool,
    page: Path | None,
    seed: int | None,
    dry_run: bool,
    discard: bool,
    model: str | None,
    as_json: bool,
) -> int:
    self_play = self_play or practise
    wanted = LibraryOptions(libraries=libraries, dependencies=dependencies, dry_run=dry_run)
    if report:
        _refuse_beside_report(dry_run, self_play, discard, rebuild, rounds > 1, wanted.asks)
    elif not dry_run and not wanted.asks:
        need("Learning")
    where = context(
        path,
        {
            "model.name": model,
            "learn.max_examples": max_examples,
            "learn.max_tokens": max_tokens,
            "learn.seed": seed,
        },
    )
    if report:
        return _report_last(where, page)
    if wanted.asks:
        survey = make_presenter(as_json=as_json)
        _until_closed(_run_survey(where, wanted, survey), survey)
        return 0
    settings = where.settings.learn
    options = dataclasses.replace(
        round_options(settings, budget_s=budget, trial=not no_trial),
        kinds=types or ALL_KINDS,
        leave_out=frozenset(map(Origin, leave_out)),
        rebuild=rebuild,
        dry_run=dry_run,
        discard=discard,
    )
    presenter = make_presenter(as_json=as_json)

    retries = SelfPlayOptions(budget_s=budget or _SELF_PLAY_S, seed=options.seed)
    learning = _run_rounds(
        where,
        options,
        presenter,
        rounds=1 if dry_run or rebuild else rounds,
        self_play=retries if self_play and not dry_run else None,
    )
    made = _until_closed(learning, presenter)
    if made and page is not None:
        write_page(page, adapters.report_page(where.library, made))
    return 0


async def _run_rounds(
    where: Context,
    options: LearnOptions,
    presenter: Presenter,
    *,
    rounds: int,
    self_play: SelfPlayOptions | None,
) -> str:
    """Retry failures if that is wanted, then run the rounds, each on the last adapter; its name."""
    made = ""
    async with open_assistant(where) as assistant:
        if self_play is not None:
            await show_all(assistant.self_play(self_play), presenter)
        for number in range(rounds):
            again = dataclasses.replace(options, seed=options.seed + number, parent=made or None)
            done = await show_all(assistant.learn(again), presenter)
            if not isinstance(done, LearnFinished) or done.adapter is None:
                break
            made = done.adapter
    return made


async def _run_survey(where: Context, wanted: LibraryOptions, presenter: Presenter) -> None:
    """Find what the model gets wrong of libraries, and keep verified contexts of it."""
    async with open_assistant(where) as assistant:
        await show_all(assistant.survey(wanted), presenter)


def _refuse_beside_report(*others: object) -> None:
    if any(others):
        raise click.UsageError("--report only shows the last round; leave the other options away")


def _until_closed(work: Coroutine[Any, Any, _T], presenter: Presenter) -> _T:
    try:
        return run_async(work)
    finally:
        presenter.close()


def _report_last(where: Context, page: Path | None) -> int:
    """Show what the newest adapter learned, and from which experiences."""
    name = adapters.newest(where.library)
    if not name:
        click.echo("nothing was learned here yet; `elagent learn` runs a round")
        return 0
    for line in adapters.report_lines(where.library, name):
        click.echo(display_safe(line))
    if page is not None:
        write_page(page, adapters.report_page(where.library, name))
    return 0


def write_page(path: Path, text: str) -> None:
    """Write a page and print its path.

    Raises:
        click.UsageError: If the page cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as err:
        raise click.UsageError(f"{path} cannot be written: {err.strerror}") from err
    click.echo(f"wrote {path}")
