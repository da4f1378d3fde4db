"""A snapshot that would be too much leaves something out, says so, and guesses nothing about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.workspace.limits import SnapshotLimits
from agent.workspace.workspace import Workspace


def workspace(tmp_path: Path, **limits: int) -> Workspace:
    root = tmp_path / "project"
    root.mkdir(exist_ok=True)
    return Workspace(root, tmp_path / "state" / "shadow.git", limits=SnapshotLimits(**limits))


def fill(folder: Path, count: int) -> None:
    folder.mkdir(parents=True)
    for number in range(count):
        (folder / f"{number:03}.txt").write_text(str(number))


def held(where: Workspace, state: str) -> str:
    empty = where._snapshots._git.run("hash-object", "-t", "tree", "-w", "--stdin").decode().strip()
    return where._snapshots._git.run("diff-tree", "-r", "--name-only", empty, state).decode()


def test_the_fullest_folder_is_left_out_and_no_more_than_that(tmp_path: Path) -> None:
    where = workspace(tmp_path, files=20)
    fill(where.root / "src", 8)
    fill(where.root / "data" / "images", 15)
    fill(where.root / "data" / "few", 3)
    state = where.snapshot("start")
    assert "src/000.txt" in held(where, state)
    assert "data/few/000.txt" in held(where, state)
    assert "images" not in held(where, state)
    assert "15 files" in where.left_out
    assert "data/images/" in where.left_out


def test_the_largest_files_are_left_out_first(tmp_path: Path) -> None:
    where = workspace(tmp_path, size_mib=1)
    (where.root / "model.bin").write_bytes(b"0" * 2**20)
    (where.root / "a.py").write_text("x = 1\n")
    state = where.snapshot("start")
    assert held(where, state).split() == ["a.py"]
    assert "model.bin" in where.left_out


def test_within_the_limits_nothing_is_said(tmp_path: Path) -> None:
    where = workspace(tmp_path)
    (where.root / "a.py").write_text("x = 1\n")
    where.snapshot("start")
    assert where.left_out == ""


@pytest.mark.parametrize("limits", [{"files": 5}, {"size_mib": 1}])
def test_what_was_left_out_is_neither_restored_nor_removed(
    tmp_path: Path, limits: dict[str, int]
) -> None:
    where = workspace(tmp_path, **limits)
    fill(where.root / "data", 9)
    (where.root / "data" / "large").write_bytes(b"0" * 2**20)
    (where.root / "a.py").write_text("x = 1\n")
    with where.turn("turn"):
        where.will_write(where.root / "a.py")
        (where.root / "a.py").write_text("x = 2\n")
        (where.root / "data" / "large").write_bytes(b"1" * 2**20)
        (where.root / "data" / "new").write_bytes(b"1" * 2**20)
    where.undo()
    assert (where.root / "a.py").read_text() == "x = 1\n"
    assert (where.root / "data" / "large").read_bytes() == b"1" * 2**20
    assert (where.root / "data" / "new").exists()


def test_what_the_agent_writes_is_held_even_there(tmp_path: Path) -> None:
    where = workspace(tmp_path, files=5)
    fill(where.root / "data", 9)
    target = where.root / "data" / "003.txt"
    with where.turn("turn"):
        where.will_write(target)
        target.write_text("changed")
    where.undo()
    assert target.read_text() == "3"


def test_what_was_held_and_is_now_too_much_is_not_taken_for_removed(tmp_path: Path) -> None:
    where = workspace(tmp_path, files=50)
    fill(where.root / "data", 20)
    state = where.snapshot("start")
    smaller = workspace(tmp_path, files=5)
    now = smaller.snapshot("now")
    assert smaller.changed(state, now) == []
    smaller.restore(state)
    assert len(list((where.root / "data").iterdir())) == 20
