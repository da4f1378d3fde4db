"""Reading where a repository stands."""

from __future__ import annotations

import subprocess
from pathlib import Path

from agent.workspace.head import Head, read_head


def git(root: Path, *args: str) -> str:
    run = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *args],  # noqa: S607
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return run.stdout.strip()


def test_branch_and_commit_are_told(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    assert read_head(tmp_path) == Head(branch="trunk", commit=git(tmp_path, "rev-parse", "HEAD"))


def test_a_repository_before_its_first_commit_has_a_branch_only(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    assert read_head(tmp_path) == Head(branch="trunk", commit="")


def test_a_folder_without_git_has_no_head(tmp_path: Path) -> None:
    assert read_head(tmp_path) is None


def test_a_broken_repository_has_no_head(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: nowhere\n")
    assert read_head(tmp_path) is None


def test_a_partial_clone_is_not_asked_for_the_objects_it_lacks(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    marker = tmp_path / "ran"
    git(tmp_path, "config", "extensions.partialClone", "origin")
    git(tmp_path, "config", "remote.origin.url", str(tmp_path))
    git(tmp_path, "config", "remote.origin.promisor", "true")
    git(tmp_path, "config", "remote.origin.uploadpack", f"touch {marker}; false")
    (tmp_path / ".git/refs/heads/trunk").write_text("1" * 40 + "\n")
    assert read_head(tmp_path) == Head(branch="trunk", commit="1" * 40)
    assert not marker.exists()


def test_a_hostile_repository_executes_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "trunk")
    git(tmp_path, "commit", "-q", "--allow-empty", "-m", "x")
    marker = tmp_path / "ran"
    git(tmp_path, "config", "core.fsmonitor", f"touch {marker}")
    git(tmp_path, "config", "core.sshCommand", f"touch {marker}")
    assert read_head(tmp_path) is not None
    assert not marker.exists()
