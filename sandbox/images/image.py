"""One image on this machine, as the engine and our labels describe it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.box.engine import engine_errors
from sandbox.box.policy import LABEL_PREFIX

if TYPE_CHECKING:
    from docker import APIClient

PROJECT = "project"
FOREIGN = "image"
"""Sources of an image beside those of a base: a project's packages on top of one, and anybody's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image on this machine, pinned by its id."""

    id: str
    name: str
    source: str
    """`dockerfile`, `debian`, `lite`, `project` for a layer with dependencies, or `image`."""
    size_bytes: int
    python: str
    """Version of its Python, such as `3.11`; empty if it has none."""
    created: str = ""
    key: str = ""
    """Hash of what it was made of; empty if somebody else made it."""
    path: str = ""
    """The image's own PATH, with programs outside of the usual folders."""
    volumes: tuple[str, ...] = ()
    """Folders for which the engine would make a place on the disk, without a limit."""


def inspect_image(client: APIClient, image_id: str) -> Image:
    """Return what the engine and our labels say about an image."""
    with engine_errors(f"the image {image_id} cannot be read"):
        data: dict[str, Any] = client.inspect_image(image_id)  # type: ignore[no-untyped-call]
    labels: dict[str, str] = data["Config"].get("Labels") or {}
    variables = [entry.partition("=") for entry in data["Config"].get("Env") or ()]
    names = data.get("RepoTags") or [data["Id"].removeprefix("sha256:")[:12]]
    return Image(
        id=data["Id"],
        name=names[0],
        source=labels.get(f"{LABEL_PREFIX}image", ""),
        size_bytes=int(data.get("Size", 0)),
        python=labels.get(f"{LABEL_PREFIX}python", ""),
        created=str(data.get("Created", "")),
        key=labels.get(f"{LABEL_PREFIX}key", ""),
        path=next((v for n, _, v in variables if n == "PATH"), ""),
        volumes=tuple(sorted(data["Config"].get("Volumes") or ())),
    )
