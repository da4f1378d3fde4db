"""Layers are bounded by when they were last asked for, and a sweep that has nothing to do is cheap."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox.box.engine import connect
from sandbox.images.base import list_images
from sandbox.images.image import Image
from sandbox.images.making import build_dockerfile, content_key, image_labels
from sandbox.images.pruning import (
    _latest_first,
    is_long_unused,
    last_use,
    layer_stamp,
    prunable,
    sweep_layers,
)

OLD = "2020-01-01T00:00:00.123456789Z"


def layer(key: str, created: str = OLD) -> Image:
    return Image(
        id=key, name=key, source="project", size_bytes=1, python="3.11", key=key, created=created
    )


def test_a_layer_in_use_outlives_a_newer_one_that_is_not(tmp_path: Path) -> None:
    layer_stamp(tmp_path, "used").touch()
    images = [layer("newer", "2021-01-01T00:00:00Z"), layer("used"), layer("oldest", "")]
    ordered = _latest_first(images, tmp_path)
    assert [image.key for image in ordered] == ["used", "newer", "oldest"]
    assert [image.key for image in prunable(ordered, keep_last=1)] == ["newer", "oldest"]


def test_the_last_use_is_at_least_the_making(tmp_path: Path) -> None:
    stamp = layer_stamp(tmp_path, "x")
    stamp.touch()
    os.utime(stamp, (1, 1))
    assert last_use(layer("x"), tmp_path) == pytest.approx(1577836800.12, abs=1)
    assert last_use(replace(layer("y"), created="nonsense"), tmp_path) == 0.0


@pytest.mark.parametrize(
    ("stamp_age_days", "made_days_ago", "unused"),
    [
        (0, 40, False),
        (6, 40, False),
        (8, 40, True),
        (None, 0.1, False),
        (None, 29, False),
        (None, 31, True),
    ],
)
def test_a_layer_is_long_unused_after_a_week_and_after_a_month_if_others_may_use_it(
    tmp_path: Path, stamp_age_days: float | None, made_days_ago: float, unused: bool
) -> None:
    now, day = 1_800_000_000.0, 86_400.0
    made = datetime.fromtimestamp(now - made_days_ago * day, tz=UTC).isoformat()
    if stamp_age_days is not None:
        stamp = layer_stamp(tmp_path, "x")
        stamp.touch()
        os.utime(stamp, (now - stamp_age_days * day,) * 2)
    assert is_long_unused(layer("x", made), tmp_path, now=now) is unused


@pytest.fixture
def made(sandbox_image: str) -> Iterator[list[str]]:
    """Keys of three project layers, just made."""
    keys = [content_key(["pruning", number, time.time()]) for number in range(3)]
    names = []
    with connect(timeout_s=120) as client:
        for key in keys:
            labels = image_labels("project", key, "3.11")
            lines = [f"LABEL {name}={value}" for name, value in labels.items()]
            text = "\n".join([f"FROM {sandbox_image}", *lines])
            names.append(build_dockerfile(client, text, key, on_progress=lambda _: None))
        yield keys
        for name in names:
            if any(image.id == name for image in list_images()):
                client.remove_image(name, force=True)


@pytest.mark.docker
def test_a_sweep_removes_nothing_that_somebody_may_be_about_to_use(
    made: list[str], tmp_path: Path
) -> None:
    scratch = tmp_path / "wheels-left-by-a-kill"
    scratch.mkdir()
    (scratch / "x.whl").touch()
    os.utime(scratch, (1, 1))
    (tmp_path / "wheels-in-use").mkdir()
    sweep_layers(tmp_path, keep_last=10_000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["wheels-in-use"]

    removed = {image.key for image in sweep_layers(tmp_path, keep_last=10_000)}
    assert removed.isdisjoint(made)
    assert {image.key for image in list_images()} >= set(made)
