"""Base images from other sources than this machine's Python, and what is said when they fail."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.box.contract import ImageError
from sandbox.box.engine import connect
from sandbox.images.base import ensure_base, list_images
from sandbox.images.debian import packages
from sandbox.images.host import host_python
from sandbox.images.image import Image
from sandbox.images.lite import lite_inputs
from sandbox.images.making import build_dockerfile, content_key, image_name
from sandbox.images.pruning import prunable, prune_images

HARDENED = "USER 65532:65532"


@pytest.mark.docker
def test_a_dockerfile_is_built_with_labels(sandbox_image: str) -> None:
    text = f'FROM {sandbox_image}\nUSER 0\nRUN ["true"]\n{HARDENED}\n'
    key = content_key(["test", text])
    told: list[str] = []
    with connect(timeout_s=120) as client:
        image_id = build_dockerfile(client, text, key, on_progress=told.append)
        config = client.inspect_image(image_id)["Config"]  # type: ignore[no-untyped-call]
        client.remove_image(image_name("dockerfile", key))
    assert config["Labels"]["dev.elagent.key"] == key
    assert config["User"] == "65532:65532"
    assert told[0].startswith("Step 1/")


@pytest.mark.docker
def test_what_somebody_builds_on_our_image_is_not_ours(sandbox_image: str) -> None:
    with connect(timeout_s=120) as client:
        text = f"FROM {sandbox_image}\nENV X=1\n"
        steps = client.build(
            fileobj=io.BytesIO(text.encode()), tag="elagent-test:derived", decode=True, rm=True
        )
        assert not [step for step in steps if "error" in step]
        try:
            assert not [image for image in list_images() if image.name == "elagent-test:derived"]
            assert ensure_base(source="lite", on_progress=lambda _: None).id == sandbox_image
        finally:
            client.remove_image("elagent-test:derived")


@pytest.mark.docker
def test_a_step_that_fails_is_an_error(sandbox_image: str) -> None:
    text = f'FROM {sandbox_image}\nRUN ["false"]\n'
    with (
        connect(timeout_s=120) as client,
        pytest.raises(ImageError, match=r"could not be built: .*non-zero code: 1"),
    ):
        build_dockerfile(client, text, content_key(["fails"]), on_progress=lambda _: None)


def test_our_dockerfile_ends_as_an_ordinary_user() -> None:
    lines = Path("sandbox/images/Dockerfile").read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("USER")][-1] == HARDENED
    assert any("chmod ug-s" in line for line in lines)


def test_the_base_interpreter_is_found_behind_a_virtual_environment() -> None:
    python = host_python()
    assert python.binary.is_file()
    assert not python.binary.is_relative_to(Path(sys.prefix)) or sys.prefix == sys.base_prefix
    assert python.version == f"{sys.version_info.major}.{sys.version_info.minor}"
    assert (python.stdlib / "os.py").is_file()


def test_the_key_of_the_lite_image_names_the_packages_in_it() -> None:
    inputs = lite_inputs(host_python())
    names = {entry.partition("==")[0].lower() for entry in inputs[3]}  # type: ignore[attr-defined]
    assert {"pytest", "pluggy", "iniconfig", "pip"} <= names
    assert content_key(inputs) == content_key(lite_inputs(host_python()))


def test_bootstrapping_debian_without_rights_is_one_sentence() -> None:
    script = (
        "import os\nfrom sandbox.images.debian import debian_root\n"
        "from sandbox.box.contract import ImageError\n"
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "try:\n"
        "    with debian_root(on_progress=print): pass\n"
        "except ImageError as error: print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() in (
        "only root can bootstrap Debian: run as root, or use the lite image",
        "debootstrap is missing: apt-get install debootstrap, or use the lite image",
    )


def test_debian_comes_with_a_compiler_and_pip() -> None:
    assert {"gcc", "libc6-dev", "python3-pip", "python3-pytest", "git"} <= set(packages())


def image(number: int, source: str, python: str = "3.11") -> Image:
    return Image(id=str(number), name="", source=source, size_bytes=1, python=python)


def test_only_old_layers_and_replaced_bases_are_pruned() -> None:
    images = [
        image(9, "project"),
        image(8, "lite"),
        image(7, "project"),
        image(6, "lite", "3.12"),
        image(5, "project"),
        image(4, "lite"),
        image(3, "dockerfile"),
    ]
    assert [found.id for found in prunable(images, keep_last=2)] == ["5", "4"]
    assert [found.id for found in prunable(images, keep_last=0)] == ["9", "7", "5", "4"]


@pytest.mark.docker
def test_the_current_base_survives_pruning(sandbox_image: str, tmp_path: Path) -> None:
    ids = {found.id for found in list_images()}
    assert sandbox_image in ids
    removed = {found.id for found in prune_images(tmp_path, keep_last=10_000)}
    assert sandbox_image not in removed
