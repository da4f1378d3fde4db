"""The commits of a repository arrive on another machine as they are here, and nothing of them is executed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent.errors import WorkspaceError
from agent.workspace.safegit import user_git
from lab.repository.history import packed_history, place_in, unpack_history
from tests.fakes.history import build_history, commit


def commits(root: Path) -> list[str]:
    return user_git(root, os.environ).run("rev-list", "HEAD").decode().split()


def test_every_commit_and_the_files_of_the_last_one_arrive(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    build_history(here, 3)
    (here / "not committed.txt").write_text("stays here")
    unpack_history(packed_history(here, os.environ), there, os.environ)
    assert commits(there) == commits(here)
    assert len(commits(there)) == 3
    assert (there / "plus3.py").read_bytes() == (here / "plus3.py").read_bytes()
    assert not (there / "not committed.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "there"]


def test_no_hook_and_no_filter_of_the_repository_runs(tmp_path: Path) -> None:
    here, there, ran = tmp_path / "here", tmp_path / "there", tmp_path / "ran"
    here.mkdir()
    commit(here, {".gitattributes": "* filter=bad\n", "a.py": "x = 1\n"}, at=1)
    config = here / ".git" / "config"
    config.write_text(
        f'{config.read_text()}[filter "bad"]\n\tsmudge = touch {ran}\n\tclean = touch {ran}\n'
    )
    unpack_history(packed_history(here, os.environ), there, os.environ)
    assert (there / "a.py").read_text() == "x = 1\n"
    assert not ran.exists()


def test_a_project_in_a_folder_of_its_repository_is_found_there(tmp_path: Path) -> None:
    commit(tmp_path, {"services/web/a.py": "x = 1\n"}, at=1)
    assert place_in(tmp_path / "services" / "web", os.environ) == "services/web/"
    assert place_in(tmp_path, os.environ) == ""


def test_a_large_history_is_refused_in_one_sentence(tmp_path: Path) -> None:
    build_history(tmp_path, 1)
    with pytest.raises(WorkspaceError, match=r"the history of .* has 0 MiB, and at most 0 MiB are"):
        packed_history(tmp_path, os.environ, most=10)


def test_a_folder_without_commits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="has no commits that could be sent to a cluster"):
        packed_history(tmp_path, os.environ)
