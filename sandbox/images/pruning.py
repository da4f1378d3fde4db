"""Keeps the number of images bounded: layers that nobody used for long, bases that were replaced.

When a layer was last asked for is the time of its lock file in the cache of wheels.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.box.engine import connect, engine_errors
from sandbox.box.policy import LABEL_PREFIX
from sandbox.images.base import list_images
from sandbox.images.image import PROJECT, Image

if TYPE_CHECKING:
    from docker import APIClient

SCRATCH_PREFIX = "wheels-"
_DAY_S = 24 * 3600.0
_UNUSED_S = 7 * _DAY_S
_ELSEWHERE_S = 30 * _DAY_S
"""Age at which a layer is pruned that was never asked for from this home folder: others share the
engine, and when they last asked is not known here."""


def layer_stamp(cache: Path, key: str) -> Path:
    """Return the file that is locked while a layer is made, and touched when it is asked for."""
    return cache / f"{key}.lock"


def sweep_layers(cache: Path, *, keep_last: int) -> list[Image]:
    """Remove the layers that were not asked for the longest, beyond `keep_last`; cheap if none are.

    Layers that were asked for within a week stay, and those of other home folders for a month
    after they were made. Also removes scratch folders that a killed process left in the cache.
    Returns the images that were removed.

    Raises:
        SandboxError: If the engine cannot be asked.
    """
    now = time.time()
    for folder in cache.glob(f"{SCRATCH_PREFIX}*"):
        with suppress(OSError):
            if folder.stat().st_mtime < now - _DAY_S:
                shutil.rmtree(folder)
    with connect() as client, engine_errors("the images could not be listed"):
        found: list[Any] = client.images(filters={"label": f"{LABEL_PREFIX}image={PROJECT}"})
    if len(found) <= keep_last:
        return []
    layers = [image for image in list_images() if image.source == PROJECT]
    old = prunable(_latest_first(layers, cache), keep_last)
    return _remove([image for image in old if is_long_unused(image, cache, now=now)], cache)


def is_long_unused(image: Image, cache: Path, *, now: float) -> bool:
    """Tell whether nobody will miss a layer, as far as that is known; `now` in epoch seconds."""
    known = layer_stamp(cache, image.key).exists()
    return last_use(image, cache) < now - (_UNUSED_S if known else _ELSEWHERE_S)


def prune_images(cache: Path, *, keep_last: int) -> list[Image]:
    """Remove what `prunable` names; an image that is in use stays.

    Returns what was removed.
    """
    return _remove(prunable(_latest_first(list_images(), cache), keep_last), cache)


def prunable(latest_first: Sequence[Image], keep_last: int) -> list[Image]:
    """Choose all project layers but the latest, and base images that a newer one replaced."""
    layers = [image for image in latest_first if image.source == PROJECT]
    bases = [image for image in latest_first if image.source != PROJECT]
    current: dict[tuple[str, str], str] = {}
    for image in bases:
        current.setdefault((image.source, image.python), image.id)
    replaced = [image for image in bases if current[image.source, image.python] != image.id]
    return layers[keep_last:] + replaced


def last_use(image: Image, cache: Path) -> float:
    """Seconds since the epoch when a layer was made or last asked for, as far as that is known."""
    try:
        made = datetime.fromisoformat(image.created).timestamp()
    except ValueError:
        made = 0.0
    try:
        return max(made, layer_stamp(cache, image.key).stat().st_mtime)
    except OSError:
        return made


def _latest_first(images: Sequence[Image], cache: Path) -> list[Image]:
    return sorted(images, key=lambda image: last_use(image, cache), reverse=True)


def _remove(images: Sequence[Image], cache: Path) -> list[Image]:
    removed = []
    with connect() as client:
        for image in images:
            if _remove_image(client, image.id):
                layer_stamp(cache, image.key).unlink(missing_ok=True)
                removed.append(image)
    return removed


def _remove_image(client: APIClient, image_id: str) -> bool:
    from docker.errors import APIError, NotFound

    with engine_errors(f"the image {image_id} could not be removed"):
        try:
            client.remove_image(image_id)
        except NotFound:
            return False  # somebody else removed it at the same moment
        except APIError as error:
            if error.status_code == HTTPStatus.CONFLICT:
                return False
            raise
    return True
