"""The sandbox image with the pinned releases of the drift tasks, made once and found again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from agent.rounds.trial.judging import EvaluationError
from agent.settings.schema import SandboxSettings
from sandbox.box.contract import Limits
from sandbox.images.base import Image, ensure_base
from sandbox.images.layers import ensure_project_image
from sandbox.project.detection import Project

DRIFT_LIMITS = Limits(timeout_s=600.0, memory_mib=2048, cpus=2.0, pids=256, work_mib=64)


def drift_image(
    folder: Path, *, settings: SandboxSettings, cache: Path, say: Callable[[str], None]
) -> Image:
    """The image for the tasks of a folder.

    Raises:
        EvaluationError: If the folder does not pin its libraries.
        SandboxError: If the image cannot be made.
    """
    project = Project(root=folder, runner="pytest", requirements=pinned(folder))
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
