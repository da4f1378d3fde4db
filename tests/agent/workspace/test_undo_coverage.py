"""What undo holds beside the project's own files: ignored files, submodules, repositories inside."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

import pytest

from agent.workspace import ignored
from agent.workspace.workspace import UndoRefusedError, Workspace
from tests.agent.workspace.test_workspace import GIT_ENV, git, open_workspace, picture


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    (root / ".gitignore").write_text(".env\n*.log\nlocal/\nnode_modules/\n.venv/\nout/\n")
    (root / "a.py").write_text("a = 1\n")
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    (root / ".env").write_text("KEY=1\n")
    (root / "app.log").write_text("started\n")
    (root / "local").mkdir()
    (root / "local" / "settings.json").write_text("{}\n")
    return root


def write(workspace: Workspace, path: str, text: str) -> None:
    """Write as the agent does: held first, then written."""
    target = workspace.root / path
    workspace.will_write(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def test_what_the_agent_wrote_to_ignored_files_is_undone_and_redone(repository: Path) -> None:
    workspace = open_workspace(repository)
    before = picture(repository)
    with workspace.turn("one"):
        write(workspace, ".env", "KEY=2\n")
        write(workspace, "local/settings.json", '{"debug": true}\n')
        write(workspace, "local/new.json", "{}\n")
    after = picture(repository)
    assert set(workspace.undo().paths) == {".env", "local/new.json", "local/settings.json"}
    assert picture(repository) == before
    workspace.redo()
    assert picture(repository) == after
    assert not {".env", "local/new.json"} & set(workspace.list_files()), "still not the project's"


@pytest.mark.parametrize("folder", ["node_modules/left", ".venv/lib", "out"])
def test_what_the_agent_wrote_where_no_snapshot_looks_is_undone(
    repository: Path, folder: str
) -> None:
    place = repository / folder
    place.mkdir(parents=True)
    for number in range(ignored.MAX_FOLDER_FILES + 1 if folder == "out" else 10):
        (place / f"{number}.js").write_text("x = 1\n")
    workspace = open_workspace(repository)
    before = picture(repository)
    with workspace.turn("one"):
        write(workspace, f"{folder}/7.js", "x = 2\n")
        write(workspace, f"{folder}/deep/new.js", "x = 3\n")
        workspace.snapshot("in the middle")
    undone = workspace.undo()
    assert set(undone.paths) == {f"{folder}/7.js", f"{folder}/deep/new.js"}
    assert undone.not_held == ()
    assert picture(repository) == before
    workspace.redo()
    assert (place / "7.js").read_text() == "x = 2\n"
    assert (place / "deep" / "new.js").read_text() == "x = 3\n"


def test_a_turn_that_was_killed_takes_back_what_it_wrote_to_a_cache(repository: Path) -> None:
    (repository / "node_modules").mkdir()
    (repository / "node_modules" / "a.js").write_text("x = 1\n")
    workspace = open_workspace(repository)
    turn = workspace.turn("one")
    turn.__enter__()
    write(workspace, "node_modules/a.js", "x = 2\n")
    (next((repository.parent / "state" / "shadow.git" / "turns").iterdir())).unlink()
    later = open_workspace(repository)
    later.undo(force=True)
    assert (repository / "node_modules" / "a.js").read_text() == "x = 1\n"


def test_ignored_files_that_others_change_meanwhile_are_named_and_left_alone(
    repository: Path,
) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        write(workspace, "a.py", "a = 2\n")
        (repository / "app.log").write_text("started\nGET /\n")
    (repository / "app.log").write_text("started\nGET /\nGET /2\n")
    undone = workspace.undo()
    assert undone.paths == ("a.py",)
    assert undone.left_alone == ("app.log",)
    assert (repository / "app.log").read_text() == "started\nGET /\nGET /2\n"


def test_force_takes_them_back_too_and_redo_brings_everything_again(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        write(workspace, "a.py", "a = 2\n")
        (repository / ".env").write_text("KEY=2\n")
        (repository / "local" / "settings.json").unlink()
    after = picture(repository)
    assert set(workspace.undo(force=True).paths) >= {".env", "a.py"}
    assert (repository / ".env").read_text() == "KEY=1\n"
    workspace.redo()
    assert picture(repository) == after


def test_a_turn_in_which_only_others_changed_ignored_files_is_no_step(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        write(workspace, "a.py", "a = 2\n")
    with workspace.turn("a question"):
        (repository / "app.log").write_text("started\nGET /\n")
    assert [step.label for step in workspace.steps()] == ["one"]


def test_caches_and_large_ignored_files_stay_out_of_snapshots_and_untouched(
    repository: Path,
) -> None:
    package = repository / "node_modules" / "left"
    package.mkdir(parents=True)
    (package / "index.js").write_text("x" * 100_000)
    tagged = repository / "local" / "downloads"
    tagged.mkdir()
    (tagged / "CACHEDIR.TAG").write_text("Signature: 8a477f597d28d172789f06886806bc55\n")
    (tagged / "data").write_text("y" * 100_000)
    large = repository / "big.log"
    large.write_bytes(b"z" * (ignored.MAX_FILE_BYTES + 1))
    workspace = open_workspace(repository)
    state = workspace.snapshot("before")
    (package / "index.js").write_text("newer")
    (tagged / "data").unlink()
    large.write_bytes(b"smaller now")
    (repository / "a.py").write_text("a = 2\n")
    assert workspace.changed(state) == ["a.py"]
    assert workspace.restore(state).paths == ("a.py",)
    assert (package / "index.js").read_text() == "newer"
    assert large.read_bytes() == b"smaller now"
    assert size_bytes(repository.parent / "state") < 60_000


def test_a_large_ignored_file_that_changed_in_a_turn_is_said_not_to_be_held(
    repository: Path,
) -> None:
    large = repository / "big.log"
    large.write_bytes(b"z" * (ignored.MAX_FILE_BYTES + 1))
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        write(workspace, "a.py", "a = 2\n")
        large.write_bytes(b"z" * (ignored.MAX_FILE_BYTES + 2))
    assert workspace.undo().not_held == ("big.log",)


def test_a_log_that_grew_too_large_is_not_put_back(repository: Path) -> None:
    workspace = open_workspace(repository)
    with workspace.turn("one"):
        write(workspace, "a.py", "a = 2\n")
        (repository / "app.log").write_bytes(b"z" * (ignored.MAX_FILE_BYTES + 1))
    undone = workspace.undo(force=True)
    assert (repository / "app.log").stat().st_size == ignored.MAX_FILE_BYTES + 1
    assert undone.not_held == ("app.log",)


def furnish_with_repositories(root: Path, tmp_path: Path, *, with_git: bool) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "i.py").write_text("i = 1\n")
    (inner / ".gitignore").write_text("*.local\n__pycache__\n")
    git(inner, "add", "-A")
    git(inner, "commit", "-qm", "inner")
    if with_git:
        git(root, "init", "-q")
        add = ("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner), "module")
        git(root, *add)
    git(tmp_path, "clone", "-q", str(inner), str(root / "nested"))
    git(tmp_path, "clone", "-q", str(inner), str(root / "nested" / "deeper"))
    (root / "nested" / "own.local").write_text("ignored there\n")
    (root / "empty").mkdir()
    git(root / "empty", "init", "-q")
    (root / "a.py").write_text("a = 1\n")


@pytest.mark.parametrize("with_git", [True, False])
def test_files_of_submodules_and_repositories_inside_are_undone(
    tmp_path: Path, *, with_git: bool
) -> None:
    root = tmp_path / "project"
    root.mkdir()
    furnish_with_repositories(root, tmp_path, with_git=with_git)
    inside = ["nested", "nested/deeper", *(["module"] if with_git else [])]
    states = {name: git(root / name, "status", "--porcelain", "--ignored") for name in inside}
    workspace = open_workspace(root)
    before = picture(root)
    with workspace.turn("one"):
        (root / "a.py").write_text("a = 2\n")
        for name in inside:
            (root / name / "i.py").write_text("i = 2\n")
            (root / name / "new.py").write_text("new = 1\n")
            (root / name / "__pycache__").mkdir()
            (root / name / "__pycache__" / "i.pyc").write_text("compiled")
        write(workspace, "nested/own.local", "changed\n")
        (root / "empty" / "first.py").write_text("first = 1\n")
    assert "nested/i.py" not in workspace.list_files(), "not the project's own"
    undone = workspace.undo()
    assert {"a.py", "nested/i.py", "nested/own.local", "empty/first.py"} <= set(undone.paths)
    for name in inside:
        assert (root / name / "__pycache__" / "i.pyc").exists()
        shutil.rmtree(root / name / "__pycache__")
        assert git(root / name, "status", "--porcelain", "--ignored") == states[name]
    assert picture(root) == before


def test_a_submodule_that_was_not_fetched_is_held_as_a_folder(tmp_path: Path) -> None:
    made, root = tmp_path / "made", tmp_path / "project"
    made.mkdir()
    furnish_with_repositories(made, tmp_path, with_git=True)
    git(made, "commit", "-qm", "with a module")
    git(tmp_path, "clone", "-q", str(made), str(root))
    assert list((root / "module").iterdir()) == []
    workspace = open_workspace(root)
    with workspace.turn("one"):
        write(workspace, "module/i.py", "i = 3\n")
    assert workspace.undo().paths == ("module/i.py",)
    assert not (root / "module" / "i.py").exists()


def test_a_repository_inside_cannot_lead_snapshots_elsewhere(tmp_path: Path) -> None:
    root, secret = tmp_path / "project", tmp_path / "elsewhere"
    secret.mkdir()
    (secret / "private.txt").write_text("private\n")
    (root / "nested").mkdir(parents=True)
    git(root / "nested", "init", "-q")
    (root / "nested" / "n.py").write_text("n = 1\n")
    git(root / "nested", "config", "core.worktree", str(secret))
    evil = tmp_path / "ran"
    git(root / "nested", "config", "core.fsmonitor", f"touch {evil}")
    (root / "broken").mkdir()
    (root / "broken" / ".git").write_text("gitdir: /nowhere\n")
    (root / "broken" / "b.py").write_text("b = 1\n")
    workspace = open_workspace(root)
    with workspace.turn("one"):
        (root / "nested" / "n.py").write_text("n = 2\n")
        write(workspace, "broken/b.py", "b = 2\n")
        (secret / "private.txt").write_text("changed elsewhere\n")
    assert workspace.undo().paths == ("broken/b.py", "nested/n.py")
    assert (secret / "private.txt").read_text() == "changed elsewhere\n"
    assert not evil.exists()


def test_later_edits_in_a_submodule_are_not_overwritten(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    furnish_with_repositories(root, tmp_path, with_git=True)
    workspace = open_workspace(root)
    with workspace.turn("one"):
        (root / "module" / "i.py").write_text("i = 2\n")
    (root / "module" / "i.py").write_text("i = 3\n")
    with pytest.raises(UndoRefusedError, match=r"module/i\.py changed since"):
        workspace.undo()
    assert (root / "module" / "i.py").read_text() == "i = 3\n"


@pytest.mark.slow
def test_fifty_thousand_files_with_caches_beside_them(tmp_path: Path) -> None:
    root = tmp_path / "project"
    for folder in range(500):
        place = root / f"f{folder}"
        place.mkdir(parents=True)
        for number in range(100):
            (place / f"{number}.py").write_text(f"x = {folder * number}\n" * 20)
    modules = root / "node_modules"
    for folder in range(100):
        (modules / str(folder)).mkdir(parents=True)
        for number in range(100):
            (modules / str(folder) / f"{number}.js").write_text(f"// {folder} {number}\n" * 50)
    (root / ".gitignore").write_text("node_modules/\n.env\n")
    (root / ".env").write_text("KEY=1\n")
    git(root, "init", "-q")
    workspace = Workspace(root, tmp_path / "state" / "shadow.git", environ=GIT_ENV)
    times: dict[str, float] = {}

    def timed(what: str, started: float) -> None:
        times[what] = round(time.monotonic() - started, 2)

    started = time.monotonic()
    workspace.snapshot("first")
    timed("first snapshot", started)
    started = time.monotonic()
    with workspace.turn("one"):
        timed("a turn begins", started)
        write(workspace, "f7/7.py", "x = 'changed'\n")
        write(workspace, ".env", "KEY=2\n")
        write(workspace, "node_modules/7/7.js", "// changed\n")
        started = time.monotonic()
    timed("a turn ends", started)
    started = time.monotonic()
    assert set(workspace.undo().paths) == {"f7/7.py", ".env", "node_modules/7/7.js"}
    timed("undo", started)
    held = size_bytes(tmp_path / "state") / 2**20
    sys.stdout.write(f"\n50,000 files, 10,000 in a cache: {times} s, {held:.1f} MiB held\n")
    assert (root / "node_modules" / "7" / "7.js").read_text() == "// 7 7\n" * 50
    assert held < 40, "the cache is in it, or every file twice"
