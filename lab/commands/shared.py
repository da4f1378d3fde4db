"""What the commands of `elagent eval` share: where results go, who is evaluated, how it is shown."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import click

from agent.paths import Paths, make_private
from lab.commands.view import print_scores, scores_record
from lab.costs import total_cost
from lab.scores import summarise
from learning.evaluation.run import OnRow
from learning.evaluation.samples import Manifest, Sample, SampleFile
from learning.model.catalog import sha256_file
from learning.promotion.adapters import AdapterStore
from learning.promotion.manifest import is_adapter_name
from tui.pace import Pace
from tui.plain import format_seconds, make_console
from tui.wiring import Context

DRIFT_TASKS = Path(__file__).resolve().parents[1] / "data" / "drift"
"""The library drift tasks that come with elagent."""


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


def result_file(paths: Paths, manifest: Manifest, out: Path | None) -> SampleFile:
    """The results of this manifest, in `out` or in a folder of their own.

    Raises:
        SamplesError: If `out` holds results of other settings.
    """
    return SampleFile(result_folder(paths, manifest, out), manifest)


def result_folder(paths: Paths, manifest: Manifest, out: Path | None) -> Path:
    """Where the results of this manifest go."""
    name = f"{manifest.suite}-{manifest.arm}-{manifest.digest}"
    return out or make_private(paths.home / "evaluations") / name


def show(file: SampleFile, samples: Sequence[Sample], *, of_tasks: int, as_json: bool) -> None:
    """Print the scores of some samples and where they are."""
    scores = summarise(samples, seed=file.manifest.sampling.seed)
    cost = total_cost(file.folder)
    if as_json:
        record = scores_record(file.manifest, scores, cost)
        click.echo(json.dumps({**record, "folder": str(file.folder)}))
        return
    print_scores(make_console(), file.manifest, scores, cost, of_tasks=of_tasks)
    click.echo(f"samples and results: {file.folder}")


def versions() -> dict[str, str]:
    """What of this program and its Python goes into every manifest."""
    return {"elagent": version("elagent"), "python": platform.python_version()}


def launcher() -> list[str]:
    """The command line that starts elagent in a subprocess."""
    from elagent import command

    return list(command())


def say(text: str) -> None:
    """One line about what is being done, beside the results."""
    click.echo(text, err=True)


class Counted:
    """Numbered lines about what is done, each with the time that is left."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = Pace(clock)

    def __call__(self, done: int, total: int, text: str) -> None:
        left = self._pace.seconds_left(done, total) if done < total else None
        say(f"[{done}/{total}] {text}" + (f", {format_seconds(left)} left" if left else ""))


def counter(what: str) -> OnRow[object]:
    """One line for each thing that is done."""
    line = Counted()
    return lambda _row, done, total: line(done, total, what)


def step_line(arm: str) -> Callable[[int, int, float], None]:
    """One line for each step of learning."""
    line = Counted()
    return lambda step, steps, loss: line(step, steps, f"learning {arm}, loss {loss:.4f}")


def progress() -> OnRow[Sample]:
    """One line per finished sample, beside the results."""
    line = Counted()
    return lambda sample, done, total: line(
        done, total, f"{sample.task_id} {sample.sanitised_verdict}"
    )
