"""Options that several commands of `elagent eval` share, and the model that they choose."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path

import click

from agent.library.adapters import named_folder
from agent.paths import make_private
from agent.session.context import Context
from lab.cluster.ray_cluster import Cluster, opened_on
from lab.commands.progress import say
from lab.report import Meter
from lab.rows.place import AskedModel, Place
from lab.rows.work import Opened, Work
from learning.evaluation.rows import Key, Row
from learning.evaluation.run import OnRow, complete
from learning.evaluation.samples import (
    MANIFEST,
    ResultManifest,
    Sample,
    SampleFile,
    SampleKey,
    read_manifest,
)
from tui.wiring import context

Command = Callable[..., object]

DATA = Path(__file__).resolve().parents[1] / "data"
"""The tasks and settings that come with elagent."""

MODEL = click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
ENGINE = click.option(
    "--engine",
    type=click.Choice(["auto", "llama", "torch", "vllm"]),
    help="Engine of a local model.",
)
ADAPTER = click.option(
    "--adapter", metavar="NAME", help="An adapter of this repository, or its folder."
)
SEED = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of all chance."
)
TEMPERATURE = click.option(
    "--temperature",
    type=click.FloatRange(0, 2),
    default=0.0,
    show_default=True,
    help="0 is greedy.",
)
LIMIT = click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Only the first N tasks."
)
SAMPLES = click.option(
    "-n", "--samples", type=click.IntRange(1, 1000), default=1, help="Replies to each task. [1]"
)
OUT = click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Folder of the results.",
)
HTML = click.option(
    "--html",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Also write one page with plots.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
CLUSTER = click.option(
    "--cluster",
    metavar="ADDRESS",
    help="Make the rows on a Ray cluster (extra ray): local, auto, HOST:PORT or ray://HOST:PORT.",
)
WORKERS = click.option(
    "--workers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Workers on the cluster, each with a model of its own. [one on each node]",
)
_BASE_URL = click.option(
    "--base-url", metavar="URL", help="Use this OpenAI-compatible server instead."
)


def max_tokens(default: int) -> Callable[[Command], Command]:
    """The option for the longest reply."""
    kind = click.IntRange(16)
    return click.option(
        "--max-tokens", type=kind, default=default, show_default=True, help="Longest reply."
    )


def data_file(about: str, *names: str, missing: str = "") -> Callable[[Command], Command]:
    """The option for a file of tasks, `--data` if no other name is given.

    Without the file, `missing` is the message of the command that needs it.
    """

    def given(_ctx: click.Context, param: click.Parameter, value: Path | None) -> Path | None:
        if value is None and missing:
            raise click.UsageError(f"give {param.opts[0]} FILE: {missing}")
        return value

    kind = click.Path(exists=True, dir_okay=False, path_type=Path)
    return click.option(
        *(names or ("--data",)), type=kind, metavar="FILE", help=about, callback=given
    )


class Shipped(click.ParamType[Path]):
    """The name of a file or folder that comes with elagent, or a path."""

    name = "name or path"

    def __init__(self, names: Mapping[str, Path]) -> None:
        self._names = names

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path:
        text = str(value)
        path = self._names.get(text, Path(text))
        if not path.exists():
            self.fail(f"{text!r} is neither a path nor one of {', '.join(self._names)}", param, ctx)
        return path


def shipped_sets() -> Mapping[str, Path]:
    """The sets of library drift tasks, by name."""
    return {path.parent.name: path.parent for path in sorted(DATA.glob("*/tasks"))}


def shipped_settings(folder: str, stem: str = "") -> Mapping[str, Path]:
    """The settings that come with elagent in a folder, by name, if the name begins with a stem: `small/mmlu`."""
    root = DATA / folder
    return {
        path.relative_to(root).with_suffix("").as_posix(): path
        for path in sorted(root.rglob(f"{stem}*.toml"))
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """The model that a command asks, and where its results go."""

    where: Context
    adapter: str | None
    out: Path | None

    cluster: Cluster | None = None
    """The machines that make the rows; None for this one."""

    @property
    def asked(self) -> AskedModel:
        """The model, in the form in which it is needed where the rows are made.

        Raises:
            AdapterMissingError: If there is no such adapter.
        """
        adapter = named_folder(self.where.repository, self.adapter) if self.adapter else None
        asked = AskedModel(settings=self.where.settings.model, adapter=adapter)
        return asked.to_send() if self.cluster else asked

    def opened(self, work: Work[Key, Row]) -> AbstractAsyncContextManager[Opened[Key, Row]]:
        """Work, opened on this machine or on those of the cluster."""
        if self.cluster is None:
            return work.open(place_of(self.where))
        return opened_on(self.cluster, work, wanted=self._begun(), say=say)

    async def complete(
        self,
        meter: Meter,
        work: Work[SampleKey, Sample],
        keys: Iterable[SampleKey],
        *,
        on_row: OnRow[Sample],
    ) -> SampleFile:
        """The file of the rows of some work, completed.

        Raises:
            SamplesError: If `out` holds results of other settings.
        """
        async with self.opened(work) as opened:
            file = SampleFile(result_folder(self.where, opened.manifest, self.out), opened.manifest)
            meter.folder = file.folder
            await complete(file.rows, keys, opened.make, at_once=opened.at_once, on_row=on_row)
            return file

    def _begun(self) -> ResultManifest | None:
        """The manifest of results that this run shall go on with."""
        if self.out is None or not (self.out / MANIFEST).exists():
            return None
        return read_manifest(self.out)


def computes_on_nodes(command: Command) -> Command:
    """Add the options that choose a cluster; the command gets it within its `choice`."""

    @wraps(command)
    def run(
        *, choice: ModelChoice, cluster: str | None, workers: int | None, **others: object
    ) -> object:
        return command(choice=on_nodes(choice, cluster, workers), **others)

    for option in (WORKERS, CLUSTER):
        run = option(run)
    return run


def on_nodes(choice: ModelChoice, cluster: str | None, workers: int | None) -> ModelChoice:
    """The choice with the cluster that was asked for on the command line, if one was.

    Raises:
        UsageError: If the options do not go together.
    """
    if cluster is None:
        if workers is not None:
            raise click.UsageError("--workers needs --cluster")
        return choice
    if choice.where.settings.model.base_url:
        raise click.UsageError(
            "--cluster asks the models of its nodes: leave --base-url (model.base_url) away"
        )
    return replace(choice, cluster=Cluster(address=cluster, workers=workers))


def asks_a_model(command: Command) -> Command:
    """Add the options that choose a model and the folder of results; the command gets `choice`."""

    @wraps(command)
    def run(
        *,
        model: str | None,
        base_url: str | None,
        engine: str | None,
        adapter: str | None,
        out: Path | None,
        repository: Path | None = None,
        **others: object,
    ) -> object:
        chosen = {"model.name": model, "model.base_url": base_url, "model.engine": engine}
        choice = ModelChoice(where=context(repository, chosen), adapter=adapter, out=out)
        return command(choice=choice, **others)

    for option in (OUT, ADAPTER, ENGINE, _BASE_URL, MODEL):
        run = option(run)
    return run


def place_of(where: Context) -> Place:
    """This machine, with the folders of a context."""
    from elagent import command

    return Place(paths=where.paths, launcher=command(), environ=os.environ, say=say)


def base_image(where: Context) -> str:
    """The id of the image in which plain programs are judged, made if it is not there.

    Raises:
        SandboxError: If it cannot be had.
    """
    return place_of(where).base_image(where.settings.sandbox).id


def result_folder(where: Context, manifest: ResultManifest, out: Path | None) -> Path:
    """The folder that was asked for, or one of the manifest's own."""
    name = f"{manifest.suite}-{manifest.arm}-{manifest.digest}"
    return out or make_private(where.paths.home / "evaluations") / name
