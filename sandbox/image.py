"""The base image every box starts from: found by what it was made of, else made.

Three ways lead to one: our Dockerfile where a registry is reachable, Debian's packages, or the
host's own Python. Images are known by id; names are only for people.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from sandbox.box import run_job
from sandbox.contract import ImageError, Job, Limits, SandboxError
from sandbox.engine import connect, engine_errors, engine_url
from sandbox.policy import LABEL_PREFIX, BoxSpec

if TYPE_CHECKING:
    from docker import APIClient

Source = Literal["auto", "dockerfile", "debian", "lite"]
OnProgress = Callable[[str], None]

REPOSITORY = "elagent"
_PROBE_S = 5.0
_BUILD_S = 1800.0
_RECIPE_VERSION = 2
"""Counted up when images made by an older version of this program must not be used any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image on this machine, pinned by its id."""

    id: str
    name: str
    source: str
    """`dockerfile`, `debian`, `lite`, or `project` for a layer with dependencies."""
    size_bytes: int
    python: str
    """Version of its Python, such as `3.11`."""
    created: str = ""


def ensure_base(*, source: Source = "auto", on_progress: OnProgress) -> Image:
    """Return a base image, making it if there is none for this recipe.

    Raises:
        ImageError: If it cannot be made; the message says what is missing.
        EngineUnavailableError: If there is no engine.
    """
    url = engine_url()
    keys = _Keys()
    candidates = ("dockerfile", "debian", "lite") if source == "auto" else (source,)
    with connect(url, timeout_s=_BUILD_S) as client:
        for kind in candidates:
            if image := find_by_key(client, keys.key(kind)):
                return image
        if source == "auto":
            source = "dockerfile" if _registry_answers(url) else "lite"
            reason = "reachable" if source == "dockerfile" else "not reachable"
            on_progress(f"image registry {reason}: making the {source} base image")
        image = inspect_image(client, _make(client, source, keys.key(source), on_progress))
        try:
            _smoke_test(url, image.id)
        except ImageError:
            client.remove_image(image.id)
            raise
    on_progress(f"base image {image.name} ready: {image.size_bytes // 1_000_000} MB")
    return image


def list_images() -> list[Image]:
    """Return every image this program made, newest first."""
    with connect() as client:
        return _list(client)


def prune_images(*, keep_last: int) -> list[Image]:
    """Remove all project layers but the newest, and base images nothing is made from any more.

    Returns what was removed. An image a container still uses stays.
    """
    from docker.errors import APIError

    removed: list[Image] = []
    with connect() as client:
        images = _list(client)
        layers = [image for image in images if image.source == "project"]
        newest: dict[str, Image] = {}
        for image in images:
            newest.setdefault(image.source, image)
        old = layers[keep_last:] + [
            image
            for image in images
            if image.source != "project" and newest[image.source].id != image.id
        ]
        for image in old:
            with suppress(APIError), engine_errors(f"{image.name} could not be removed"):
                try:
                    client.remove_image(image.id, noprune=False)
                except APIError:
                    continue
                removed.append(image)
    return removed


class _Keys:
    """The content key of each kind of base image; the host's Python is looked at only if asked."""

    def key(self, kind: str) -> str:
        """Return the hash of everything that decides what the image will contain."""
        from sandbox.debian import SUITE, packages
        from sandbox.lite import host_python, lite_inputs

        inputs: object
        match kind:
            case "dockerfile":
                inputs = [_dockerfile(), _python_version()]
            case "debian":
                inputs = [SUITE, packages()]
            case _:
                inputs = lite_inputs(host_python())
        return content_key([_RECIPE_VERSION, kind, inputs])


def content_key(inputs: object) -> str:
    """Hash a JSON-able description."""
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def find_by_key(client: APIClient, key: str) -> Image | None:
    """Return the newest image labelled with this content key."""
    return next(iter(_list(client, f"{LABEL_PREFIX}key={key}")), None)


def _list(client: APIClient, label: str = f"{LABEL_PREFIX}image") -> list[Image]:
    with engine_errors("the images could not be listed"):
        found: list[dict[str, Any]] = client.images(filters={"label": label})
        images = [inspect_image(client, item["Id"]) for item in found]
    return sorted(images, key=lambda image: image.created, reverse=True)


def inspect_image(client: APIClient, image_id: str) -> Image:
    """Return what the engine and our labels say about an image."""
    with engine_errors(f"the image {image_id} cannot be read"):
        data: dict[str, Any] = client.inspect_image(image_id)  # type: ignore[no-untyped-call]
    labels: dict[str, str] = data["Config"].get("Labels") or {}
    names = data.get("RepoTags") or [data["Id"].removeprefix("sha256:")[:12]]
    return Image(
        id=data["Id"],
        name=names[0],
        source=labels.get(f"{LABEL_PREFIX}image", ""),
        size_bytes=int(data.get("Size", 0)),
        python=labels.get(f"{LABEL_PREFIX}python", ""),
        created=str(data.get("Created", "")),
    )


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


def _python_version() -> str:
    """Return the Python of the image: the host's, so that wheels resolve for the right one."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _dockerfile() -> str:
    return resources.files("sandbox").joinpath("Dockerfile").read_text("utf-8")


def _registry_answers(url: str) -> bool:
    """Whether the *engine* can reach the registry: it is the one that would pull."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        with connect(url, timeout_s=_PROBE_S) as client:
            client.inspect_distribution(  # type: ignore[no-untyped-call]
                f"python:{_python_version()}-slim"
            )
    except (DockerException, RequestException):
        return False
    return True


def build_dockerfile(
    client: APIClient, dockerfile: str, key: str, *, on_progress: OnProgress
) -> str:
    """Build an image from the text of a Dockerfile and return its id.

    Raises:
        ImageError: If a step fails.
    """
    python = _python_version()
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
            buildargs={"PYTHON": python},
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


def _make(client: APIClient, source: str, key: str, on_progress: OnProgress) -> str:
    match source:
        case "dockerfile":
            return build_dockerfile(client, _dockerfile(), key, on_progress=on_progress)
        case "debian":
            return _make_debian(client, key, on_progress)
        case _:
            return _make_lite(client, key, on_progress)


def _make_lite(client: APIClient, key: str, on_progress: OnProgress) -> str:
    from sandbox.lite import host_python, lite_root

    python = host_python()
    with lite_root(python, on_progress=on_progress) as archive:
        on_progress("importing the image")
        return import_root(client, archive, kind="lite", key=key, python=python.version)


def _make_debian(client: APIClient, key: str, on_progress: OnProgress) -> str:
    from sandbox.debian import PYTHON, debian_root

    with debian_root(on_progress=on_progress) as archive:
        on_progress("importing the image")
        return import_root(client, archive, kind="debian", key=key, python=PYTHON)


def _smoke_test(url: str, image_id: str) -> None:
    """Refuse an image that could not run a test suite, before anybody relies on it."""
    script = "import ctypes, pip, pytest, sqlite3, ssl, venv, zoneinfo"
    job = Job(argv=["python3", "-c", script], limits=Limits(timeout_s=60))
    spec = BoxSpec(image_id=image_id, labels={"kind": "check"})
    try:
        execution = run_job(url, job, spec)
    except SandboxError as error:
        raise ImageError(f"the new base image does not work: {error}") from error
    if not execution.succeeded:
        said = execution.stderr.text.strip().splitlines()
        reason = said[-1] if said else f"Python ended with {execution.exit_code}"
        raise ImageError(f"the new base image does not work: {reason}")
