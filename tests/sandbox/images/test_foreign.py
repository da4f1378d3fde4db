"""Any image may be named; what it lacks is said in one sentence, before anything relies on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.box.contract import ImageError, Limits, SandboxError, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.engine import check_runtime, connect, engine_url
from sandbox.images.base import apt_names, ensure_base
from sandbox.images.foreign import fit, missing_compiler
from sandbox.images.layers import ensure_project_image
from sandbox.images.making import build_dockerfile, content_key, image_name
from sandbox.project.detection import Project, detect
from sandbox.verdict.suite import run_tests

pytestmark = pytest.mark.docker


def quiet(_: str) -> None:
    pass


@pytest.fixture(scope="module")
def without_python(sandbox_image: str) -> Iterator[str]:
    """Name of an image without Python, with a tool in a place of its own."""
    text = (
        f"FROM {sandbox_image}\nUSER 0\n"
        'RUN rm -f $(command -v python3) && mkdir -p /opt/tools && printf "#!/bin/sh\\necho built'
        '\\n" > /opt/tools/cargo && chmod 755 /opt/tools/cargo\n'
        "ENV PATH=/opt/tools:/usr/local/bin:/usr/bin:/bin\nUSER 65532:65532\n"
    )
    yield from built(text)


@pytest.fixture(scope="module")
def with_volume(sandbox_image: str) -> Iterator[str]:
    yield from built(f"FROM {sandbox_image}\nVOLUME /data\n")


def built(text: str) -> Iterator[str]:
    key = content_key(["foreign", text])
    with connect(timeout_s=120) as client:
        build_dockerfile(client, text, key, on_progress=quiet)
        yield image_name("dockerfile", key)
        client.remove_image(image_name("dockerfile", key))


def test_an_image_without_python_is_refused_for_python_projects_only(
    without_python: str, tmp_path: Path
) -> None:
    base = ensure_base(source=without_python, on_progress=quiet)
    assert (base.source, base.python, base.name) == ("image", "", without_python)

    def layer(project: Project) -> str:
        return ensure_project_image(
            base, project, cache=tmp_path, allow_network=lambda _: False, on_progress=quiet
        ).id

    for runner in ("pytest", "unittest"):
        with pytest.raises(ImageError, match=r"has no python3, which the tests of this project"):
            layer(Project(root=tmp_path, runner=runner))
    assert layer(Project(root=tmp_path, runner="command", command="true")) == base.id


async def test_a_plain_command_runs_in_an_image_without_python(
    without_python: str, tmp_path: Path
) -> None:
    (tmp_path / "Cargo.toml").write_text("[package]\n")
    base = ensure_base(source=without_python, on_progress=quiet)
    project = fit(detect(tmp_path), base, url=engine_url())
    files = [SourceFile(path="Cargo.toml", content=b"[package]\n")]
    async with DockerSandbox(base.id, session="foreign", lock_dir=tmp_path / "locks") as box:
        report = await run_tests(box, project, files, limits=Limits(timeout_s=30))
    assert report.all_green
    assert report.output == "built\n"


def test_a_missing_toolchain_is_one_sentence(sandbox_image: str, tmp_path: Path) -> None:
    (tmp_path / "go.mod").write_text("module x\n")
    base = ensure_base(source=sandbox_image, on_progress=quiet)
    with pytest.raises(ImageError, match=r"run with `go test ./...`, but the image .* has no go:"):
        fit(detect(tmp_path), base, url=engine_url())


def test_extensions_without_a_compiler_are_named_before_the_tests_run(tmp_path: Path) -> None:
    base = ensure_base(source="lite", on_progress=quiet)
    (tmp_path / "setup.py").write_text("setup(ext_modules=[Extension('x', ['x.c'])])\n")
    said = missing_compiler(detect(tmp_path), base, url=engine_url())
    assert said.startswith("this project builds extensions, and the image")
    (tmp_path / "setup.py").write_text("setup(py_modules=['x'])\n")
    assert missing_compiler(detect(tmp_path), base, url=engine_url()) == ""


def test_an_image_with_volumes_is_refused(with_volume: str) -> None:
    with pytest.raises(ImageError, match=r"declares volumes \(/data\)"):
        ensure_base(source=with_volume, on_progress=quiet)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("elagent-test/no-such-image:1", "is not on this machine and its registry did not give it"),
        ("localhost:1/no-such", "is not on this machine and its registry did not give it"),
        ("Not A Name", "is not the name of an image|is not on this machine"),
    ],
)
def test_an_image_that_cannot_be_had_is_one_sentence(name: str, said: str) -> None:
    with pytest.raises(ImageError, match=said) as caught:
        ensure_base(source=name, on_progress=quiet)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["libpq-dev g++ libssl3", "", " x11-utils\tzlib1g-dev "])
def test_package_names_of_debian_are_taken(name: str) -> None:
    assert list(apt_names(name)) == sorted(name.split())


@pytest.mark.parametrize("name", ["-oDebug::x", "a;b", "A", "x", "../x", "a=1", "$(id)", "a/b"])
def test_what_is_no_package_name_never_reaches_a_shell(name: str) -> None:
    with pytest.raises(ImageError, match="is not the name of a Debian package"):
        ensure_base(source="debian", apt_packages=name, on_progress=quiet)


@pytest.mark.parametrize(
    ("source", "said"),
    [("lite", "the lite image cannot have packages"), ("alpine", "not into alpine")],
)
def test_packages_only_go_into_images_that_can_have_them(source: str, said: str) -> None:
    with pytest.raises(ImageError, match=said):
        ensure_base(source=source, apt_packages="graphviz", on_progress=quiet)


def test_a_runtime_that_the_engine_lacks_is_one_sentence() -> None:
    check_runtime(None)
    check_runtime("runc")
    with pytest.raises(SandboxError, match=r"has no runtime 'no-such', only .*runc.*: install it"):
        check_runtime("no-such")
