"""Checks of this machine: what it can do, and how to mend what it cannot."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from agent.library.machine import this_machine
from agent.library.reports import planner_line
from agent.paths import from_environ
from agent.settings.schema import ModelSettings, PlannerSettings
from agent.text import format_bytes
from learning.extra import PACKAGES, problem
from learning.model.catalog import find, installed
from learning.model.llama.instructions import unused_instructions
from learning.model.llama.library import loading_problem
from learning.model.needs import serving, training
from sandbox.box.contract import SandboxError
from sandbox.box.engine import check_engine
from sandbox.images.base import list_images
from sandbox.images.image import PROJECT, Image
from sandbox.images.pruning import last_use, prunable

_MIN_FREE_BYTES = 8 * 10**9
_KEPT_LAYERS = 3
_NO_PLANNER = PlannerSettings()


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    ok: bool
    what: str
    needed: bool = True


def checks(settings: ModelSettings, planner: PlannerSettings = _NO_PLANNER) -> Iterator[Check]:
    """Yield one check after the other; each may take a moment."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Check(sys.version_info >= (3, 11), f"Python {version} (3.11 or newer is needed)")
    yield _packages()
    yield from _sandbox()
    yield from _model(settings)
    yield from _llama(settings)
    if said := planner_line(planner):
        yield Check(ok=bool(planner.model), what=said, needed=False)
    yield _learning()
    home = from_environ(os.environ).home
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    yield Check(
        free > _MIN_FREE_BYTES, f"{format_bytes(free)} free for {home} (8 GB advised)", False
    )
    yield Check(ok=True, what=f"log file for bug reports: {from_environ(os.environ).log_file}")


def _packages() -> Check:
    """Check that our packages are of one installation: other distributions own the same names."""
    folders = set()
    for name in ("agent", "learning", "sandbox", "tui"):
        spec = find_spec(name)
        if spec is not None and spec.origin is not None:
            folders.add(Path(spec.origin).resolve().parent.parent)
    ok = len(folders) == 1
    where = ", ".join(sorted(map(str, folders)))
    advice = "" if ok else "; install elagent with pipx or `uv tool install`, apart from others"
    return Check(ok, f"packages in {where}{advice}")


def _sandbox() -> Iterator[Check]:
    try:
        engine = check_engine()
        images = list_images()
    except SandboxError as err:
        yield Check(ok=False, what=f"sandbox: {err}")
        return
    yield Check(ok=True, what=f"Docker engine {engine.version}, cgroup v{engine.cgroup_version}")
    if "runsc" in engine.runtimes:
        yield Check(ok=True, what='gVisor is available: sandbox.runtime = "runsc"')
    if not images:
        yield Check(False, "sandbox images: none yet; `elagent sandbox build`", needed=False)
        return
    for line in _image_lines(images):
        yield Check(ok=True, what=line)


def _image_lines(images: Sequence[Image]) -> Iterator[str]:
    """The images by kind, and which of them can go by which command."""
    bases = [image for image in images if image.source != PROJECT]
    layers = [image for image in images if image.source == PROJECT]
    for image in bases:
        yield f"base image {image.name}, {format_bytes(image.size_bytes)}"
    # The size of a layer counts the base below it, which is there only once.
    below = max((image.size_bytes for image in bases), default=0)
    if layers:
        noun = "image" if len(layers) == 1 else "images"
        yield (
            f"{len(layers)} {noun} with dependencies of projects, {_beside(layers, below)} beside"
            " the base; `elagent sandbox ls` names them"
        )
    cache = from_environ(os.environ).sandbox / "wheels"
    latest_first = sorted(images, key=lambda image: last_use(image, cache), reverse=True)
    if doomed := prunable(latest_first, _KEPT_LAYERS):
        yield (
            f"{len(doomed)} of the images, {_beside(doomed, below)}, can go:"
            f" `elagent sandbox prune --keep {_KEPT_LAYERS}` keeps those used last"
        )


def _beside(images: Sequence[Image], below: int) -> str:
    return f"about {format_bytes(sum(max(0, image.size_bytes - below) for image in images))}"


def _model(settings: ModelSettings) -> Iterator[Check]:
    name = settings.name
    if settings.base_url:
        yield Check(ok=True, what=f"model {name} from {settings.base_url}")
        return
    here = {model.name for model in installed(from_environ(os.environ).models)}
    ready = name in here or Path(name).exists()
    hint = "is installed" if ready else f"is not installed; `elagent models pull {name}`"
    yield Check(ready, f"model {name} {hint}", needed=False)
    if entry := find(name):
        machine = this_machine()
        serve, train = serving(entry, machine.host).fits, training(entry, machine.host).fits
        memory = format_bytes(machine.ram)
        yield Check(serve, f"{memory} of memory {_verb(serve)} serve {name}")
        yield Check(train, f"{memory} of memory {_verb(train)} train {name}", needed=False)


def _llama(settings: ModelSettings) -> Iterator[Check]:
    """Check that llama.cpp loads, and say what it leaves unused of this processor.

    The latter where it is certain, and no GPU computes.
    """
    if said := loading_problem():
        yield Check(False, said, not settings.base_url and settings.engine in ("auto", "llama"))
        return
    unused = unused_instructions()
    if unused is None or this_machine().offloads:
        return
    build = (
        f"pip install --no-deps --force-reinstall --no-binary xllamacpp xllamacpp=={unused.version}"
    )
    yield Check(
        False,
        f"llama.cpp's wheel is built for AVX2, and this processor has {', '.join(unused.names)};"
        f" `{build}` builds it for this machine (with a C++ compiler and CMake)",
        needed=False,
    )


def _learning() -> Check:
    """Check what learning needs, without loading torch."""
    if said := problem("Learning"):
        return Check(False, said, needed=False)
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return Check(True, f"packages for learning: {versions}", needed=False)


def _verb(can: bool) -> str:
    return "can" if can else "cannot"
