"""Dependencies as image layers, offline: from a folder of wheels and source archives."""

from __future__ import annotations

import io
import os
import re
import secrets
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from importlib.metadata import distribution
from pathlib import Path

import pytest

from sandbox.box.contract import ImageError, Job, NeedsNetworkError
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.engine import connect
from sandbox.images.base import ensure_base, list_images
from sandbox.images.host_pip import parse_pip_config
from sandbox.images.image import Image
from sandbox.images.layers import ensure_project_image
from sandbox.project.detection import Project

SETUP = "from setuptools import setup\n"


def make_wheel(folder: Path, name: str, version: str, files: Mapping[str, str]) -> None:
    info = f"{name}-{version}.dist-info"
    entries = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    entries[f"{info}/RECORD"] = "".join(f"{entry},,\n" for entry in [*entries, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for entry, text in entries.items():
            archive.writestr(entry, text)


def make_sdist(folder: Path, name: str, version: str, files: Mapping[str, str]) -> None:
    with tarfile.open(folder / f"{name}-{version}.tar.gz", "w:gz") as archive:
        for path, text in files.items():
            info = tarfile.TarInfo(f"{name}-{version}/{path}")
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))


def pack_installed(folder: Path, name: str) -> None:
    """Make a wheel again out of what is installed here: a build backend without a network."""
    dist = distribution(name)
    target = folder / f"{name}-{dist.version}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w") as archive:
        for file in dist.files or ():
            source = Path(str(dist.locate_file(file)))
            if ".." not in file.parts and source.is_file() and source.suffix != ".pyc":
                archive.write(source, str(file))


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Path]:
    """A folder that pip is told, by its own settings, is all there is."""
    folder = tmp_path / "index"
    folder.mkdir()
    saved = dict(os.environ)
    os.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder)}
    yield folder
    os.environ.clear()
    os.environ.update(saved)


@pytest.fixture
def base(sandbox_image: str) -> Image:
    return next(image for image in list_images() if image.id == sandbox_image)


def project(root: Path, *requirements: str) -> Project:
    return Project(root=root, runner="pytest", requirements=requirements)


def make_layer(base: Image, wanted: Project, cache: Path, told: list[str] | None = None) -> Image:
    lines = [] if told is None else told
    return ensure_project_image(
        base, wanted, cache=cache, allow_network=lambda _: False, on_progress=lines.append
    )


async def output_of(image: Image, lock_dir: Path, script: str) -> str:
    async with DockerSandbox(image.id, session="layers", lock_dir=lock_dir) as box:
        execution = await box.run(Job(argv=["python3", "-c", script]))
    return execution.stdout.text + execution.stderr.text


@pytest.mark.docker
def test_without_dependencies_the_base_is_the_image(base: Image, tmp_path: Path) -> None:
    told: list[str] = []
    assert make_layer(base, project(tmp_path), tmp_path / "cache", told) is base
    assert told == []


@pytest.mark.docker
def test_what_the_base_has_already_needs_no_layer(base: Image, tmp_path: Path, index: Path) -> None:
    assert list(index.iterdir()) == []
    wanted = project(tmp_path, "pytest>=7", 'tomli; python_version < "3"')
    assert make_layer(base, wanted, tmp_path / "cache") == base
    assert make_layer(base, wanted, tmp_path / "cache") == base


@pytest.mark.docker
async def test_wheels_and_a_built_source_become_a_layer_once(
    base: Image, tmp_path: Path, index: Path
) -> None:
    marker = tmp_path / "ran-on-the-host"
    # a version nobody has built before: the layer must not come from an earlier run of this test
    version = f"2.{secrets.randbelow(10**12)}"
    make_wheel(index, "tinywheel", "1.0", {"tinywheel.py": "VALUE = 1\n"})
    make_sdist(
        index,
        "tinysource",
        version,
        {
            "setup.py": SETUP
            + "import pathlib\n"
            + f"pathlib.Path({str(tmp_path)!r}).exists() and open({str(marker)!r}, 'w')\n"
            + f"setup(name='tinysource', version={version!r}, py_modules=['tinysource'],"
            + " install_requires=['tinywheel'])\n",
            "tinysource.py": "VALUE = 2\n",
            "PKG-INFO": f"Metadata-Version: 2.1\nName: tinysource\nVersion: {version}\n",
        },
    )
    pack_installed(index, "setuptools")
    wanted = project(tmp_path, f"tinysource=={version}")
    told: list[str] = []
    image = make_layer(base, wanted, tmp_path / "cache", told)
    try:
        script = "import tinysource, tinywheel; print(tinysource.VALUE + tinywheel.VALUE)"
        assert await output_of(image, tmp_path, script) == "3\n"
        assert image.source == "project"
        assert any(f"building tinysource-{version}.tar.gz in a box" in line for line in told)
        assert not marker.exists()

        told.clear()
        again = make_layer(base, wanted, tmp_path / "cache", told)
        assert (again.id, told) == (image.id, [])

        writable = "import os; print([os.access(p, 2) for p in ('/', '/usr', '/box', '/tmp')])"
        assert await output_of(image, tmp_path, writable) == "[False, False, True, True]\n"
    finally:
        with connect() as client:
            client.remove_image(image.id)


