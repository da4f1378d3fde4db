"""Which files of a real repository enter the box."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from agent.testing.entering import project_files
from agent.workspace.workspace import Workspace

FILES = {
    ".gitignore": "*.mo\n*.so\n.env*\nlarge/\n",
    "pkg/__init__.py": "",
    "pkg/de.po": "",
    "pkg/de.mo": "",
    "pkg/fast.so": "",
    "pkg/.env": "A=1",
    "large/one/table.bin": "1",
    "large/key.txt": "AKIA" + "ABCDEFGHIJKLMNOP",
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = tmp_path / "repository"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["/usr/bin/git", "init", "-q", str(root)], check=True)
    return Workspace(root, tmp_path / "shadow.git", environ=os.environ)


ALWAYS = {".gitignore", "pkg/__init__.py", "pkg/de.po", "pkg/de.mo"}


@pytest.mark.parametrize(
    ("include", "more", "refused"),
    [
        (None, set(), []),
        ("*.so", {"pkg/fast.so"}, []),
        ("large/", {"large/one/table.bin"}, ["large/key.txt"]),
        ("/large/one", {"large/one/table.bin"}, []),
        (".env :(top)*.so ../x", set(), ["pkg/.env"]),
    ],
)
def test_ignored_files_enter_if_needed_or_asked_for_and_never_with_secrets(
    workspace: Workspace, include: str | None, more: set[str], refused: list[str]
) -> None:
    entering = project_files(workspace, include=include)
    assert {file.path for file in entering.files} == ALWAYS | more
    assert [refusal.path for refusal in entering.refused] == refused


def test_a_copy_of_the_project_has_the_ignored_files_as_well(
    workspace: Workspace, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    (copy / "pkg").mkdir(parents=True)
    (copy / "pkg/de.po").write_text("changed")
    found = {file.path: file.content for file in project_files(workspace, root=copy).files}
    assert found == {"pkg/de.po": b"changed", "pkg/de.mo": b""}
