"""Options that several commands of `elagent eval` share, and the model that they choose."""

from __future__ import annotations

import os
import platform
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType

import click

from agent.paths import make_private
from agent.rounds.trial.program_judge import WarmJudge, open_judge
from agent.session.context import Context
from agent.settings.schema import ModelSettings
from lab.commands.progress import say
from lab.evaluated_model import EvaluatedModel, open_subject
from lab.report import Meter
from learning.evaluation.samples import ResultManifest, SampleFile
from learning.model.catalog import sha256_file
from learning.promotion.adapters import AdapterStore
from learning.promotion.manifest import is_adapter_name
from learning.records import Sampling
from sandbox.box.contract import Limits
from sandbox.images.base import ensure_base
from sandbox.warm.values import BOX_LIMITS
from tui.wiring import context

Command = Callable[..., object]

DATA = Path(__file__).resolve().parents[1] / "data"
"""The tasks and settings that come with elagent."""

MODEL = click.option("--model", metavar="NAME", help="Model name, folder or GGUF file.")
ENGINE = click.option(
    "--engine", type=click.Choice(["auto", "llama", "torch"]), help="Engine of a local model."
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

    def subject(self, *, served: bool = False) -> AbstractAsyncContextManager[EvaluatedModel]:
        """The model, ready to be asked; with `served` through elagent's own server.

        Raises:
            AdapterMissingError: If there is no such adapter.
        """
        adapter = adapter_folder(self.where, self.adapter)
        return subject(self.where, self.where.settings.model, adapter, served=served)

    @asynccontextmanager
    async def results(
        self,
        meter: Meter,
        *,
        suite: str,
        arm: str = "base",
        prompt: str,
        prompt_sha256: str,
        data_sha256: str,
        sampling: Sampling,
        image_id: str = "",
        versions: Mapping[str, str] = MappingProxyType({}),
        served: bool = False,
    ) -> AsyncIterator[tuple[EvaluatedModel, SampleFile]]:
        """The model, and the file of its results under all that they depend on.

        Raises:
            SamplesError: If `out` holds results of other settings.
        """
        async with self.subject(served=served) as model:
            manifest = ResultManifest(
                suite=suite,
                model=model.name,
                weights_sha256=model.weights_sha256,
                adapter=model.adapter,
                arm=arm,
                prompt=prompt,
                prompt_sha256=prompt_sha256,
                data_sha256=data_sha256,
                sampling=sampling,
                image_id=image_id,
                versions={**our_versions(), **model.versions, **versions},
            )
            file = SampleFile(result_folder(self.where, manifest, self.out), manifest)
            meter.folder = file.folder
            yield model, file


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


def subject(
    where: Context,
    settings: ModelSettings,
    adapter: tuple[str, Path] | None,
    *,
    served: bool = False,
) -> AbstractAsyncContextManager[EvaluatedModel]:
    """A model, ready to be asked; see `open_subject`."""
    from elagent import command

    return open_subject(
        settings,
        paths=where.paths,
        launcher=list(command()),
        environ=os.environ,
        adapter=adapter,
        served=served,
        say=say,
    )


def judging(
    where: Context, image_id: str, *, boxes: int = 1, limits: Limits = BOX_LIMITS
) -> AbstractAsyncContextManager[WarmJudge]:
    """The judge of programs in an image, while in the context.

    Raises:
        SandboxError: If there is no engine.
    """
    return open_judge(
        image_id,
        lock_dir=make_private(where.paths.sandbox),
        session=f"eval-{uuid.uuid4().hex[:8]}",
        boxes=boxes,
        limits=limits,
    )


def base_image(where: Context) -> str:
    """The id of the image in which plain programs are judged, made if it is not there.

    Raises:
        SandboxError: If it cannot be had.
    """
    return ensure_base(source=where.settings.sandbox.image, on_progress=say).id


def our_versions() -> dict[str, str]:
    """The versions of elagent and its Python, which go into every manifest."""
    return {"elagent": version("elagent"), "python": platform.python_version()}


def result_folder(where: Context, manifest: ResultManifest, out: Path | None) -> Path:
    """The folder that was asked for, or one of the manifest's own."""
    name = f"{manifest.suite}-{manifest.arm}-{manifest.digest}"
    return out or make_private(where.paths.home / "evaluations") / name


def adapter_folder(where: Context, name: str | None) -> tuple[str, Path] | None:
    """Name and folder of an adapter of the repository, or of a folder given instead.

    Raises:
        AdapterMissingError: If there is no such adapter.
    """
    if name is None:
        return None
    folder = Path(name).expanduser()
    if (folder / "adapter_config.json").is_file():
        return _name_of(folder.resolve()), folder.resolve()
    return name, AdapterStore(where.repository.adapters).path(name)


def _name_of(folder: Path) -> str:
    """A name that no other weights have: results are taken up again by it."""
    if is_adapter_name(folder.name):
        return folder.name
    return f"{folder.name}-{sha256_file(folder / 'adapter_model.safetensors')[:8]}"
