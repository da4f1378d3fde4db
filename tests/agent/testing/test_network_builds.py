"""A dependency that cannot be built without a network is asked about, by name, and alone."""

from __future__ import annotations

import io
import os
import secrets
import subprocess
import tarfile
import zipfile
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest

from agent.approval import Decision, Mode, ModeApprover, Question
from agent.settings.schema import SandboxSettings
from agent.testing.opening import open_project
from agent.workspace.workspace import Workspace
from sandbox.box.contract import NeedsNetworkError
from sandbox.box.engine import connect
from sandbox.images.base import list_images

SETUP = """
import os
from setuptools import setup
if os.listdir("/sys/class/net") == ["lo"]:
    raise OSError("Temporary failure in name resolution")
seen = sorted(name for _, _, names in os.walk("/box") for name in names)
open("fetcher.py", "w").write(f"SEEN = {seen!r}")
setup(name="fetcher", version="VERSION", py_modules=["fetcher"])
"""


class Person:
    """Answers every question in the same way and remembers them."""

    def __init__(self, *, allowed: bool) -> None:
        self._allowed = allowed
        self.asked: list[Question] = []

    async def decide(self, question: Question) -> Decision:
        self.asked.append(question)
        return Decision(allowed=self._allowed)


def add(archive: tarfile.TarFile, path: str, text: str) -> None:
    info = tarfile.TarInfo(path)
    info.size = len(text.encode())
    archive.addfile(info, io.BytesIO(text.encode()))


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A project with a dependency of its own index, which has no wheel of it."""
    version = f"1.{secrets.randbelow(10**12)}"  # no layer of an earlier run has it
    index = tmp_path / "index"
    index.mkdir()
    with tarfile.open(index / f"fetcher-{version}.tar.gz", "w:gz") as archive:
        add(archive, f"fetcher-{version}/setup.py", SETUP.replace("VERSION", version))
    tools = distribution("setuptools")
    with zipfile.ZipFile(index / f"setuptools-{tools.version}-py3-none-any.whl", "w") as wheel:
        for file in tools.files or ():
            source = Path(str(tools.locate_file(file)))
            if ".." not in file.parts and source.is_file() and source.suffix != ".pyc":
                wheel.write(source, str(file))
    root = tmp_path / "repository"
    root.mkdir()
    subprocess.run(["/usr/bin/git", "init", "-q", str(root)], check=True)
    (root / "requirements.txt").write_text(f"fetcher=={version}\n")
    (root / "secret_plan.py").write_text("")
    saved = dict(os.environ)
    os.environ |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index)}
    before = {image.id for image in list_images()}
    yield Workspace(root, tmp_path / "shadow.git", environ=os.environ)
    os.environ.clear()
    os.environ.update(saved)
    with connect() as client:
        for image in list_images():
            if image.id not in before and image.source == "project":
                client.remove_image(image.id)


@pytest.mark.slow
@pytest.mark.docker
async def test_a_person_is_asked_once_and_the_build_never_sees_the_project(
    workspace: Workspace, tmp_path: Path, sandbox_image: str
) -> None:
    assert sandbox_image
    person = Person(allowed=True)
    async with open_project(
        workspace,
        settings=SandboxSettings(image="lite"),
        state_dir=tmp_path / "state",
        session="asks",
        approver=person,
    ) as project:
        execution = await project.run_command("python3 -c 'import fetcher; print(fetcher.SEEN)'")
    (question,) = person.asked
    assert question.kind == "network build"
    assert question.subject.startswith("fetcher-1.")
    assert "never holds your project's files" in question.detail
    assert execution.succeeded
    assert "secret_plan" not in execution.stdout.text


@pytest.mark.docker
async def test_where_nobody_can_be_asked_the_refusal_names_the_setting(
    workspace: Workspace, tmp_path: Path
) -> None:
    opening = open_project(
        workspace,
        settings=SandboxSettings(image="lite"),
        state_dir=tmp_path / "state",
        session="asks",
        approver=ModeApprover("auto"),
    )
    with pytest.raises(NeedsNetworkError, match=r"fetcher-.* needs the network.*allow_network_b"):
        await opening.__aenter__()


@pytest.mark.parametrize("mode", ["ask", "auto", "plan"])
async def test_no_mode_allows_a_network_by_itself(mode: Mode) -> None:
    question = Question(kind="network build", subject="x-1.tar.gz")
    assert not (await ModeApprover(mode).decide(question)).allowed

    async def yes(_: Question) -> Decision:
        return Decision(allowed=True)

    assert (await ModeApprover(mode, yes).decide(question)).allowed