@pytest.mark.docker
async def test_constraints_choose_versions_and_what_is_optional_may_be_missing(
    base: Image, tmp_path: Path, index: Path
) -> None:
    suffix = f"x{secrets.token_hex(6)}"  # a layer of an earlier run must not serve
    for version in ("1.0", "2.0"):
        make_wheel(index, f"limited{suffix}", version, {f"limited{suffix}.py": f"V = {version}\n"})
    program = "[console_scripts]\nsay-v = extra:main\n".replace("extra", f"extra{suffix}")
    module = "V = 3\ndef main():\n    print('V is', V)\n"
    make_wheel(
        *(index, f"extra{suffix}", "1.0"),
        {f"extra{suffix}.py": module, f"extra{suffix}-1.0.dist-info/entry_points.txt": program},
    )
    wanted = Project(
        root=tmp_path,
        runner="pytest",
        requirements=(f"limited{suffix}",),
        optional=(f"extra{suffix}", "no-such-package>=3"),
        constraints=(f"limited{suffix}<2", "unused==1"),
    )
    told: list[str] = []
    image = make_layer(base, wanted, tmp_path / "cache", told)
    try:
        script = f"import limited{suffix} as a, extra{suffix} as b; print(a.V, b.V)"
        assert await output_of(image, tmp_path, script) == "1.0 3\n"
        by_name = "import subprocess; subprocess.run(['say-v'], check=True)"
        assert await output_of(image, tmp_path, by_name) == "V is 3\n", "programs are on the PATH"
        assert any("no-such-package has no wheel here" in line for line in told)
    finally:
        with connect() as client:
            client.remove_image(image.id)


@pytest.mark.docker
async def test_optional_packages_that_contradict_the_rest_are_left_out(
    base: Image, tmp_path: Path, index: Path
) -> None:
    suffix = f"x{secrets.token_hex(6)}"
    for version in ("1.0", "2.0"):
        make_wheel(index, f"strict{suffix}", version, {f"strict{suffix}.py": f"V = {version}\n"})
    wanted = Project(
        root=tmp_path,
        runner="pytest",
        requirements=(f"strict{suffix}==1.0",),
        optional=(f"strict{suffix}==2.0",),
    )
    told: list[str] = []
    image = make_layer(base, wanted, tmp_path / "cache", told)
    try:
        assert (
            await output_of(image, tmp_path, f"import strict{suffix} as a; print(a.V)") == "1.0\n"
        )
        assert any("not installed, though the tests import" in line for line in told)
    finally:
        with connect() as client:
            client.remove_image(image.id)


@pytest.mark.docker
def test_a_build_that_needs_the_network_asks_first(
    base: Image, tmp_path: Path, index: Path
) -> None:
    make_sdist(
        index,
        "fetcher",
        "1.0",
        {
            "setup.py": SETUP
            + "import urllib.request\n"
            + "urllib.request.urlopen('http://example.com/data', timeout=5)\n"
            + "setup(name='fetcher', version='1.0')\n",
        },
    )
    pack_installed(index, "setuptools")
    with pytest.raises(NeedsNetworkError, match=r"building fetcher-1.0.tar.gz needs the network"):
        make_layer(base, project(tmp_path, "fetcher"), tmp_path / "cache")


@pytest.mark.docker
def test_an_unknown_package_is_named(base: Image, tmp_path: Path, index: Path) -> None:
    assert index.is_dir()
    with pytest.raises(ImageError, match=re.escape("no-such-package>=3 is neither available")):
        make_layer(base, project(tmp_path, "no-such-package>=3"), tmp_path / "cache")


@pytest.mark.docker
def test_a_build_that_fails_says_why(base: Image, tmp_path: Path, index: Path) -> None:
    make_sdist(index, "broken", "1.0", {"setup.py": "raise RuntimeError('out of luck')\n"})
    pack_installed(index, "setuptools")
    with pytest.raises(ImageError, match=r"broken-1.0.tar.gz could not be built"):
        make_layer(base, project(tmp_path, "broken"), tmp_path / "cache")


@pytest.mark.docker
def test_a_base_image_is_made_once() -> None:
    told: list[str] = []
    first = ensure_base(source="lite", on_progress=told.append)
    told.clear()
    second = ensure_base(source="lite", on_progress=told.append)
    assert (first.id, told) == (second.id, [])
    assert first.size_bytes < 150_000_000


def test_pip_settings_are_read_as_pip_ranks_them() -> None:
    text = (
        "global.index-url='https://user:p%40ss@example.org/simple'\n"
        "global.extra-index-url='https://a/simple https://b/simple'\n"
        "global.no-index='true'\n"
        "download.index-url='https://download.example.org/simple'\n"
        "install.index-url='https://install.example.org/simple'\n"
        ":env:.no-index='0'\n"
        ":env:.cert='/etc/ca.pem'\n"
        "a line of something else\n"
    )
    assert parse_pip_config(text) == {
        "index-url": "https://download.example.org/simple",
        "extra-index-url": "https://a/simple https://b/simple",
        "cert": "/etc/ca.pem",
    }
