"""`elagent purge` lists what is kept, and removes it only where that is asked for and not in use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from agent.paths import Paths
from agent.session.session import SessionLog
from agent.workspace.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Two repositories, of which one has something that cannot be made again."""
    paths = Paths(tmp_path / "home")
    for name in ("one", "two"):
        root = tmp_path / name
        root.mkdir()
        (root / "a.py").write_text("x = 1\n")
        own = paths.repository(root)
        Workspace(root, own.shadow_git).snapshot("start")
        with SessionLog.create(own.sessions) as log:
            log.append({"event": "session_started", "root": str(root)})
    own = paths.repository(tmp_path / "one")
    own.experiences.write_bytes(b"experiences")
    own.adapters.mkdir()
    (own.adapters / "active").write_text("{}")
    (paths.models).mkdir()
    (paths.models / "weights").write_bytes(b"0" * 1000)
    return paths


def purge(paths: Paths, *args: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", str(ROOT / "elagent.py"), "purge", *args],
        cwd=cwd, env={**os.environ, "ELAGENT_HOME": str(paths.home)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def everything(paths: Paths) -> set[str]:
    return {str(p.relative_to(paths.home)) for p in paths.home.rglob("*") if p.is_file()}


def test_without_a_name_it_only_lists(paths: Paths, tmp_path: Path) -> None:
    before = everything(paths)
    listed = purge(paths)
    assert listed.returncode == 0
    data = json.loads(purge(paths, "--json").stdout)
    assert {row["folder"] for row in data["repositories"]} == {
        str(tmp_path / "one"),
        str(tmp_path / "two"),
    }
    assert data["models"] == 1000
    assert all(row["bytes"] == sum(row["sizes"].values()) for row in data["repositories"])
    assert everything(paths) == before


def test_one_repository_by_its_folder_keeps_what_cannot_be_made_again(
    paths: Paths, tmp_path: Path
) -> None:
    own, other = paths.repository(tmp_path / "one"), paths.repository(tmp_path / "two")
    done = purge(paths, str(tmp_path / "one"), "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert sorted(p.name for p in own.home.iterdir()) == ["adapters", "experiences.sqlite3"]
    assert other.shadow_git.is_dir()
    assert (paths.models / "weights").exists()


def test_all_and_everything_of_it_leaves_the_models(paths: Paths) -> None:
    done = purge(paths, "--all", "--experiences", "--adapters", "--yes", "--json")
    assert len(json.loads(done.stdout)["removed"]) == 2
    assert everything(paths) == {"models/weights"}


def test_where_nobody_can_be_asked_nothing_is_removed(paths: Paths) -> None:
    before = everything(paths)
    refused = purge(paths, "--all")
    assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
    assert purge(paths, "no-such-thing", "--yes").returncode == 2
    assert everything(paths) == before


def test_what_is_in_use_is_not_removed(paths: Paths, tmp_path: Path) -> None:
    own = paths.repository(tmp_path / "one")
    with SessionLog.create(own.sessions):
        done = purge(paths, "--all", "--yes")
        assert (done.returncode, "in use" in done.stderr) == (1, True)
        assert own.shadow_git.is_dir()
    assert not paths.repository(tmp_path / "two").home.exists()


def test_an_edit_that_was_not_judged_is_not_forgotten(paths: Paths, tmp_path: Path) -> None:
    own = paths.repository(tmp_path / "one")
    notes = own.home / "unjudged"
    notes.mkdir()
    (notes / "note.json").write_text("{}")
    done = purge(paths, "--all", "--yes")
    assert "elagent diff" in done.stderr
    assert own.shadow_git.is_dir()
