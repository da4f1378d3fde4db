"""A workspace in the real box: its members are there, by path, and so is what cannot be built."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.box.contract import Limits
from sandbox.box.docker_box import DockerSandbox
from sandbox.files.transfer import collect_files
from sandbox.project.detection import detect
from sandbox.verdict.suite import run_tests
from tests.fakes.declared import Files, declared

pytestmark = pytest.mark.docker

BUILD = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
WORKSPACE: Files = {
    "pyproject.toml": '[project]\nname = "top"\nversion = "1"\ndependencies = ["lib-a"]\n'
    '[tool.uv.workspace]\nmembers = ["packages/*"]\n[tool.uv.sources]\nlib-a = { workspace = true }\n',
    "packages/a/pyproject.toml": f'[project]\nname = "lib-a"\nversion = "3"\n{BUILD}',
    "packages/a/src/lib_a/__init__.py": "VALUE = 1\n",
    "tests/test_top.py": "import lib_a\nfrom importlib.metadata import version\n"
    "def test_value(): assert lib_a.VALUE == 1\n"
    "def test_installed(): assert version('lib-a') == '3'\n",
}


APP: Files = {
    "pyproject.toml": '[tool.uv.workspace]\nmembers = ["lib", "app"]\n'
    "[tool.uv.sources]\nlib-a = { workspace = true }\n",
    "lib/pyproject.toml": f'[project]\nname = "lib-a"\nversion = "3"\n{BUILD}',
    "lib/src/lib_a/__init__.py": "VALUE = 1\n",
    "app/pyproject.toml": '[project]\nname = "app"\nversion = "1"\n'
    f'dependencies = ["lib-a"]\n{BUILD}',
    "app/src/app/__init__.py": "from lib_a import VALUE\nTWICE = 2 * VALUE\n",
    "app/tests/test_app.py": "import app\nfrom importlib.metadata import version\n"
    "def test_value(): assert app.TWICE == 2\n"
    "def test_installed(): assert version('lib-a') == '3'\n",
}


async def outcomes(
    box: DockerSandbox, root: Path, files: Files, *, folder: str = ""
) -> dict[str, str]:
    declared(root, files)
    sources, _ = collect_files(root, list(files), max_bytes=2**24)
    project = detect(root / folder, within=root)
    assert not any("lib" in line or "app" in line for line in project.requirements)
    report = await run_tests(box, project, sources, limits=Limits(timeout_s=60))
    return {result.id.rpartition("::")[2]: result.outcome.value for result in report.results}


async def test_members_are_installed_without_being_asked_for(
    box: DockerSandbox, tmp_path: Path
) -> None:
    found = await outcomes(box, tmp_path / "repo", WORKSPACE)
    assert found == {"test_value": "passed", "test_installed": "passed"}


async def test_a_member_that_is_run_from_its_own_folder_has_its_neighbour(
    box: DockerSandbox, tmp_path: Path
) -> None:
    found = await outcomes(box, tmp_path / "repo", APP, folder="app")
    assert found == {"test_value": "passed", "test_installed": "passed"}


async def test_a_member_that_cannot_be_built_can_still_be_imported(
    box: DockerSandbox, tmp_path: Path
) -> None:
    files = {**WORKSPACE, "packages/a/setup.py": "raise SystemExit('no')\n"}
    found = await outcomes(box, tmp_path / "repo", files)
    assert found == {"test_value": "passed", "test_installed": "failed"}
