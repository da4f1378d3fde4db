"""A kill leaves no edit behind that the tests had not judged, and no turn that cannot be undone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from agent.workspace.workspace import UndoRefusedError, Workspace

ROOT = Path(__file__).resolve().parents[3]
OLD, KEPT, NEW = b"x = 1\r\n", b"x = 2\r\n", b"x = 3\r\n"

# One turn as `run-tests --fix` has it: an edit that is kept, then one that is killed at some point.
TURN = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from agent.editing.source_files import write_atomically
from agent.workspace.workspace import Workspace

project, state, point, name = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4]
kept = {kept!r}

def die_at(here):
    if here == point:
        os.kill(os.getpid(), signal.SIGKILL)

workspace = Workspace(project, state / "shadow.git")
with workspace.turn("run-tests --fix"):
    target = project / "kept.py"
    note = workspace.will_judge(target, kept)
    write_atomically(target, kept)
    note.done()
    target = project / name
    old = target.read_bytes() if target.exists() else None
    note = workspace.will_judge(target, {new!r})
    die_at("noted")
    if point == "half written":
        target.parent.mkdir(parents=True, exist_ok=True)
        (target.parent / f".{{target.name}}.0123456789ab.tmp").write_bytes({new!r}[:3])
    die_at("half written")
    write_atomically(target, {new!r})
    die_at("written")
    if old is None:
        target.unlink()
    else:
        write_atomically(target, old)
    die_at("put back")
    note.done()
    die_at("done")
"""
POINTS = ("noted", "half written", "written", "put back", "done")


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "kept.py").write_bytes(OLD)
    (root / "a.py").write_bytes(OLD)
    return root


def killed_at(project: Path, point: str, name: str = "a.py") -> Workspace:
    state = project.parent / "state"
    script = TURN.format(root=str(ROOT), kept=KEPT, new=NEW)
    done = subprocess.run(
        [sys.executable, "-P", "-c", script, str(project), str(state), point, name], check=False
    )
    assert done.returncode == -signal.SIGKILL
    return Workspace(project, state / "shadow.git", environ=os.environ)


@pytest.mark.parametrize("name", ["a.py", "new/deep/b.py", "kept.py"])
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_leaves_what_the_tests_were_for_and_nothing_else(
    project: Path, point: str, name: str
) -> None:
    before = files(project)
    workspace = killed_at(project, point, name)
    said = workspace.put_back()
    assert files(project) == {**before, "kept.py": KEPT}
    assert (len(said), any(name in text for text in said)) == (
        (1, True) if point == "written" else (0, False)
    )
    assert workspace.put_back() == ()
    assert workspace.undo().paths == ("kept.py",)
    assert files(project) == before
    workspace.redo()
    assert files(project) == {**before, "kept.py": KEPT}


def test_what_the_user_edited_since_is_kept_and_named(project: Path) -> None:
    workspace = killed_at(project, "written")
    (project / "a.py").write_bytes(b"mine\n")
    (said,) = workspace.put_back()
    assert said.startswith("a.py was left as it is")
    assert (project / "a.py").read_bytes() == b"mine\n"
    restored = workspace.undo()
    assert (restored.paths, restored.left_alone) == (("kept.py",), ("a.py",))
    assert files(project) == {"kept.py": OLD, "a.py": b"mine\n"}


def test_a_kept_edit_that_the_user_went_on_with_is_left_alone(project: Path) -> None:
    workspace = killed_at(project, "done")
    (project / "kept.py").write_bytes(b"mine\n")
    with pytest.raises(UndoRefusedError, match="nothing to undo"):
        workspace.undo()
    assert (project / "kept.py").read_bytes() == b"mine\n"


def test_what_another_session_is_judging_is_not_touched(project: Path) -> None:
    judging = Workspace(project, project.parent / "state" / "shadow.git")
    with judging.turn("run-tests --fix"):
        note = judging.will_judge(project / "a.py", NEW)
        (project / "a.py").write_bytes(NEW)
        other = Workspace(project, project.parent / "state" / "shadow.git")
        assert other.put_back() == ()
        assert (project / "a.py").read_bytes() == NEW
        note.done()
    assert other.put_back() == ()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'{"path": 1}', b"\xff", b"null"])
def test_a_damaged_note_is_named_and_set_aside(project: Path, damage: bytes) -> None:
    workspace = killed_at(project, "written")
    (note,) = (project.parent / "state" / "unjudged").glob("*.json")
    note.write_bytes(damage)
    (said,) = workspace.put_back()
    assert "damaged" in said
    assert (project / "a.py").read_bytes() == NEW
    assert workspace.put_back() == ()


@pytest.mark.parametrize("path", ["../outside.py", "/etc/hostname", "link/x.py"])
def test_a_note_writes_nothing_outside(project: Path, path: str, tmp_path: Path) -> None:
    (tmp_path / "outside.py").write_bytes(NEW)
    (tmp_path / "elsewhere").mkdir()
    (project / "link").symlink_to(tmp_path / "elsewhere")
    workspace = killed_at(project, "written")
    (note,) = (project.parent / "state" / "unjudged").glob("*.json")
    note.write_text(note.read_text().replace('"a.py"', f'"{path}"'))
    workspace.put_back()
    assert (tmp_path / "outside.py").read_bytes() == NEW
    assert list((tmp_path / "elsewhere").iterdir()) == []
