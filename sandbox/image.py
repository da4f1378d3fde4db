"""The base image every box starts from: found by what it was made of, else made.

Three ways lead to one: our Dockerfile where a registry is reachable, Debian's packages, or the
host's own Python. Images are known by id; names are only for people.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal

from sandbox.contract import ImageError, Job, Limits, SandboxError
from sandbox.engine import connect, engine_errors, engine_url
from sandbox.making import (
    OnProgress,
    build_dockerfile,
    content_key,
    import_root,
    our_dockerfile,
    python_version,
    registry_answers,
)
from sandbox.oneshot import run_job
from sandbox.policy import LABEL_PREFIX, BoxSpec

if TYPE_CHECKING:
    from docker import APIClient

Source = Literal["auto", "dockerfile", "debian", "lite"]
_BUILD_S = 1800.0
_RECIPE_VERSION = 3
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
            source = "dockerfile" if registry_answers(url) else "lite"
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
    """Remove what `prunable` names; an image that is in use stays.

    Returns what was removed.
    """
    with connect() as client:
        return [image for image in prunable(_list(client), keep_last) if _remove(client, image.id)]


def prunable(newest_first: Sequence[Image], keep_last: int) -> list[Image]:
    """Choose all project layers but the newest, and base images that a newer one replaced."""
    layers = [image for image in newest_first if image.source == "project"]
    bases = [image for image in newest_first if image.source != "project"]
    current: dict[tuple[str, str], str] = {}
    for image in bases:
        current.setdefault((image.source, image.python), image.id)
    replaced = [image for image in bases if current[image.source, image.python] != image.id]
    return layers[keep_last:] + replaced


def _remove(client: APIClient, image_id: str) -> bool:
    from docker.errors import APIError

    with engine_errors(f"the image {image_id} could not be removed"):
        try:
            client.remove_image(image_id)
        except APIError as error:
            if error.status_code == HTTPStatus.CONFLICT:
                return False
            raise
    return True


class _Keys:
    """The content key of each kind of base image; the host's Python is looked at only if asked."""

    def key(self, kind: str) -> str:
        """Return the hash of everything that decides what the image will contain."""
        from sandbox.debian import FINISH, SUITE, packages
        from sandbox.host import host_python
        from sandbox.lite import lite_inputs

        inputs: object
        match kind:
            case "dockerfile":
                inputs = [our_dockerfile(), python_version()]
            case "debian":
                inputs = [SUITE, packages(), FINISH]
            case _:
                inputs = lite_inputs(host_python())
        return content_key([_RECIPE_VERSION, kind, inputs])


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


def _make(client: APIClient, source: str, key: str, on_progress: OnProgress) -> str:
    match source:
        case "dockerfile":
            return build_dockerfile(client, our_dockerfile(), key, on_progress=on_progress)
        case "debian":
            return _make_debian(client, key, on_progress)
        case _:
            return _make_lite(client, key, on_progress)


def _make_lite(client: APIClient, key: str, on_progress: OnProgress) -> str:
    from sandbox.host import host_python
    from sandbox.lite import lite_root

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
