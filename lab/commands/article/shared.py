"""What the commands of the experiments share: the model, its explanations, and where results go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TypeVar

import click

from agent.paths import make_private
from lab.article.explaining import explain_all, explainer_settings
from lab.article.rollouts import explanation_file, kept_under
from lab.article.rounds import Learned
from lab.article.settings import (
    ExperimentSettings,
    Explainer,
    SettingsError,
    digest,
    read_settings,
)
from lab.commands.options import HTML, JSON, OUT, Shipped, shipped_settings, subject
from lab.commands.progress import counter
from lab.commands.report import cost_of_replies
from lab.evaluated_model import EvaluatedModel
from learning.evaluation.samples import Sample
from tui.wiring import Context

NO_EXPLAINER = "not run: no model to explain ([explainer] in the settings)"
NO_GRPO = 'not run: TRL is not installed; pip install "elagent[baselines]"'
NO_REWARD = "nothing learned: no group of replies was partly right"
_Function = TypeVar("_Function", bound=Callable[..., object])
_Settings = TypeVar("_Settings", bound=ExperimentSettings)


def common_options(settings: str) -> Callable[[_Function], _Function]:
    """The options of every experiment: its settings, by default the named ones, and its results."""
    known = shipped_settings("article", settings)
    config = click.option(
        "--config",
        type=Shipped(known),
        default=settings,
        show_default=True,
        metavar="NAME",
        help=f"Settings: {', '.join(known)}, or a file.",
    )

    def decorate(command: _Function) -> _Function:
        return config(OUT(HTML(JSON(command))))

    return decorate


def checked_settings(
    config: Path, kind: type[_Settings], check: Callable[[_Settings], object]
) -> _Settings:
    """The settings of a file, whose arms must all be known.

    Raises:
        SettingsError: If they are not usable.
    """
    settings = read_settings(config, kind)
    try:
        check(settings)
    except ValueError as err:
        raise SettingsError(f"{config}: {err}.") from err
    return settings


def folder_of(
    where: Context, name: str, settings: ExperimentSettings, data: str, out: Path | None
) -> Path:
    """Where an experiment's results go: other settings or data give another folder."""
    key = f"article-{name}-{digest(settings)}-{data}"
    folder = out or make_private(where.paths.home / "evaluations") / key
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def subject_of(
    where: Context, model: str, engine: str, learned: Learned | None
) -> AbstractAsyncContextManager[EvaluatedModel]:
    """The model of an experiment in this process, with what it has learned; "" is our own."""
    own = where.settings.model
    chosen = replace(own, name=model or own.name, engine=engine, base_url=None)  # type: ignore[arg-type]  # one of three words, checked by the settings
    return subject(where, chosen, (learned.name, learned.folder) if learned else None)


async def explanations(
    where: Context,
    chosen: Explainer,
    asked: Mapping[str, str],
    folder: Path,
    *,
    refused: Callable[[str], bool] = lambda _text: False,
) -> dict[str, str]:
    """What the chosen model explains, kept in `folder`; nothing if none was chosen."""
    if not chosen.model:
        return {}
    store = explanation_file(
        kept_under(folder, "explanations", explainer=asdict(chosen), asked=dict(asked))
    )
    if asked.keys() <= store.read().keys():
        return {key: store.read()[key] for key in asked}
    settings = explainer_settings(chosen, where.settings.model)
    async with subject(where, settings, None) as explainer:
        return await explain_all(
            asked,
            explainer.generator,
            store,
            max_tokens=chosen.max_tokens,
            refused=refused,
            on_row=counter("explanations"),
        )


def cost_of(samples: list[Sample], learned: list[Learned]) -> dict[str, float]:
    """What measuring and learning took."""
    return {
        **cost_of_replies(samples),
        "tokens learned": sum(item.tokens for item in learned),
        "s of learning": sum(item.seconds for item in learned),
    }
