"""`elagent eval article all`: every experiment, within a budget of time, and the report at the end."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import click

from lab.article.budget import FAILED, Part, run_all, save_states
from lab.article.published import Experiment
from lab.article.settings import (
    Gsm8kSettings,
    HumanEvalSettings,
    MmluSettings,
    NoiseSettings,
    read_settings,
)
from lab.commands.article.starting import (
    Started,
    start_gsm8k,
    start_humaneval,
    start_mmlu,
    start_noise,
)
from lab.commands.article.view import kept_results, report_on
from lab.commands.gsm8k import NO_WORD_PROBLEMS, WORD_PROBLEMS
from lab.commands.mmlu import NO_QUESTIONS, QUESTIONS
from lab.commands.options import JSON, data_file, shipped_settings
from lab.commands.progress import say
from learning.extra import need
from tui.running import run_async

_SHARES: dict[Experiment, float] = {"mmlu": 0.4, "humaneval": 0.2, "gsm8k": 0.2, "noise": 0.2}
_DURATION = re.compile(
    r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m(?:in)?)?(?:(?P<s>\d+)s)?"
)
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0}
_SIZES = ("whole", "hours", "small")


class Duration(click.ParamType[float]):
    """A time such as 8h, 1h30m or 45m, in seconds."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, float):
            return value
        found = _DURATION.fullmatch(str(value).replace(" ", ""))
        parts = found.groupdict() if found else {}
        seconds = sum(_SECONDS[unit] * float(count) for unit, count in parts.items() if count)
        if seconds <= 0:
            self.fail(f"{value!r} is no time such as 8h, 1h30m or 45m", param, ctx)
        return seconds


@click.command(
    "all",
    help="Run all experiments in order within a budget of time, and write the report. The same"
    " command goes on where it stopped, with the whole budget anew.",
)
@click.option(
    "--budget", type=Duration(), required=True, metavar="TIME", help="Such as 8h or 1h30m."
)
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Folder of the results and the report.",
)
@data_file(f"{QUESTIONS}, for experiment 1.", "--mmlu")
@data_file("A file in HumanEval's format instead of the 164 tasks.", "--humaneval")
@data_file(f"{WORD_PROBLEMS}, to learn from.", "--train")
@data_file(f"{WORD_PROBLEMS}, to be measured on.", "--test")
@click.option(
    "--size",
    type=click.Choice(_SIZES),
    default="hours",
    show_default=True,
    help="The settings: the article's sizes, some hours on two cores, or the tiny model.",
)
@JSON
def everything(
    *,
    budget: float,
    out: Path,
    mmlu: Path | None,
    humaneval: Path | None,
    train: Path | None,
    test: Path | None,
    size: str,
    as_json: bool,
) -> int:
    need("The experiments")
    out.mkdir(parents=True, exist_ok=True)
    words = NO_WORD_PROBLEMS if train is None or test is None else ""
    given: dict[Experiment, tuple[str, Callable[[], Started]]] = {
        "mmlu": (
            "" if mmlu else NO_QUESTIONS,
            lambda: start_mmlu(
                read_settings(_config("mmlu", size), MmluSettings), _known(mmlu), out / "mmlu"
            ),
        ),
        "humaneval": (
            "",
            lambda: start_humaneval(
                read_settings(_config("humaneval", size), HumanEvalSettings),
                humaneval,
                out / "humaneval",
            ),
        ),
        "gsm8k": (
            words,
            lambda: start_gsm8k(
                read_settings(_config("gsm8k", size), Gsm8kSettings),
                *(_known(train), _known(test), out / "gsm8k"),
            ),
        ),
        "noise": (
            words,
            lambda: start_noise(
                read_settings(_config("noise", size), NoiseSettings),
                *(_known(train), _known(test), out / "noise"),
            ),
        ),
    }
    parts = [
        Part(
            experiment=name,
            share=_SHARES[name],
            start=None if reason else _begun(start),
            reason=reason,
        )
        for name, (reason, start) in given.items()
    ]
    states = run_async(
        run_all(parts, budget_s=budget, on_state=lambda name, state: say(f"{name}: {state}"))
    )
    save_states(out, states)
    report_on(kept_results([out], named=False), html=out / "report.html", as_json=as_json)
    return 1 if any(state.startswith(FAILED) for state in states.values()) else 0


def _begun(start: Callable[[], Started]) -> Callable[[], Coroutine[Any, Any, object]]:
    async def run() -> object:
        return await start().result

    return run


def _config(name: str, size: str) -> Path:
    key = name if size == "whole" else f"{size}/{name}"
    return shipped_settings("article", name)[key]


def _known(path: Path | None) -> Path:
    assert path is not None  # noqa: S101 - the part has a reason otherwise
    return path
