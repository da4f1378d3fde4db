"""The base image every box starts from: found by what it was made of, else made.

Three ways lead to one: our Dockerfile where a registry is reachable, Debian's packages, or the
host's own Python. Any other name is that of an image made by somebody else (`sandbox.images.foreign`).
Images are known by id; names are only for people.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sandbox.box.contract import ImageError, Job, Limits, SandboxError
from sandbox.box.engine import connect, engine_errors, engine_url
from sandbox.box.oneshot import run_job
from sandbox.box.policy import LABEL_PREFIX, BoxSpec
from sandbox.images.foreign import foreign_image
from sandbox.images.image import Image, inspect_image
from sandbox.images.making import (
    OnProgress,
    build_dockerfile,
    content_key,
    image_name,
    import_root,
    our_dockerfile,
    python_version,
    registry_answers,
)

if TYPE_CHECKING:
    from docker import APIClient

KINDS = ("dockerfile", "debian", "lite")
_DEBIAN_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_BUILD_S = 1800.0
_RECIPE_VERSION = 4
"""Counted up when images made by an older version of this program must not be used any more."""


def ensure_base(
    *, source: str = "auto", apt_packages: str | None = None, on_progress: OnProgress
) -> Image:
    """Return a base image, making it if there is none for this recipe.

    `source` is one of `KINDS`, `auto` for the first of them that can be had, or the name of any
    image. `apt_packages` are names of Debian packages, separated by spaces, to be in it as well.

    Raises:
        ImageError: If it cannot be made; the message says what is missing.
        EngineUnavailableError: If there is no engine.
    """
    url = engine_url()
    extra = apt_names(apt_packages or "")
    if source not in ("auto", *KINDS):
        return _foreign(url, source, extra, on_progress)
    if source == "lite" and extra:
        raise ImageError(
            "the lite image cannot have packages of Debian's in it (sandbox.apt_packages): "
            'set sandbox.image to "debian" or "dockerfile"'
        )
    keys = _Keys(extra)
    candidates = (KINDS[:2] if extra else KINDS) if source == "auto" else (source,)
    with connect(url, timeout_s=_BUILD_S) as client:
        for kind in candidates:
            if image := find_by_key(client, keys.key(kind)):
                return image
        if source == "auto":
            source = "dockerfile" if registry_answers(url) else candidates[-1]
            reason = "reachable" if source == "dockerfile" else "not reachable"
            on_progress(f"image registry {reason}: making the {source} base image")
        made = _make(client, source, keys.key(source), extra, on_progress)
        image = inspect_image(client, made)
        try:
            _smoke_test(url, image.id)
        except ImageError:
            client.remove_image(image.id)
            raise
    on_progress(f"base image {image.name} ready: {image.size_bytes // 1_000_000} MB")
    return image


def apt_names(text: str) -> tuple[str, ...]:
    """Return the package names in a text, sorted.

    Raises:
        ImageError: If one of them is not a name that Debian allows.
    """
    names = sorted(set(text.split()))
    for name in names:
        if not _DEBIAN_NAME.fullmatch(name):
            raise ImageError(
                f"sandbox.apt_packages: {name!r} is not the name of a Debian package "
                "(small letters, digits and +.- only, separated by spaces)"
            )
    return tuple(names)


def _foreign(url: str, name: str, apt_packages: Sequence[str], on_progress: OnProgress) -> Image:
    if apt_packages:
        raise ImageError(
            f"sandbox.apt_packages only go into images that elagent makes, not into {name}: "
            'put them into that image, or set sandbox.image to "debian" or "dockerfile"'
        )
    return foreign_image(url, name, on_progress=on_progress)


def list_images() -> list[Image]:
    """Return every image this program made, newest first."""
    with connect() as client:
        return _list(client)


class _Keys:
    """The content key of each kind of base image; the host's Python is looked at only if asked."""

    def __init__(self, apt_packages: Sequence[str]) -> None:
        self._apt_packages = list(apt_packages)

    def key(self, kind: str) -> str:
        """Return the hash of everything that decides what the image will contain."""
        from sandbox.images.debian import FINISH, SUITE, packages
        from sandbox.images.host import host_python
        from sandbox.images.lite import lite_inputs

        inputs: object
        match kind:
            case "dockerfile":
                inputs = [our_dockerfile(), python_version(), *self._apt_packages]
            case "debian":
                inputs = [SUITE, packages(), FINISH, *self._apt_packages]
            case _:
                inputs = lite_inputs(host_python())
        return content_key([_RECIPE_VERSION, kind, inputs])


def find_by_key(client: APIClient, key: str) -> Image | None:
    """Return the newest image labelled with this content key."""
    return next(iter(_list(client, f"{LABEL_PREFIX}key={key}")), None)


def _list(client: APIClient, label: str = f"{LABEL_PREFIX}image") -> list[Image]:
    with engine_errors("the images could not be listed"):
        found: list[dict[str, Any]] = client.images(filters={"label": label})
        images = [inspect_image(client, item["Id"]) for item in found if _is_ours(item)]
    return sorted(images, key=lambda image: image.created, reverse=True)


def _is_ours(listed: Mapping[str, Any]) -> bool:
    """True if an image has our labels; images built on top of ours inherit them."""
    labels = listed.get("Labels") or {}
    kind, key = labels.get(f"{LABEL_PREFIX}image", ""), labels.get(f"{LABEL_PREFIX}key", "")
    return image_name(kind, key) in (listed.get("RepoTags") or ())


def _make(
    client: APIClient,
    source: str,
    key: str,
    apt_packages: Sequence[str],
    on_progress: OnProgress,
) -> str:
    match source:
        case "dockerfile":
            return build_dockerfile(
                client,
                our_dockerfile(),
                key,
                apt_packages=apt_packages,
                on_progress=on_progress,
            )
        case "debian":
            return _make_debian(client, key, apt_packages, on_progress)
        case _:
            return _make_lite(client, key, on_progress)


def _make_lite(client: APIClient, key: str, on_progress: OnProgress) -> str:
    from sandbox.images.host import host_python
    from sandbox.images.lite import lite_root

    python = host_python()
    with lite_root(python, on_progress=on_progress) as archive:
        on_progress("importing the image")
        return import_root(client, archive, kind="lite", key=key, python=python.version)


def _make_debian(
    client: APIClient, key: str, apt_packages: Sequence[str], on_progress: OnProgress
) -> str:
    from sandbox.images.debian import PYTHON, debian_root

    with debian_root(extra=apt_packages, on_progress=on_progress) as archive:
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
