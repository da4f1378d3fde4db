"""Only one elagent edits in a worktree at a time, and the lock is gone with its holder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent.errors import BusyError
from agent.workspace.editing import editing, worktree_of
from agent.workspace.workspace import Workspace

HOLDER = """
import sys
from pathlib import Path
from agent.workspace.editing import editing
with editing(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def held_by_another(root: Path) -> subprocess.Popen[str]:
    holder = subprocess.Popen(
        [sys.executable, "-P", "-c", HOLDER, str(root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
        env={"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_editor_is_told_who_edits_where_and_a_killed_one_holds_nothing(
    tmp_path: Path,
) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "inside").mkdir()
    with held_by_another(tmp_path) as holder:
        for root in (tmp_path, tmp_path / "inside"):
            with (
                pytest.raises(BusyError, match="another elagent is editing files in") as busy,
                editing(root),
            ):
                pass
            assert str(tmp_path) in str(busy.value)
        holder.kill()
        holder.wait()
        with editing(tmp_path):
            pass


def test_other_worktrees_are_not_held(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / ".git").write_text("gitdir: elsewhere\n")
    with editing(one), editing(two):
        assert worktree_of(one) == one.resolve()


def test_undo_waits_for_whoever_edits(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "a.py").write_text("x = 1\n")
    workspace = Workspace(root, tmp_path / "home" / "shadow.git")
    with workspace.turn("one"):
        (root / "a.py").write_text("x = 2\n")
    with editing(root), pytest.raises(BusyError):
        workspace.undo()
    assert (root / "a.py").read_text() == "x = 2\n"
    workspace.undo()
    with editing(root), pytest.raises(BusyError):
        workspace.redo()
    workspace.redo()
    assert (root / "a.py").read_text() == "x = 2\n"
