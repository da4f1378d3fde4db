# Names are bytes, which pathlib does not take.
# ruff: noqa: PTH114, PTH115, PTH116, PTH118, PTH123

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from agent.workspace.workspace import UndoRefusedError, Workspace, WorkspaceError

GIT_ENV = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a",
    "GIT_AUTHOR_EMAIL": "a@a",
    "GIT_COMMITTER_NAME": "a",
    "GIT_COMMITTER_EMAIL": "a@a",
}
PROJECT_ROOT = Path(__file__).parents[3]


def git(cwd: Path, *args: str) -> str:
    command = ["git", *args]
    finished = subprocess.run(
        command, cwd=cwd, env=GIT_ENV, check=True, capture_output=True, text=True
    )
    return finished.stdout


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    return folder


@pytest.fixture
def repository(root: Path) -> Path:
    git(root, "init", "-q", "-b", "main")
    (root / "a.py").write_text("a = 1\n")
    (root / "sub").mkdir()
    (root / "sub" / "b.py").write_text("b = 1\n")
    (root / ".gitignore").write_text("*.log\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    (root / "untracked.txt").write_text("mine\n")
    (root / "noise.log").write_text("ignored\n")
    return root


def open_workspace(root: Path, environ: Mapping[str, str] = GIT_ENV) -> Workspace:
    return Workspace(root, root.parent / "state" / "shadow.git", environ=environ)


def picture(root: Path) -> dict[bytes, tuple[str, bytes]]:
    """Every file outside .git: what it is and what it holds."""
    found = {}
    for place, folders, files in os.walk(os.fsencode(root)):
        folders[:] = [name for name in folders if name != b".git"]
        for name in files + [f for f in folders if os.path.islink(os.path.join(place, f))]:
            path = os.path.join(place, name)
            if os.path.islink(path):
                found[path] = ("link", os.readlink(path))
            else:
                executable = os.stat(path).st_mode & stat.S_IXUSR
                with open(path, "rb") as file:
                    found[path] = ("program" if executable else "file", file.read())
    return found


def test_lists_tracked_and_untracked_files_but_not_ignored_ones(repository: Path) -> None:
    assert open_workspace(repository).list_files() == [
        ".gitignore",
        "a.py",
        "sub/b.py",
        "untracked.txt",
    ]


def test_a_tracked_file_counts_even_if_a_rule_ignores_it(repository: Path) -> None:
    git(repository, "add", "-f", "noise.log")
    assert "noise.log" in open_workspace(repository).list_files()


def test_the_global_ignore_file_of_the_user_is_respected(repository: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".gitconfig").write_text("[core]\n\texcludesFile = ~/mine\n")
    (home / "mine").write_text("untracked.txt\n")
    environ = {"PATH": GIT_ENV["PATH"], "HOME": str(home)}
    assert "untracked.txt" not in open_workspace(repository, environ).list_files()
    assert "a.py" in open_workspace(repository, environ).list_files()


def test_a_deleted_tracked_file_is_not_listed(repository: Path) -> None:
    (repository / "a.py").unlink()
    assert "a.py" not in open_workspace(repository).list_files()


def test_files_behind_a_linked_folder_are_not_listed(repository: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.py").write_text("not yours\n")
    (repository / "sub" / "b.py").unlink()
    (repository / "sub").rmdir()
    (repository / "sub").symlink_to(outside)
    files = open_workspace(repository).list_files()
    assert "sub/b.py" not in files
    assert "sub" in files


def test_a_folder_without_git_obeys_gitignore_and_a_built_in_list(root: Path) -> None:
    (root / "a.py").touch()
    (root / "b.log").touch()
    (root / ".gitignore").write_text("*.log\n")
    (root / "node_modules").mkdir()
    (root / "node_modules" / "x.js").touch()
    assert open_workspace(root).list_files() == [".gitignore", "a.py"]


def test_a_folder_that_its_repository_ignores_is_treated_as_a_folder_of_its_own(
    repository: Path,
) -> None:
    (repository / ".gitignore").write_text("scratch/\n")
    scratch = repository / "scratch"
    scratch.mkdir()
    (scratch / "x.py").touch()
    assert open_workspace(scratch).list_files() == ["x.py"]


def test_state_inside_the_repository_never_counts(repository: Path) -> None:
    state = repository / "state"
    workspace = Workspace(repository, state / "shadow.git", environ=GIT_ENV)
    (state / "experiences.sqlite3").parent.mkdir(exist_ok=True)
    (state / "experiences.sqlite3").write_text("precious")
    before = workspace.snapshot("before")
    (state / "experiences.sqlite3").write_text("more precious")
    workspace.restore(before)
    assert (state / "experiences.sqlite3").read_text() == "more precious"
    assert not [name for name in workspace.list_files() if name.startswith("state/")]


def vandalise(root: Path) -> None:
    (root / "a.py").write_bytes(b"a = 2\r\n")
    (root / "sub" / "b.py").unlink()
    (root / "sub").rmdir()
    (root / "sub").write_text("a file where a folder was")
    (root / "untracked.txt").unlink()
    (root / "untracked.txt").mkdir()
    (root / "untracked.txt" / "inside").write_text("a folder where a file was")
    (root / "new" / "deep").mkdir(parents=True)
    (root / "new" / "deep" / "file").write_text("new")
    (root / "link").unlink(missing_ok=True)
    (root / "link").write_text("no longer a link")
    (root / "run.sh").chmod(0o644)
    (root / "empty").write_text("not empty")
    (root / "noise.log").write_text("ignored, newer\n")


def furnish(root: Path) -> None:
    (root / "link").symlink_to("nowhere/at all")
    (root / "folderlink").symlink_to("sub")
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "empty").touch()
    for name in (b"caf\xe9.txt", b"new\nline", b"tab\there", b"-dash", b"git~1", b"back\\slash"):
        Path(os.fsdecode(os.path.join(os.fsencode(root), name))).write_bytes(name)
    (root / " leading space").write_text("x")
    (root / ":(top)magic*").write_text("x")


@pytest.mark.parametrize("with_git", [True, False])
def test_restore_is_exact(root: Path, *, with_git: bool) -> None:
    if with_git:
        git(root, "init", "-q")
    (root / ".gitignore").write_text("*.log\n")
    (root / "a.py").write_text("a = 1\n")
    (root / "sub").mkdir()
    (root / "sub" / "b.py").write_text("b = 1\n")
    (root / "untracked.txt").write_text("mine\n")
    (root / "noise.log").write_text("ignored\n")
    furnish(root)
    workspace = open_workspace(root)
    before = picture(root)
    state = workspace.snapshot("before")
    vandalise(root)
    restored = workspace.restore(state)
    assert picture(root) == before
    assert not (root / "new").exists()
    assert "a.py" in restored.paths
    assert ".gitignore" not in restored.paths


def test_restoring_some_files_leaves_the_others_alone(repository: Path) -> None:
    workspace = open_workspace(repository)
    state = workspace.snapshot("first")
    (repository / "a.py").write_text("a = 2\n")
    (repository / "mine.py").write_text("mine = 1\n")
    assert workspace.restore(state, only=["a.py"]).paths == ("a.py",)
    assert (repository / "a.py").read_text() == "a = 1\n"
    assert (repository / "mine.py").read_text() == "mine = 1\n"


def test_restoring_can_be_undone(repository: Path) -> None:
    workspace = open_workspace(repository)
    furnish(repository)
    state = workspace.snapshot("before")
    vandalise(repository)
    vandalised = picture(repository)
    workspace.restore(state)
    assert picture(repository) != vandalised
    workspace.undo()
    assert picture(repository) == vandalised


ATTRIBUTES = """\
* text=auto eol=crlf
*.id ident
*.u16 working-tree-encoding=UTF-16
*.secret filter=evil
"""


@pytest.mark.parametrize("with_git", [True, False])
def test_contents_are_kept_byte_by_byte_whatever_gitattributes_say(
    root: Path, *, with_git: bool
) -> None:
    ran = root.parent / "ran"
    if with_git:
        git(root, "init", "-q")
        git(root, "config", "filter.evil.clean", f"touch {ran}; cat")
        git(root, "config", "filter.evil.smudge", f"touch {ran}; cat")
        git(root, "config", "core.autocrlf", "true")
    contents = {
        ".gitattributes": ATTRIBUTES.encode(),
        "mixed.txt": b"one\r\ntwo\nthree\r",
        "unix.txt": b"one\ntwo\n",
        "dos.txt": b"one\r\ntwo\r\n",
        "keyword.id": b"$Id: 1234 $\n",
        "not-really.u16": b"plain \xff bytes\n",
        "a.secret": b"secret\r\n",
        "nul.bin": b"\0\r\n\n",
    }
    for name, content in contents.items():
        (root / name).write_bytes(content)
    workspace = open_workspace(root)
    state = workspace.snapshot("before")
    for name in contents:
        (root / name).write_bytes(b"overwritten")
    workspace.restore(state)
    assert {name: (root / name).read_bytes() for name in contents} == contents
    assert not ran.exists()


def test_nothing_of_the_repository_is_executed(repository: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\ntouch {ran}\n")
    script.chmod(0o755)
    git(repository, "config", "core.fsmonitor", str(script))
    git(repository, "config", "core.hooksPath", str(tmp_path))
    git(repository, "config", "diff.external", str(script))
    git(repository, "config", "core.pager", str(script))
    for hook in ("post-index-change", "pre-commit", "reference-transaction", "post-checkout"):
        (tmp_path / hook).symlink_to(script)
        (repository / ".git" / "hooks").mkdir(exist_ok=True)
        (repository / ".git" / "hooks" / hook).unlink(missing_ok=True)
        (repository / ".git" / "hooks" / hook).symlink_to(script)
    workspace = open_workspace(repository)
    state = workspace.snapshot("before")
    (repository / "a.py").write_text("a = 2\n")
    assert "+a = 2" in workspace.diff(state)
    workspace.restore(state)
    workspace.undo()
    assert not ran.exists()


def test_the_git_variables_of_the_caller_do_not_reach_our_git(
    repository: Path, tmp_path: Path
) -> None:
    environ = GIT_ENV | {"GIT_DIR": str(tmp_path / "elsewhere"), "GIT_INDEX_FILE": "/nonexistent"}
    assert "a.py" in open_workspace(repository, environ).list_files()


def test_the_users_git_directory_and_the_times_of_unchanged_files_stay(repository: Path) -> None:
    def fingerprint() -> dict[str, tuple[int, bytes]]:
        files = [path for path in (repository / ".git").rglob("*") if path.is_file()]
        return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}

    # Stale stat data in the index would tempt git to rewrite it.
    os.utime(repository / "a.py")
    before = fingerprint()
    times = (repository / "sub" / "b.py").stat().st_mtime_ns
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        (repository / "a.py").write_text("a = 2\n")
    workspace.undo()
    assert (repository / "a.py").read_text() == "a = 1\n"
    assert fingerprint() == before
    assert (repository / "sub" / "b.py").stat().st_mtime_ns == times


def test_an_edit_of_the_same_size_in_the_same_instant_is_seen(repository: Path) -> None:
    workspace = open_workspace(repository)
    path = repository / "a.py"
    for number in range(10):
        path.write_text(f"a = {number}\n")
        state = workspace.snapshot("n")
        path.write_text(f"a = {9 - number}\n")
        if number != 9 - number:
            assert workspace.changed(state) == ["a.py"], number


def test_diff_shows_new_changed_and_deleted_files(repository: Path) -> None:
    workspace = open_workspace(repository)
    first = workspace.snapshot("first")
    (repository / "a.py").write_text("a = 2\n")
    (repository / "untracked.txt").unlink()
    (repository / "né.py").write_text("n = 1\n")
    second = workspace.snapshot("second")
    diff = workspace.diff(first, second)
    assert "-a = 1\n+a = 2\n" in diff
    assert "deleted file" in diff
    assert "+++ b/né.py" in diff
    assert workspace.changed(first, second) == ["a.py", "né.py", "untracked.txt"]
    assert workspace.diff(second) == ""


def test_undo_and_redo_walk_through_turns(repository: Path) -> None:
    workspace = open_workspace(repository)
    path = repository / "a.py"
    for number in (2, 3):
        with workspace.turn(f"turn {number}"):
            path.write_text(f"a = {number}\n")
    assert workspace.undo().label == "turn 3"
    assert path.read_text() == "a = 2\n"
    # A new process finds the same journal.
    workspace = open_workspace(repository)
    assert workspace.undo().label == "turn 2"
    assert path.read_text() == "a = 1\n"
    with pytest.raises(UndoRefusedError, match="nothing to undo"):
        workspace.undo()
    workspace.redo()
    workspace.redo()
    assert path.read_text() == "a = 3\n"
    with pytest.raises(UndoRefusedError, match="nothing to redo"):
        workspace.redo()


def test_a_new_turn_ends_what_can_be_redone(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        (repository / "a.py").write_text("a = 2\n")
    workspace.undo()
    with workspace.turn("two"):
        (repository / "a.py").write_text("a = 5\n")
    with pytest.raises(UndoRefusedError):
        workspace.redo()
    workspace.undo()
    assert (repository / "a.py").read_text() == "a = 1\n"


def test_a_turn_without_changes_is_no_step(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("idle"):
        pass
    assert workspace.steps() == ()


def test_a_turn_that_raises_can_be_undone(repository: Path) -> None:
    workspace = open_workspace(repository)

    def interrupted() -> None:
        with workspace.turn("one"):
            (repository / "a.py").write_text("a = 2\n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    workspace.undo()
    assert (repository / "a.py").read_text() == "a = 1\n"


def test_restoring_inside_a_turn_belongs_to_the_turn(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one") as before:
        (repository / "a.py").write_text("a = 2\n")
        workspace.restore(before)
        (repository / "a.py").write_text("a = 3\n")
    assert [step.label for step in workspace.steps()] == ["one"]
    workspace.undo()
    assert (repository / "a.py").read_text() == "a = 1\n"


def test_undo_refuses_when_a_file_of_the_turn_changed_since(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        (repository / "a.py").write_text("a = 2\n")
        (repository / "sub" / "b.py").write_text("b = 2\n")
    (repository / "a.py").write_text("a = 'by hand'\n")
    before = picture(repository)
    with pytest.raises(UndoRefusedError, match=r"a\.py changed since"):
        workspace.undo()
    assert picture(repository) == before


def test_a_forced_undo_is_itself_brought_back_by_redo(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        (repository / "a.py").write_text("a = 2\n")
    (repository / "a.py").write_text("a = 'by hand'\n")
    (repository / "untracked.txt").write_text("unrelated\n")
    before = picture(repository)
    workspace.undo(force=True)
    assert (repository / "a.py").read_text() == "a = 1\n"
    assert (repository / "untracked.txt").read_text() == "unrelated\n"
    workspace.redo()
    assert picture(repository) == before
    workspace.undo()
    assert (repository / "a.py").read_text() == "a = 1\n"
    assert (repository / "untracked.txt").read_text() == "unrelated\n"


def test_undo_leaves_later_edits_of_other_files_alone_and_names_them(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        (repository / "a.py").write_text("a = 2\n")
    (repository / "untracked.txt").write_text("written after the turn\n")
    restored = workspace.undo()
    assert restored.left_alone == ("untracked.txt",)
    assert (repository / "untracked.txt").read_text() == "written after the turn\n"
    assert (repository / "a.py").read_text() == "a = 1\n"


def test_undo_removes_files_that_a_turn_made_and_brings_back_deleted_ones(
    repository: Path,
) -> None:
    workspace = open_workspace(repository)
    before = picture(repository)
    with workspace.turn("one"):
        (repository / "made" / "by").mkdir(parents=True)
        (repository / "made" / "by" / "model.py").write_text("x")
        (repository / "untracked.txt").unlink()
    workspace.undo()
    assert picture(repository) == before
    assert not (repository / "made").exists()


def test_undo_never_removes_a_file_that_was_ignored_before_the_turn(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        (repository / ".gitignore").write_text("")  # noise.log is no longer ignored
    workspace.undo()
    assert (repository / "noise.log").read_text() == "ignored\n"
    assert (repository / ".gitignore").read_text() == "*.log\n"


def test_redo_never_removes_a_file_that_a_turn_only_began_to_ignore(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        (repository / ".gitignore").write_text("*.log\n*.txt\n")
    workspace.undo()
    workspace.redo()
    assert (repository / "untracked.txt").read_text() == "mine\n"


def test_a_file_that_a_turn_began_to_ignore_stays_covered(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        (repository / ".gitignore").write_text("*.log\n*.txt\n")
        (repository / "untracked.txt").write_text("changed by the turn\n")
    workspace.undo()
    assert (repository / "untracked.txt").read_text() == "mine\n"
    workspace.redo()
    assert (repository / "untracked.txt").read_text() == "changed by the turn\n"


def test_never_writes_through_a_link(repository: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    workspace = open_workspace(repository)
    state = workspace.snapshot("before")
    (repository / "sub" / "b.py").unlink()
    (repository / "sub").rmdir()
    (repository / "sub").symlink_to(outside)
    (repository / ".gitignore").write_text("*.log\n/sub\n")
    git(repository, "rm", "-q", "--cached", "sub/b.py")
    (repository / "a.py").write_text("a = 2\n")
    workspace.restore(state)
    assert (repository / "sub" / "b.py").read_text() == "b = 1\n"
    assert list(outside.iterdir()) == []
    workspace.undo()
    assert (repository / "sub").is_symlink()


def test_refuses_to_replace_a_folder_that_holds_what_no_snapshot_holds(repository: Path) -> None:
    workspace = open_workspace(repository)
    (repository / ".gitignore").write_text("*.log\nnode_modules\n")
    state = workspace.snapshot("before")
    (repository / "untracked.txt").unlink()
    package = repository / "untracked.txt" / "node_modules" / "left.js"
    package.parent.mkdir(parents=True)
    package.write_text("downloaded")
    with pytest.raises(UndoRefusedError, match=r"left\.js stands where"):
        workspace.restore(state)
    assert package.read_text() == "downloaded"


def test_a_damaged_snapshot_is_refused_before_anything_changes(repository: Path) -> None:
    workspace = open_workspace(repository)
    state = workspace.snapshot("before")
    (repository / "a.py").write_text("a = 2\n")
    (repository / "sub" / "b.py").write_text("b = 2\n")
    shadow = repository.parent / "state" / "shadow.git"
    blob = git(repository, "rev-parse", "HEAD:sub/b.py").strip()
    stored = shadow / "objects" / blob[:2] / blob[2:]
    stored.chmod(0o644)
    stored.write_bytes(stored.read_bytes()[:-4])
    before = picture(repository)
    with pytest.raises(WorkspaceError, match="damaged"):
        workspace.restore(state)
    assert picture(repository) == before


def test_a_torn_index_of_ours_is_made_anew(repository: Path) -> None:
    workspace = open_workspace(repository)
    state = workspace.snapshot("before")
    index = repository.parent / "state" / "shadow.git" / "index"
    index.write_bytes(index.read_bytes()[:40])
    (repository / "a.py").write_text("a = 2\n")
    assert workspace.changed(state) == ["a.py"]


@pytest.mark.parametrize("state", ["", "HEAD", "--all", "0" * 40, "refs/heads/main"])
def test_an_unknown_snapshot_is_refused(repository: Path, state: str) -> None:
    with pytest.raises(WorkspaceError, match="no snapshot"):
        open_workspace(repository).restore(state)


def test_works_in_an_empty_repository_and_in_an_empty_folder(root: Path) -> None:
    workspace = open_workspace(root)
    with workspace.turn("first file"):
        (root / "a.py").write_text("a = 1\n")
    workspace.undo()
    assert list(root.iterdir()) == []
    git(root, "init", "-q")
    assert workspace.list_files() == []
    with workspace.turn("in a repository"):
        (root / "a.py").write_text("a = 1\n")
    workspace.undo()
    assert workspace.list_files() == []


def test_a_subfolder_of_a_repository_is_a_workspace_of_its_own(repository: Path) -> None:
    (repository / ".gitignore").write_text("*.log\nsub/generated\n")
    sub = repository / "sub"
    (sub / "generated").write_text("x")
    workspace = open_workspace(sub)
    assert workspace.list_files() == ["b.py"]
    with workspace.turn("one"):
        (sub / "b.py").write_text("b = 2\n")
        (sub / "c.py").write_text("c = 1\n")
        (repository / "a.py").write_text("outside of the workspace\n")
    workspace.undo()
    assert (sub / "b.py").read_text() == "b = 1\n"
    assert not (sub / "c.py").exists()
    assert (repository / "a.py").read_text() == "outside of the workspace\n"
    assert (sub / "generated").read_text() == "x"


def test_a_linked_worktree_works_like_a_repository(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "linked"))
    workspace = open_workspace(tmp_path / "linked")
    with workspace.turn("one"):
        (tmp_path / "linked" / "a.py").write_text("a = 2\n")
    workspace.undo()
    assert (tmp_path / "linked" / "a.py").read_text() == "a = 1\n"


def test_a_broken_repository_is_named(repository: Path) -> None:
    (repository / ".git" / "index").write_bytes(b"garbage")
    with pytest.raises(WorkspaceError, match="failed in"):
        open_workspace(repository).snapshot("before")


def test_missing_git_is_one_clear_sentence(root: Path) -> None:
    with pytest.raises(WorkspaceError, match="git is not installed"):
        open_workspace(root, {"PATH": "/nonexistent"}).snapshot("before")


CUT_OFF = """\
import os, signal, sys
from pathlib import Path
from agent.workspace.workspace import Workspace
root = Path(sys.argv[1])
workspace = Workspace(root, root.parent / "state" / "shadow.git", environ=os.environ)
with workspace.turn("killed"):
    workspace.will_write(root / "a.py")  # what will be in it is not said
    workspace.will_write(root / "made.py")
    (root / "a.py").write_text("a = 'half")
    (root / "made.py").write_text("x")
    print("ready", flush=True)
    sys.stdin.read()
"""


def start_turn(root: Path) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", CUT_OFF, str(root)],
        cwd=PROJECT_ROOT,
        env={"PATH": GIT_ENV["PATH"]},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def test_a_killed_turn_of_unknown_contents_is_only_taken_back_by_force(repository: Path) -> None:
    workspace = open_workspace(repository)
    before = picture(repository)
    with start_turn(repository) as process:
        with pytest.raises(UndoRefusedError, match="still running"):
            workspace.undo(force=True)
        process.send_signal(signal.SIGKILL)
    with pytest.raises(UndoRefusedError, match="cut off"):
        workspace.undo()
    workspace.undo(force=True)
    assert picture(repository) == before
    workspace.redo()
    assert (repository / "made.py").read_text() == "x"
    workspace.undo()
    assert picture(repository) == before


def test_a_restore_that_was_killed_half_way_can_be_finished(repository: Path) -> None:
    workspace = open_workspace(repository)
    before = picture(repository)
    with workspace.turn("one"):
        (repository / "a.py").write_text("a = 2\n")
        (repository / "sub" / "b.py").write_text("b = 2\n")
    # What a killed undo leaves: one file already back, one not yet, one half written.
    (repository / "a.py").write_text("a = 1\n")
    (repository / "sub" / ".elagent-tmp-4711-0").write_text("b =")
    workspace.undo()
    assert picture(repository) == before


MANY_TURNS = """\
import os, sys
from pathlib import Path
from agent.workspace.workspace import Workspace
root, name = Path(sys.argv[1]), sys.argv[2]
workspace = Workspace(root, root.parent / "state" / "shadow.git", environ=os.environ)
for number in range(5):
    with workspace.turn(f"{name} {number}"):
        (root / name).write_text(str(number))
"""


def test_two_sessions_at_once_do_not_lose_each_others_turns(repository: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", MANY_TURNS, str(repository), name],
            cwd=PROJECT_ROOT,
            env={"PATH": GIT_ENV["PATH"]},
        )
        for name in ("one", "two")
    ]
    assert [process.wait(60) for process in processes] == [0, 0]
    workspace = open_workspace(repository)
    labels = [step.label for step in workspace.steps()]
    assert sorted(labels) == sorted(f"{name} {n}" for name in ("one", "two") for n in range(5))
    assert (repository / "one").read_text() == "4"


def test_old_snapshots_are_pruned_but_not_those_that_undo_needs(repository: Path) -> None:
    workspace = open_workspace(repository)
    loose = workspace.snapshot("nobody needs this")
    with workspace.turn("one"):
        (repository / "a.py").write_text("a = 2\n")
    assert workspace.prune(older_than=time.time() + 10) >= 1
    with pytest.raises(WorkspaceError, match="no snapshot"):
        workspace.diff("0" * 40, loose)
    workspace.undo()
    assert (repository / "a.py").read_text() == "a = 1\n"


@pytest.mark.parametrize(
    ("folders", "limit_s"), [(50, 40), pytest.param(500, 400, marks=pytest.mark.slow)]
)
def test_thousands_of_files_take_seconds(root: Path, folders: int, limit_s: float) -> None:
    git(root, "init", "-q")
    for folder in range(folders):
        (root / f"f{folder}").mkdir()
        for number in range(100):
            (root / f"f{folder}" / f"{number}.py").write_text(f"x = {folder * number}\n" * 20)
    workspace = open_workspace(root)
    started = time.monotonic()
    state = workspace.snapshot("first")
    for folder in range(10):
        for number in range(100):
            (root / f"f{folder}" / f"{number}.py").write_text("changed")
    untouched = (root / f"f{folders - 1}" / "7.py").stat().st_mtime_ns
    assert len(workspace.restore(state).paths) == 1000
    assert workspace.changed(state) == []
    assert (root / f"f{folders - 1}" / "7.py").stat().st_mtime_ns == untouched
    # 5,000 take two seconds on a quiet machine; a process for every file would take minutes.
    assert time.monotonic() - started < limit_s


KILLED_UNDO = """\
import os, sys
from pathlib import Path
from agent.workspace.workspace import Workspace
root = Path(sys.argv[1])
workspace = Workspace(root, root.parent / "state" / "shadow.git", environ=os.environ)
print("ready", flush=True)
workspace.undo()
"""


def test_an_undo_killed_at_any_moment_can_be_repeated(repository: Path) -> None:
    workspace = open_workspace(repository)
    for number in range(40):
        (repository / f"{number}.txt").write_text("old")
    before = picture(repository)
    with workspace.turn("one"):
        for number in range(0, 40, 2):
            (repository / f"{number}.txt").write_text("new")
            (repository / f"made {number}.txt").write_text("new")
    after = picture(repository)
    for delay_s in (0.05, 0.1, 0.15):
        command = [sys.executable, "-c", KILLED_UNDO, str(repository)]
        environ = {"PATH": GIT_ENV["PATH"]}
        with subprocess.Popen(
            command, cwd=PROJECT_ROOT, env=environ, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(delay_s)
            process.kill()
        if workspace.steps():
            workspace.undo()
        assert picture(repository) == before
        workspace.redo()
        assert picture(repository) == after


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, agent.workspace.workspace; assert not {'git', 'torch', 'httpx'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=True)
