"""A set of library drift tasks on disk: tasks, pinned releases with their image, and verdicts on the tasks themselves.

A set is a folder: `tasks/*.toml`, `requirements.txt`, and `verified.json`, the record of
`elagent eval drift --verify`.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

from agent.rounds.trial.program_judge import EvaluationError
from agent.rounds.trial.use_tasks import USE_LIMITS
from agent.settings.schema import SandboxSettings
from lab.drift.tasks import SPLITS, DriftTask
from learning.evaluation.rows import DataError
from sandbox.images.base import ensure_base
from sandbox.images.image import Image
from sandbox.images.layers import ensure_project_image
from sandbox.project.detection import Project

Part = Literal["all", "first", "plain"]
PARTS: tuple[Part, ...] = get_args(Part)
"""Parts of a set: the tasks that it began with, and those of `tasks/*-plain.toml`, with plain logic.

Results of one part stay comparable when another part grows.
"""
_PLAIN = "-plain"
MOST_PER_CHANGE = 5
DRIFT_LIMITS = USE_LIMITS
_KEYS = ("id", "change", "split", "head", "ask", "check", "reference")
_OPTIONAL = {"stale", "outdated"}


def outdated_errors(folder: Path) -> dict[str, str]:
    """The errors of the outdated idioms that `elagent eval drift --verify` recorded, by task.

    Raises:
        DataError: If the record cannot be read.
    """
    path = folder / "verified.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(item["error"]) for name, item in record.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise DataError(
            f"{path} cannot be read: make it with `elagent eval drift --verify --tasks {folder}`."
        ) from err


def tasks_digest(tasks: Iterable[DriftTask]) -> str:
    """Digest of everything in the tasks."""
    return hashlib.sha256(repr(tuple(tasks)).encode()).hexdigest()


def load_tasks(folder: Path, part: Part = "all") -> tuple[DriftTask, ...]:
    """Read every task of the `*.toml` files below a folder's `tasks`, by file and order.

    Raises:
        DataError: If a file or task is not what it should be; the message names it.
    """
    files = [
        file
        for file in sorted((folder / "tasks").glob("*.toml"))
        if part == "all" or (part == "plain") is file.stem.endswith(_PLAIN)
    ]
    if not files:
        raise DataError(f"{folder} has no drift tasks (tasks/*.toml).")
    tasks = tuple(task for file in files for task in _read(file))
    _check(tasks)
    return tasks


def _read(file: Path) -> list[DriftTask]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise DataError(f"{file} is not TOML: {err}.") from err
    library = content.get("library")
    if not isinstance(library, str):
        raise DataError(f"{file} does not name its library.")
    return [_task(library, record, file) for record in content.get("task", [])]


def _task(library: str, record: Mapping[str, Any], file: Path) -> DriftTask:
    name = f"{file}, task {record.get('id', '?')}"
    wrong = [key for key in _KEYS if not isinstance(record.get(key), str)]
    if wrong or (extra := record.keys() - set(_KEYS) - _OPTIONAL):
        raise DataError(f"{name}: {', '.join(wrong) or ', '.join(extra)} is missing or unknown.")
    if record["split"] not in SPLITS:
        raise DataError(f"{name}: the split is {' or '.join(SPLITS)}.")
    outdated = str(record.get("outdated", record["reference"]))
    for current, stale in record.get("stale", []):
        if current not in outdated:
            raise DataError(f"{name}: {current!r} is not in its reference.")
        outdated = outdated.replace(current, stale)
    task = DriftTask(library=library, outdated=outdated, **{key: record[key] for key in _KEYS})
    if not task.entry_point:
        raise DataError(f"{name}: its head is not one line with the types of a function.")
    return task


def _check(tasks: Sequence[DriftTask]) -> None:
    ids = [task.id for task in tasks]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise DataError(f"There are several drift tasks with the id {', '.join(twice)}.")
    changes = [task.change for task in tasks]
    if many := sorted({name for name in changes if changes.count(name) > MOST_PER_CHANGE}):
        raise DataError(f"More than {MOST_PER_CHANGE} drift tasks for: {', '.join(many)}.")


def drift_image(
    requirements: Sequence[str],
    *,
    settings: SandboxSettings,
    cache: Path,
    say: Callable[[str], None],
) -> Image:
    """The sandbox image with the pinned releases of a set, made once and found again; see `pinned`.

    Raises:
        SandboxError: If the image cannot be made.
    """
    # Nothing of a folder is read but its requirements, which are here already.
    project = Project(root=Path.cwd(), runner="pytest", requirements=tuple(requirements))
    return ensure_project_image(
        ensure_base(source=settings.image, on_progress=say),
        project,
        cache=cache,
        allow_network=lambda _archive: settings.allow_network_builds,
        on_progress=say,
    )


def pinned(folder: Path) -> tuple[str, ...]:
    """The requirement lines of a folder's requirements.txt.

    Raises:
        EvaluationError: If it has none, or a line is not pinned.
    """
    path = folder / "requirements.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as err:
        raise EvaluationError(f"{path} cannot be read: it pins the libraries of the tasks") from err
    lines = tuple(line for raw in text.splitlines() if (line := raw.partition("#")[0].strip()))
    loose = [line for line in lines if "==" not in line]
    if loose or not lines:
        raise EvaluationError(f"{path} must pin every library with ==: {', '.join(loose)}")
    return lines
