"""A project's dependencies as an image on top of the base, found again by what went into it.

Only third-party packages enter a layer, never the project's own source; installing wheels runs
nothing of them, and what had to be built was built in a box.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.box.contract import ImageError, Job, Limits, NeedsNetworkError, SourceFile
from sandbox.box.engine import connect, engine_errors, engine_url
from sandbox.box.execs import Command, execute
from sandbox.box.oneshot import copy_in, run_job, running_box
from sandbox.box.policy import JOB_USER, WORK_DIR, BoxSpec
from sandbox.box.streams import Capture
from sandbox.images.base import find_by_key
from sandbox.images.image import FOREIGN, PROJECT, Image, inspect_image
from sandbox.images.making import OnProgress, content_key, image_labels, image_name
from sandbox.images.pruning import SCRATCH_PREFIX, layer_stamp
from sandbox.images.sdists import Built, NeedsBuildRequirement, Sdist, build_wheel, fetch_sdist
from sandbox.images.wheels import WheelTarget, download_wheels, image_target
from sandbox.project.detection import Project

if TYPE_CHECKING:
    from docker import APIClient

_RECIPE_VERSION = 3
_MAX_BUILDS = 40
_INSTALL_S = 900.0
_MIB = 1024 * 1024


def ensure_project_image(
    base: Image,
    project: Project,
    *,
    cache: Path,
    allow_network: Callable[[str], bool],
    on_progress: OnProgress,
) -> Image:
    """Return an image with what the project needs, making it if there is none yet.

    `allow_network` says whether the build of a source archive, given by its file name, may have
    the network; only an archive whose build failed for lack of it is asked about.

    Raises:
        NeedsNetworkError: If building a package needs the network and that was not allowed.
        ImageError: If a package cannot be found, built or installed.
    """
    if not base.python:
        return _without_python(base, project)
    requirements = sorted(_needed(base, project))
    every = sorted({*requirements, *project.optional})
    if not every:
        return base
    key = content_key([_RECIPE_VERSION, base.id, requirements, every, sorted(project.constraints)])
    url = engine_url()
    with connect(url) as client, _building(cache, key):
        if image := find_by_key(client, key):
            return image
        satisfied = cache / f"{key}.base"
        if satisfied.exists() or _base_suffices(url, base, every):
            satisfied.touch()
            return base
        with tempfile.TemporaryDirectory(prefix=SCRATCH_PREFIX, dir=cache) as folder:
            wheels = _Wheels(
                url,
                base.id,
                Path(folder),
                constraints=sorted(project.constraints),
                network=allow_network,
                tell=on_progress,
            )
            files = wheels.fetch_with(requirements, project.optional)
            if not files:
                satisfied.touch()
                return base
            on_progress(f"installing {len(files)} packages into an image layer")
            image_id = _install(url, base, files, key)
        return inspect_image(client, image_id)


def _without_python(base: Image, project: Project) -> Image:
    if project.runner == "command" and not project.installable:
        return base
    raise ImageError(
        f"the image {base.name} has no python3, which the tests of this project need: "
        "name one that has it in sandbox.image, or say which command to run (--command)"
    )


def _needed(base: Image, project: Project) -> set[str]:
    needed = {*project.requirements, *project.build_requires}
    if base.source == FOREIGN and project.runner == "pytest":
        names = {canonicalize_name(Requirement(line).name) for line in needed}
        needed |= {"pytest"} - names  # our own images have it
    return needed


@contextmanager
def _building(cache: Path, key: str) -> Iterator[None]:
    """Let one process at a time make a given layer, and note that it was asked for."""
    cache.mkdir(parents=True, exist_ok=True)
    with layer_stamp(cache, key).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.utime(lock.fileno())
        yield


def _base_suffices(url: str, base: Image, requirements: Sequence[str]) -> bool:
    """True if the base image already has everything, e.g. when only pytest is asked for."""
    listing = ["python3", "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    job = Job(argv=listing, limits=Limits(timeout_s=60))
    execution = run_job(url, job, BoxSpec(image_id=base.id, labels={"kind": "check"}))
    if not execution.succeeded:
        raise ImageError(f"the base image cannot list its packages: {execution.stderr.text}")
    packages: list[dict[str, Any]] = json.loads(execution.stdout.data)
    installed = {canonicalize_name(item["name"]): str(item["version"]) for item in packages}
    for line in requirements:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        version = installed.get(canonicalize_name(requirement.name))
        if version is None or requirement.extras:
            return False
        if not requirement.specifier.contains(version, prereleases=True):
            return False
    return True


class _Wheels:
    """Gathers wheels in a scratch folder: fetched where there are any, built in a box elsewhere."""

    def __init__(
        self,
        url: str,
        image_id: str,
        folder: Path,
        *,
        constraints: Sequence[str],
        network: Callable[[str], bool],
        tell: OnProgress,
    ) -> None:
        self._url = url
        self._image_id = image_id
        self._folder = folder
        self._built = folder / "built"
        self._built.mkdir()
        self._constraints = constraints
        self._network = network
        self._tell = tell
        self._target: WheelTarget = image_target(url, image_id)
        self._tried: set[str] = set()

    def fetch_with(self, requirements: Sequence[str], optional: Sequence[str]) -> list[Path]:
        """Return wheels of the requirements, and of those optional ones that can be had with them."""
        limits = self._constraints
        if optional:
            every = sorted({*requirements, *optional})
            names = {canonicalize_name(Requirement(line).name) for line in optional}
            try:
                return self.fetch(every, name="all", constraints=limits, optional=names)
            except ImageError as error:
                self._tell(
                    f"not installed, though the tests import them: {', '.join(optional)} ({error})"
                )
        return self.fetch(requirements, constraints=limits) if requirements else []

    def fetch(
        self,
        requirements: Sequence[str],
        *,
        name: str = "wheels",
        constraints: Sequence[str] = (),
        optional: Collection[str] = (),
    ) -> list[Path]:
        """Return wheels of the requirements and of everything these need.

        What is optional, by its name, is left out if it has no wheel; anything else is built.
        """
        folder = self._folder / name
        wanted = list(requirements)
        self._tell(f"fetching {', '.join(wanted)[:200]}")
        for _ in range(_MAX_BUILDS):
            missing = download_wheels(
                wanted, folder, self._target, extra=self._built, constraints=constraints
            )
            if missing is None:
                return sorted(folder.glob("*.whl"))
            # pip started over: keep nothing of a half-resolved set
            shutil.rmtree(folder)
            gone = canonicalize_name(missing.requirement.name)
            if gone in optional:
                self._tell(f"not installed, though the tests import it: {gone} has no wheel here")
                wanted = [w for w in wanted if canonicalize_name(Requirement(w).name) != gone]
            else:
                self._build(missing.requirement)
        raise ImageError(f"more than {_MAX_BUILDS} packages would have to be built from source")

    def _build(self, requirement: Requirement) -> None:
        if str(requirement) in self._tried:
            raise ImageError(f"{requirement} was built, but pip does not accept the result")
        self._tried.add(str(requirement))
        sdist = fetch_sdist(requirement, self._built)
        self._tell(f"building {sdist.filename} in a box")
        needs = list(sdist.build_requires)
        for attempt in range(_MAX_BUILDS):
            label = f"for-{canonicalize_name(sdist.name)}-{attempt}"
            wheels = self.fetch(needs, name=label) if needs else []
            match self._in_a_box(sdist, wheels):
                case Built(filename=filename, content=content):
                    (self._built / filename).write_bytes(content)
                    return
                case NeedsBuildRequirement(requirement=line) if line not in needs:
                    needs.append(line)
                case NeedsBuildRequirement(requirement=line):
                    raise ImageError(f"building {sdist.filename} does not find {line}")

    def _in_a_box(self, sdist: Sdist, wheels: Sequence[Path]) -> Built | NeedsBuildRequirement:
        """Build without a network; again with it if that is what was missing and it is allowed."""
        try:
            return build_wheel(sdist, wheels, url=self._url, image_id=self._image_id, network=False)
        except NeedsNetworkError:
            if not self._network(sdist.filename):
                raise
        self._tell(f"building {sdist.filename} in a box with a network")
        return build_wheel(sdist, wheels, url=self._url, image_id=self._image_id, network=True)


def _install(url: str, base: Image, wheels: Sequence[Path], key: str) -> str:
    """Install wheels, offline, into a container of the base image, and commit it."""
    size_mib = sum(wheel.stat().st_size for wheel in wheels) // _MIB
    limits = Limits(
        timeout_s=_INSTALL_S, work_mib=size_mib + 64, memory_mib=size_mib + 1536, pids=512
    )
    spec = BoxSpec(image_id=base.id, labels={"kind": "build"}, writable=True)
    files = [SourceFile(path=f"wheels/{wheel.name}", content=wheel) for wheel in wheels]
    with (
        connect(url, timeout_s=_INSTALL_S) as client,
        running_box(client, limits, spec) as container_id,
    ):
        copy_in(client, container_id, files, directory=WORK_DIR, user=JOB_USER)
        _pip_install(client, container_id)
        return _commit(client, container_id, base, key)


def _pip_install(client: APIClient, container_id: str) -> None:
    output = Capture(64 * 1024)

    def keep(_: int, data: bytes) -> bool:
        output.write(data)
        return True

    script = (
        "python3 -m pip install --no-index --no-deps --no-cache-dir --no-input --quiet"
        " --disable-pip-version-check --root-user-action=ignore wheels/*.whl"
        # A Python that lives elsewhere than below /usr puts programs where no box looks for them.
        """ && for it in "$(python3 -c 'import sysconfig; print(sysconfig.get_path("scripts"))')"/*; do"""
        """ [ -f "$it" ] && [ -x "$it" ] || continue; command -v "${it##*/}" >/dev/null && continue;"""
        """ mkdir -p /usr/local/bin; ln -sf "$it" /usr/local/bin/ || :; done"""
    )
    ended = execute(
        client,
        container_id,
        Command(
            argv=["sh", "-c", script],
            user="0:0",
            workdir=WORK_DIR,
            env={"PIP_BREAK_SYSTEM_PACKAGES": "1"},
        ),
        keep,
        deadline=time.monotonic() + _INSTALL_S,
    )
    if ended.exit_code != 0:
        said = output.captured().text.strip().splitlines() or [f"exit {ended.exit_code}"]
        raise ImageError(f"the dependencies could not be installed: {said[-1]}")


def _commit(client: APIClient, container_id: str, base: Image, key: str) -> str:
    name, _, tag = image_name(PROJECT, key).partition(":")
    labels = image_labels(PROJECT, key, base.python)
    with engine_errors("the image layer could not be saved"):
        committed: dict[str, Any] = client.commit(
            container_id,
            repository=name,
            tag=tag,
            changes=[
                "USER 65532:65532",
                "ENTRYPOINT []",
                'CMD ["cat"]',
                *(f"LABEL {label}={value}" for label, value in labels.items()),
            ],
        )
    return str(committed["Id"])
