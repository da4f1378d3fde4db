"""Turns a Dockerfile or a root filesystem into a labelled image."""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from importlib import resources
from typing import TYPE_CHECKING, Any, BinaryIO

from sandbox.box.contract import ImageError
from sandbox.box.engine import connect, engine_errors
from sandbox.box.policy import LABEL_PREFIX

if TYPE_CHECKING:
    from docker import APIClient

OnProgress = Callable[[str], None]

REPOSITORY = "elagent"
_PROBE_S = 5.0


def content_key(inputs: object) -> str:
    """Hash a JSON-able description."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def image_labels(kind: str, key: str, python: str) -> dict[str, str]:
    """Return the labels by which an image is found again."""
    return {
        f"{LABEL_PREFIX}image": kind,
        f"{LABEL_PREFIX}key": key,
        f"{LABEL_PREFIX}python": python,
    }


def image_name(kind: str, key: str) -> str:
    """Return the readable name of an image."""
    return f"{REPOSITORY}-{kind}:{key[:12]}"


def python_version() -> str:
    """Return the Python of the image: the host's, so that wheels resolve for the right one."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def our_dockerfile() -> str:
    return resources.files("sandbox.images").joinpath("Dockerfile").read_text("utf-8")


def registry_answers(url: str) -> bool:
    """True if the *engine* can reach the registry: the engine would pull the image."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        with connect(url, timeout_s=_PROBE_S) as client:
            client.inspect_distribution(  # type: ignore[no-untyped-call]
                f"python:{python_version()}-slim"
            )
    except (DockerException, RequestException):
        return False
    return True


def build_dockerfile(
    client: APIClient,
    dockerfile: str,
    key: str,
    *,
    apt_packages: Sequence[str] = (),
    on_progress: OnProgress,
) -> str:
    """Build an image from the text of a Dockerfile and return its id.

    Raises:
        ImageError: If a step fails.
    """
    python = python_version()
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        info = tarfile.TarInfo("Dockerfile")
        info.size = len(dockerfile.encode())
        archive.addfile(info, io.BytesIO(dockerfile.encode()))
    context.seek(0)
    with engine_errors("the base image could not be built"):
        steps: Iterator[dict[str, Any]] = client.build(
            fileobj=context,
            custom_context=True,
            tag=image_name("dockerfile", key),
            buildargs={"PYTHON": python, "APT_PACKAGES": " ".join(apt_packages)},
            labels=image_labels("dockerfile", key, python),
            rm=True,
            forcerm=True,
            decode=True,
        )
        image_id = _follow_build(steps, on_progress)
    if image_id is None:
        raise ImageError("the base image could not be built: the engine named no image")
    return image_id


def _follow_build(steps: Iterator[dict[str, Any]], on_progress: OnProgress) -> str | None:
    image_id = None
    for step in steps:
        if error := step.get("error"):
            raise ImageError(f"the base image could not be built: {str(error).strip()}")
        text = str(step.get("stream", "")).strip()
        if text.startswith("Step "):
            on_progress(text.splitlines()[0])
        image_id = (step.get("aux") or {}).get("ID", image_id)
    return image_id


def import_root(client: APIClient, archive: BinaryIO, *, kind: str, key: str, python: str) -> str:
    """Import a root filesystem (an uncompressed tar archive) as an image and return its id.

    Raises:
        ImageError: If the engine does not take it.
    """
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/tmp"}  # noqa: S108
    changes = [
        *(f"ENV {name}={value}" for name, value in env.items()),
        "USER 65532:65532",
        'CMD ["cat"]',
        *(f"LABEL {name}={value}" for name, value in image_labels(kind, key, python).items()),
    ]
    repository, _, tag = image_name(kind, key).partition(":")
    with engine_errors("the base image could not be imported"):
        answer: str = client.import_image(
            src=archive, repository=repository, tag=tag, changes=changes
        )
    last: Mapping[str, Any] = json.loads(answer.strip().splitlines()[-1])
    status = str(last.get("status", ""))
    if not status.startswith("sha256:"):
        raise ImageError(f"the base image could not be imported: {last.get('error', answer)}")
    return status
