"""The model under evaluation: loaded into this process, or behind any OpenAI-compatible server."""

from __future__ import annotations

import platform
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from agent.model.protocol import Model
from agent.model.serving import AdapterFolder, connect
from agent.paths import Paths
from agent.rounds.trial.program_judge import EvaluationError
from agent.rounds.trial.regression import RemoteModel
from agent.settings.schema import ModelSettings
from learning.evaluation.local import LocalModel
from learning.evaluation.task import Generator
from learning.model.catalog import InstalledModel
from learning.model.resolve import resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedModel:
    """A model under evaluation, with the fields of a manifest that say which model it is."""

    generator: Generator
    name: str
    weights_sha256: str
    adapter: str | None
    versions: Mapping[str, str]
    asked: Model | None = None
    """The model behind its server; None where it is loaded into this process."""


def our_versions() -> dict[str, str]:
    """The versions of elagent and its Python, which go into every manifest."""
    return {"elagent": version("elagent"), "python": platform.python_version()}


@asynccontextmanager
async def open_subject(
    settings: ModelSettings,
    *,
    paths: Paths,
    launcher: Sequence[str],
    environ: Mapping[str, str],
    adapter: tuple[str, Path] | None = None,
    served: bool = False,
    say: Callable[[str], None] = lambda _text: None,
) -> AsyncIterator[EvaluatedModel]:
    """The model that the settings name, ready to be evaluated, while in the context.

    With `served` it is asked through elagent's own server, as in a session.

    Raises:
        ModelError: If it cannot be had.
        EvaluationError: If an adapter is asked for on a foreign server.
    """
    if settings.base_url and adapter is not None:
        raise EvaluationError("an adapter cannot be loaded into a server given by --base-url")
    installed = None if settings.base_url else resolve(settings.name, paths.models)
    if installed is not None:
        say(f"loading {installed.name}")
    if installed is not None and not served:
        with LocalModel(
            installed,
            engine=settings.engine,
            context_length=settings.context_length,
            adapter=adapter,
        ) as local:
            yield EvaluatedModel(
                generator=local,
                name=installed.name,
                weights_sha256=installed.identity.weights_sha256,
                adapter=adapter[0] if adapter else None,
                versions=local.versions,
            )
        return
    async with connect(
        settings.name,
        paths=paths,
        settings=settings,
        launcher=launcher,
        environ=environ,
        adapter=AdapterFolder(name=adapter[0], folder=adapter[1]) if adapter else None,
        on_notice=say,
    ) as model:
        yield _behind_a_server(model, installed, settings)


def _behind_a_server(
    model: Model, installed: InstalledModel | None, settings: ModelSettings
) -> EvaluatedModel:
    """A model that is asked over HTTP; weights are known only of one that is installed here."""
    return EvaluatedModel(
        generator=RemoteModel(model),
        name=installed.name if installed else model.name,
        weights_sha256=installed.identity.weights_sha256 if installed else "",
        adapter=model.adapter,
        versions={"engine": f"server, {settings.engine}"}
        if installed
        else {"server": str(settings.base_url)},
        asked=model,
    )
