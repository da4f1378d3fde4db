"""Which comments start a turn: only those that a person writes while watching."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.watching.changes import changes
from agent.watching.noticing import Noticing, git_folder
from agent.workspace.workspace import Workspace

ASK = "# elagent: add a median\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "ops.py").write_text("a = 1\n")
    (folder / ".gitignore").write_text("build/\n")
    return folder


@pytest.fixture
def git(root: Path) -> Callable[..., None]:
    names = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_CONFIG_GLOBAL": "/dev/null"}
    names |= {"GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}

    def run(*words: str) -> None:
        subprocess.run(
            ["git", *words],  # noqa: S607 - the git of the machine
            cwd=root,
            check=True,
            capture_output=True,
            env={**os.environ, **names},
        )

    run("init", "-q", "-b", "main")
    run("add", ".")
    run("commit", "-q", "-m", "one")
    return run


def _begun(root: Path) -> Noticing:
    workspace = Workspace(root, root.parent / "home" / "git")
    noticing = Noticing(root=root, list_files=workspace.list_files, git_folder=git_folder(root))
    noticing.begin()
    return noticing


def _asked(noticing: Noticing, *written: str) -> list[str]:
    found = noticing.look(written=written)
    return [item.comment.words for item in found if not item.passed_over]


def test_a_comment_that_was_written_starts_once(root: Path) -> None:
    noticing = _begun(root)
    (root / "ops.py").write_text(f"a = 1\n{ASK}")
    assert _asked(noticing) == ["add a median"]
    assert _asked(noticing) == []
    (root / "ops.py").write_text(f"a = 1\nb = 2\n\n{ASK}")
    assert _asked(noticing) == []


def test_a_changed_comment_starts_again(root: Path) -> None:
    noticing = _begun(root)
    (root / "ops.py").write_text(ASK)
    noticing.look()
    (root / "ops.py").write_text("# elagent: add a mode\n")
    assert _asked(noticing) == ["add a mode"]


def test_what_stands_there_at_the_start_starts_nothing(root: Path) -> None:
    (root / "ops.py").write_text(ASK)
    noticing = _begun(root)
    (root / "ops.py").write_text(f"a = 2\n{ASK}")
    assert _asked(noticing) == []


def test_a_new_file_starts_nothing_and_is_told(root: Path) -> None:
    noticing = _begun(root)
    (root / "unpacked.py").write_text(ASK)
    assert [item.passed_over for item in noticing.look()] == ["the file is new"]


def test_ignored_files_and_links_are_not_looked_at(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside.py"
    outside.write_text("a = 1\n")
    (root / "link.py").symlink_to(outside)
    (root / "build").mkdir()
    (root / "build" / "made.py").write_text("a = 1\n")
    noticing = _begun(root)
    outside.write_text(ASK)
    (root / "build" / "made.py").write_text(ASK)
    assert noticing.look() == ()


def test_what_the_last_turn_wrote_starts_nothing(root: Path) -> None:
    noticing = _begun(root)
    (root / "ops.py").write_text(ASK)
    assert _asked(noticing, "ops.py") == []


def test_what_a_checkout_brings_starts_nothing(root: Path, git: Callable[..., None]) -> None:
    git("checkout", "-q", "-b", "strange")
    (root / "ops.py").write_text(ASK)
    git("commit", "-q", "-a", "-m", "two")
    git("checkout", "-q", "main")
    noticing = _begun(root)
    git("checkout", "-q", "strange")
    assert [item.passed_over for item in noticing.look()] == [
        "git moved to another commit meanwhile"
    ]


def test_what_a_merge_with_conflicts_brings_starts_nothing(
    root: Path, git: Callable[..., None]
) -> None:
    git("checkout", "-q", "-b", "strange")
    (root / "ops.py").write_text(ASK)
    git("commit", "-q", "-a", "-m", "two")
    git("checkout", "-q", "main")
    (root / "ops.py").write_text("a = 3\n")
    git("commit", "-q", "-a", "-m", "three")
    noticing = _begun(root)
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "strange")
    assert _asked(noticing) == []
    assert ASK in (root / "ops.py").read_text()


@pytest.mark.parametrize("polling", [False, True])
async def test_a_saved_file_and_one_in_a_new_folder_are_told(root: Path, *, polling: bool) -> None:
    noticing = _begun(root)
    saved = changes(lambda: noticing.folders, polling=polling)
    first = asyncio.ensure_future(anext(saved))
    while not first.done():
        (root / "ops.py").write_text(ASK)
        await asyncio.sleep(0.2)
    assert _asked(noticing) == ["add a median"]
    (root / "more").mkdir()
    (root / "more" / "new.py").write_text("b = 1\n")
    while root / "more" not in noticing.folders:
        await anext(saved)
        noticing.look()
    (root / "more" / "new.py").write_text(ASK)
    while not _asked(noticing):
        await anext(saved)
    await saved.aclose()
