"""A home, a folder of the system and a folder without a project are none to work in unasked."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from agent.session.place import trouble_with

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "people" / "ada"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "name", ["README.md", "notes/todo.txt", "src/shop.py", "photos/1.jpg", "work/shop/pyproject.toml",
             "work/shop/tests/test_shop.py", ""],
)  # fmt: skip
def test_a_folder_without_a_project_is_none(home: Path, name: str) -> None:
    root = home / "things"
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    root.mkdir(exist_ok=True)
    if name:
        (root / name).touch()
    if "work/shop/tests" in name:
        (root / "work" / "shop" / "setup.py").touch()
    assert "is not a project" in trouble_with(root, {"HOME": str(home)})


@pytest.mark.parametrize(
    "name", [".git", ".hg", ".svn", ".jj", "pyproject.toml", "setup.py", "requirements-dev.txt",
             "package.json", "Cargo.toml", "go.mod", "Makefile", "test_shop.py", "shop_test.go",
             "tests/shop.py", "shop/tests/test_a.py", "manage.py", "CMakeLists.txt", "App.sln"],
)  # fmt: skip
def test_version_control_a_manifest_or_tests_make_a_project(home: Path, name: str) -> None:
    root = home / "shop"
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).touch()
    assert trouble_with(root, {"HOME": str(home)}) == ""


def test_a_folder_below_version_control_is_a_project(home: Path) -> None:
    (home / "shop" / ".hg").mkdir(parents=True)
    (home / "shop" / "docs").mkdir()
    assert trouble_with(home / "shop" / "docs", {"HOME": str(home)}) == ""


def test_a_home_is_none_even_under_version_control_and_with_tests(home: Path) -> None:
    (home / ".git").mkdir()
    (home / "test_it.py").touch()
    assert "home" in trouble_with(home, {"HOME": str(home)})
    (home / "things").mkdir()
    assert "is not a project" in trouble_with(home / "things", {"HOME": str(home)})
    assert "holds a home" in trouble_with(home.parent, {"HOME": str(home)})


@pytest.mark.parametrize("folder", ["/", "/usr", "/etc", "/home", "/root", "/opt", "/proc/1"])
def test_folders_of_the_system_are_none(folder: str) -> None:
    if Path(folder).is_dir():
        assert trouble_with(Path(folder), {"HOME": "/nonexistent"})


def test_the_temporary_folder_is_none() -> None:
    assert trouble_with(Path(tempfile.gettempdir()), {"HOME": "/nonexistent"})


@pytest.mark.parametrize("args", [("-p", "hello"), ("run-tests",), ("sandbox", "run", "ls"), ()])
def test_without_a_terminal_it_is_refused_with_one_sentence(
    home: Path, args: tuple[str, ...]
) -> None:
    state = home.parent / "state"
    done = subprocess.run(
        [sys.executable, "-P", str(ROOT / "elagent.py"), *args],
        cwd=home, env={**os.environ, "HOME": str(home), "ELAGENT_HOME": str(state)},
        input="hello", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert "is a home folder" in done.stderr
    assert "--here" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (state / "repositories").exists()
