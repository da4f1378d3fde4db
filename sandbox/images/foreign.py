"""Images that somebody else made: fetched if need be, and looked at before anybody relies on them.

What such an image contains is its own matter; what a box of it may do is not: the same options
hold, whatever the image says about its user, its entry point or its volumes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sandbox.box.contract import ImageError, Job, Limits, SandboxError
from sandbox.box.engine import connect
from sandbox.box.oneshot import run_job
from sandbox.box.policy import BoxSpec
from sandbox.images.image import FOREIGN, Image, inspect_image
from sandbox.images.making import OnProgress
from sandbox.project.detection import Project

if TYPE_CHECKING:
    from docker import APIClient

_PULL_S = 1800.0
_PROBE = """
for tool in tar cat env timeout; do command -v $tool >/dev/null || exit 3; done
python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true
"""


def foreign_image(url: str, name: str, *, on_progress: OnProgress) -> Image:
    """Return the image of that name, as it is now: from here on it is known by its id.

    Raises:
        ImageError: If it cannot be had, or has not what every box needs.
    """
    with connect(url, timeout_s=_PULL_S) as client:
        image = _find(client, name, on_progress)
    if image.volumes:
        raise ImageError(
            f"the image {name} declares volumes ({', '.join(image.volumes)}): those would be "
            "writable places outside of the limits of a box; name an image without"
        )
    job = Job(argv=["sh", "-c", _PROBE], limits=Limits(timeout_s=60))
    spec = BoxSpec(image_id=image.id, labels={"kind": "check"})
    try:
        execution = run_job(url, job, spec)
    except SandboxError as error:
        raise _unfit(name) from error
    if not execution.succeeded:
        raise _unfit(name)
    return dataclasses.replace(
        image, name=name, source=FOREIGN, python=execution.stdout.text.strip()
    )


def _find(client: APIClient, name: str, on_progress: OnProgress) -> Image:
    from docker.errors import APIError, DockerException, ImageNotFound
    from requests.exceptions import RequestException

    try:
        return inspect_image(client, client.inspect_image(name)["Id"])  # type: ignore[no-untyped-call]
    except ImageNotFound:
        on_progress(f"the image {name} is not on this machine: asking its registry")
    except APIError as error:
        raise ImageError(f"sandbox.image: {name!r} is not the name of an image") from error
    try:
        repository, tag = _tagged(name)
        client.pull(repository, tag=tag)
        return inspect_image(client, client.inspect_image(name)["Id"])  # type: ignore[no-untyped-call]
    except (DockerException, RequestException) as error:
        said = getattr(error, "explanation", None) or str(error)
        raise ImageError(
            f"the image {name} is not on this machine and its registry did not give it "
            f"({str(said).splitlines()[0][:200]}): load it with `docker load`, or name another one "
            "in sandbox.image"
        ) from error


def _tagged(name: str) -> tuple[str, str | None]:
    """Split the tag off, so that one image is pulled and not all of a repository's."""
    if "@" in name:
        return name, None
    repository, colon, tag = name.rpartition(":")
    return (repository, tag) if colon and "/" not in tag else (name, "latest")


def _unfit(name: str) -> ImageError:
    return ImageError(
        f"the image {name} cannot serve as a box: it needs sh, tar, cat, env and timeout "
        "(any image with coreutils or busybox has them)"
    )


def missing_compiler(project: Project, image: Image, *, url: str) -> str:
    """Return a sentence if the project's extensions cannot be built in this image, else nothing."""
    if not project.compiles or _missing(url, image, ["cc"], project) == []:
        return ""
    return (
        f"this project builds extensions, and the image {image.name} has no C compiler: what needs "
        "them fails or is left out; set sandbox.image to debian or dockerfile"
    )


def fit(project: Project, image: Image, *, url: str) -> Project:
    """Return the project as it runs in this image, after a look whether its tools are there.

    Raises:
        ImageError: If one is missing; the message says which, and what would help.
    """
    if image.source == FOREIGN and image.path:
        project = dataclasses.replace(
            project, environment={"PATH": image.path, **project.environment}
        )
    if not project.tools:
        return project
    if missing := _missing(url, image, project.tools, project):
        raise ImageError(
            f"the tests of this project run with `{project.command}`, but the image {image.name} "
            f"has no {' and no '.join(missing)}: name an image that has it in sandbox.image, or "
            "add Debian packages with sandbox.apt_packages"
        )
    return project


def _missing(url: str, image: Image, tools: Sequence[str], project: Project) -> list[str]:
    """Return those programs that are not in the image."""
    script = 'for tool; do command -v "$tool" >/dev/null || echo "$tool"; done'
    job = Job(
        argv=["sh", "-c", script, "sh", *tools],
        env=project.environment,
        limits=Limits(timeout_s=60),
    )
    execution = run_job(url, job, BoxSpec(image_id=image.id, labels={"kind": "check"}))
    return execution.stdout.text.split()
