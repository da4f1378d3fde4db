"""Whatever stands in a state file, a repository or a reply: no fault of our own, no other file.

The ordinary run tries a few inputs of each kind, the slow one ten thousand.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st
from packaging.requirements import Requirement

from agent.approval import ModeApprover
from agent.errors import AgentError
from agent.events import EditApplied, Event
from agent.paths import RepositoryPaths, from_environ
from agent.session.session import SessionLog
from agent.settings.trust import TrustFile, configuration_of, digest_of
from agent.turn.conversation import Conversation
from agent.turn.loop import run_turn
from agent.workspace.committed import read_commit
from agent.workspace.committing import Committer
from agent.workspace.dirtiness import is_dirty
from agent.workspace.head import read_head
from agent.workspace.workspace import Workspace
from learning.experience.store import ExperienceStore
from learning.model.catalog import ModelIdentity
from learning.promotion.manifest import AdapterManifest, hash_files, write_manifest
from sandbox.box.contract import ImageError, SandboxError
from sandbox.box.ledger import RunLedger
from sandbox.files.transfer import collect_files
from sandbox.images.sdists import fetch_sdist
from sandbox.project.detection import detect
from tests.fakes.experiences import make_experience
from tests.fakes.model import ScriptedModel
from tui.cli import EXIT_FAULT, run
from tui.wiring import context

FEW, MANY = 20, 2_500
FILES = (
    *("experiences.sqlite3", "adapters/active", "adapters/{adapter}/elagent.json"),
    *("sessions/{session}.jsonl", "shadow.git/journal.json", "shadow.git/HEAD", "shadow.git/index"),
    *("shadow.git/config", "shadow.git/ready", "unjudged/{note}.json", "facts.json", "history"),
    *("../../trusted.json", "../../../config/elagent/config.toml"),
)
COMMANDS = (
    *("adapters ls", "adapters ls --json", "adapters show {adapter}", "adapters report {adapter}"),
    *("adapters rollback", "adapters use base", "experiences ls", "experiences show e", "purge"),
    *("experiences export", "sessions ls", "sessions show {session}", "sessions export {session}"),
    *("config", "diff", "undo", "redo", "undo --force", "purge --json", "adapters rm {adapter}"),
)
ADAPTER = "el-shop-v0001-0123abcd"
ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.just(10**400), st.floats(), st.text(max_size=20),
    st.sampled_from(["", "..", "/", "\0", "\ud800", "x" * 300, "a/" * 2000]),
    st.lists(st.none(), max_size=2), st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)  # fmt: skip


class State:
    """A repository with everything that is kept of one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "shop"
        self.home = folder / "home"
        self.session = ""
        self.note = ""

    @property
    def own(self) -> RepositoryPaths:
        return from_environ({"ELAGENT_HOME": str(self.home)}).repository(self.root)

    def make(self) -> None:
        self.root.mkdir()
        (self.root / "a.py").write_text("x = 1\n")
        (self.root / "pyproject.toml").write_text("[tool.elagent.model]\ntemperature = 0.1\n")
        own = self.own
        workspace = Workspace(self.root, own.shadow_git)
        with workspace.turn("one"):
            workspace.will_write(self.root / "a.py", b"x = 2\n")
            (self.root / "a.py").write_text("x = 2\n")
        with workspace.turn("two"):
            noted = workspace.will_judge(self.root / "b.py", b"y = 1\n")
            os.close(noted._lock)
            self.note = noted._place.stem
            (self.root / "b.py").write_text("y = 1\n")
        with SessionLog.create(own.sessions) as log:
            log.append({"event": "session_started", "root": str(self.root)})
            log.append({"event": "message", "role": "user", "content": "hello"})
            self.session = log.id
        with ExperienceStore.open(own.experiences) as store:
            store.add(make_experience("e1"))
        self._adapter(own.adapters)
        (own.home / "facts.json").write_text('{"a": [["b", "c"]]}')
        (own.home / "history").write_text("# now\n+x\n")
        (self.home / "trusted.json").write_text(json.dumps({str(self.root): True}))
        config = self.folder / "config" / "elagent"
        config.mkdir(parents=True)
        (config / "config.toml").write_text('[model]\nname = "m"\n[learn]\nseed = 3\n')

    def _adapter(self, adapters: Path) -> None:
        folder = adapters / ADAPTER
        folder.mkdir(parents=True)
        (folder / "adapter_model.safetensors").write_bytes(b"weights")
        base = ModelIdentity(weights_sha256="a", tokenizer_sha256="b", template_sha256="c")
        manifest = AdapterManifest(
            name=ADAPTER, model="m", base=base, parent=None, experience_ids=("e1",),
            config={"lr": 1.0}, seed=0, files=hash_files(folder), created_at=1.0,
            report={"loss": [1.0], "steps": 1},
        )  # fmt: skip
        write_manifest(folder, manifest)
        (adapters / "active").write_text(json.dumps({"name": ADAPTER, "history": [None]}))

    def filled(self, template: str) -> str:
        return template.format(adapter=ADAPTER, session=self.session, note=self.note)

    def file(self, template: str) -> Path:
        return Path(os.path.normpath(self.own.home / self.filled(template)))


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> State:
    state = State(tmp_path_factory.mktemp("template"))
    state.make()
    return state


@pytest.fixture
def state(template: State, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], State]]:
    """Makes the state anew in its place, since a repository is known by its path."""
    copy = template.folder.with_name("copy-of-state")
    shutil.copytree(template.folder, copy, symlinks=True)
    monkeypatch.setenv("ELAGENT_HOME", str(template.home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(template.folder / "config"))
    monkeypatch.chdir(template.folder)

    def fresh() -> State:
        os.chdir(template.folder.parent)
        shutil.rmtree(template.folder, ignore_errors=True)
        shutil.copytree(copy, template.folder, symlinks=True)
        os.chdir(template.root)
        return template

    yield fresh
    fresh()
    shutil.rmtree(copy, ignore_errors=True)


def fuzzed(count: int) -> settings:
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
    return settings(max_examples=count, deadline=None, suppress_health_check=checks, derandomize=count == FEW)  # fmt: skip


def damage(data: st.DataObject, path: Path) -> None:
    """Put something else where a state file is."""
    content = path.read_bytes() if path.is_file() else b""
    kinds = ["bytes", "cut", "flip", "deep", "folder", "link", "json", "row"]
    match data.draw(st.sampled_from(kinds), label="kind"):
        case "bytes":
            path.write_bytes(data.draw(st.binary(max_size=60)))
        case "cut":
            path.write_bytes(content[: data.draw(PLACE) * (len(content) + 1) // MOST])
        case "flip" if content:
            at = data.draw(PLACE) * len(content) // MOST
            path.write_bytes(
                content[:at] + data.draw(st.binary(min_size=1, max_size=4)) + content[at + 1 :]
            )
        case "deep":
            path.write_bytes(b"[" * 100_000 + b"]" * 100_000)
        case "folder":
            path.unlink(missing_ok=True)
            path.mkdir(parents=True)
        case "link":
            path.unlink(missing_ok=True)
            path.symlink_to(path.name)
        case "row" if path.suffix == ".sqlite3":
            odd_row(data, path)
        case _:
            odd_json(data, path, content)


MOST = 10_000
PLACE = st.integers(0, MOST - 1)
"""A part of a whole: files with times in them are not of the same length each time."""


def odd_json(data: st.DataObject, path: Path, content: bytes) -> None:
    """Change one value at a random place of a JSON file, or of a line of one."""
    lines = content.split(b"\n")
    at = data.draw(PLACE, label="line") * max(1, len(lines) - 1) // MOST
    text = content if path.suffix != ".jsonl" else lines[at]
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    changed = json.dumps(odd(data, document)).encode()
    lines[at : at + 1] = [changed]
    path.write_bytes(b"\n".join(lines) if path.suffix == ".jsonl" else changed)


def odd(data: st.DataObject, value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, dict) and value and data.draw(st.integers(0, 4)):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: odd(data, value[key])}
    if isinstance(value, list) and value and data.draw(st.integers(0, 4)):
        at = data.draw(st.integers(0, len(value) - 1))
        return [*value[:at], odd(data, value[at]), *value[at + 1 :]]
    return data.draw(ODD)


def odd_row(data: st.DataObject, path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as database:
        table = "experiences" if path.stem == "experiences" else "steps"
        columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
        column = data.draw(st.sampled_from(columns))
        values = [None, 0, -1, 1.5, 10**18, float("inf"), "", "x", "{}", "[]", b"", b"abc"]
        if column == "body" and data.draw(st.booleans()):
            (body,) = database.execute("SELECT body FROM experiences").fetchone()
            values = [json.dumps(odd(data, json.loads(body)))]
        try:
            value = data.draw(st.sampled_from(values))
            database.execute(f"UPDATE {table} SET {column} = ?", (value,))  # noqa: S608
        except (sqlite3.Error, UnicodeError):
            return


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_no_damaged_state_file_ends_in_a_fault(
    state: Callable[[], State], count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    @fuzzed(count)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        here = state()
        name = data.draw(st.sampled_from(FILES), label="file")
        damage(data, here.file(name))
        before = files(here.root)
        for command in data.draw(st.permutations(COMMANDS))[:4]:
            code = run(here.filled(command).split())
            said = capsys.readouterr()
            assert code != EXIT_FAULT, f"{name}: {command}: {said.err}"
            assert "Traceback" not in said.out + said.err, f"{name}: {command}"
        after = files(here.root)
        assert after.keys() | {"a.py", "b.py"} == before.keys() | {"a.py", "b.py"}
        assert after["pyproject.toml"] == before["pyproject.toml"]

    check()


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_a_damaged_list_of_runs_is_named(tmp_path: Path, count: int) -> None:
    path = tmp_path / "sandbox" / "runs.sqlite3"

    @fuzzed(count)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        shutil.rmtree(path.parent, ignore_errors=True)
        with RunLedger(path) as ledger:
            ledger.create("s", 1)
        damage(data, path)
        said = f"{path}: damaged"
        try:
            with RunLedger(path) as ledger:
                ledger.settle(path.parent)
                ledger.last_step("s")
                ledger.create("s", 2)
        except SandboxError as err:
            said = str(err)
        assert str(path) in said
        assert "damaged" in said or path.is_dir() or path.is_symlink()

    check()


NAMES = (
    *(
        "pyproject.toml",
        ".elagent.toml",
        "AGENTS.md",
        "setup.cfg",
        "setup.py",
        "tox.ini",
        "uv.lock",
    ),
    *("poetry.lock", "pdm.lock", "Pipfile", "Pipfile.lock", "pylock.toml", "requirements.txt"),
    *("requirements-dev.txt", "pytest.ini", "package.json", "Makefile", "CMakeLists.txt"),
    *(".git/config", ".git/HEAD", ".git/index", ".git/info/exclude", ".gitignore", ".gitmodules"),
    *(".gitattributes", "conftest.py", "test_a.py", "Cargo.toml", "noxfile.py", "a.py"),
)
WORDS = st.sampled_from(
    [
        "[project]\n", "[tool.poetry]\n", "[tool.elagent]\n", "[tool.elagent.model]\n", "[tool]\n",
        "[metadata]\n", "[options]\n", "[testenv]\n", "[tool.poetry.dependencies]\n", "[[package]]\n",
        "[build-system]\n", "[project.optional-dependencies]\n", "[dependency-groups]\n", "[core]\n",
        "[sandbox]\n", "[model]\n", "[tool.uv.sources]\n", "[tool.pdm]\n", "[packages]\n", "[alias]\n",
        "dependencies = ", "requires = ", "name = ", "python = ", "version = ", "dynamic = ", "deps = ",
        "install_requires = ", "test = ", "markers = ", "temperature = ", "timeout_s = ", "worktree = ",
        "excludesFile = ", "include.path = ", "bare = true\n", "repositoryformatversion = 99\n",
        '"', "'", "'''", '"""', "[", "]", "{", "}", "= ", "1\n", "-1\n", "true\n", "nan\n", "1e400\n",
        "1979-05-27\n", '["a>=1"]\n', "a; python_version<'3' and extra=='x\"y'\n", "-r requirements.txt\n",
        "-e .\n", "--hash=sha256:0\n", "a @ file:///etc/passwd\n", "\\\n", "%(x)s\n", "${x}\n", "\0", "\r",
        "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "ü" * 3, "x" * 300, "*" * 50 + "\n",
        "a/" * 500 + "\n", "# -*- coding: nope -*-\n", "def test_a(): pass\n", "import a\n", "(" * 300,
    ]
)  # fmt: skip


def spoiled(data: st.DataObject, path: Path) -> None:
    """Write something that is nearly a file of this name."""
    text = "".join(data.draw(st.lists(WORDS, max_size=12), label="words"))
    content = text.encode("utf-8", "surrogateescape")
    match data.draw(st.sampled_from(["words", "words", "more", "bytes", "deep", "folder", "link"])):
        case "words":
            path.write_bytes(content)
        case "more":
            path.write_bytes((path.read_bytes() if path.is_file() else b"") + content)
        case "bytes":
            path.write_bytes(data.draw(st.binary(max_size=80)))
        case "deep":
            path.write_bytes(b"a = " + b"[" * 5_000 + b"]" * 5_000)
        case "folder":
            path.unlink(missing_ok=True)
            path.mkdir()
        case _:
            path.unlink(missing_ok=True)
            path.symlink_to(
                data.draw(st.sampled_from([path.name, "a.py", "..", "/dev/null", "nope"]))
            )


def looked_at(root: Path, state: Path) -> None:
    """Everything that is read of a repository before a command of it runs in a box."""
    workspace = Workspace(root, state / "shadow.git", environ=os.environ)
    checks: tuple[Callable[[], object], ...] = (
        lambda: read_head(root),
        lambda: is_dirty(root, os.environ),
        lambda: read_commit(root),
        lambda: detect(root),
        workspace.list_files,
        lambda: workspace.undo() if workspace.snapshot("one") else None,
        lambda: collect_files(root, workspace.list_files(), max_bytes=2**20),
        lambda: context(root, {}),
        lambda: Committer(root, os.environ).uncommitted(),
    )
    for check in checks:
        with contextlib.suppress(AgentError, SandboxError):
            check()


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_no_file_of_a_repository_ends_in_a_fault(
    tmp_path: Path, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELAGENT_HOME", str(tmp_path / "home"))
    root, state = tmp_path / "project", tmp_path / "state"

    @fuzzed(count)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        for folder in (root, state):
            shutil.rmtree(folder, ignore_errors=True)
        root.mkdir()
        if data.draw(st.booleans(), label="git"):
            subprocess.run(["git", "init", "-q", root], check=True)  # noqa: S607
        wanted = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)
        for name in data.draw(wanted, label="files"):
            if (root / name).parent.is_dir():
                spoiled(data, root / name)
        trust = TrustFile(tmp_path / "home" / "trusted.json")
        words = configuration_of(root)
        trust.remember(root, digest_of(words), trusted=True)
        before = picture(root)
        looked_at(root, state)
        assert picture(root) == before

    check()


def picture(root: Path) -> dict[str, object]:
    return {
        str(p.relative_to(root)): str(p.readlink()) if p.is_symlink() else p.is_file() and p.read_bytes()
        for p in root.rglob("*")
    }  # fmt: skip


PIECES = st.sampled_from(
    [
        "a.py", "b.py\n", "src/new.py\n", "../out.py\n", "/etc/passwd\n", ".git/config\n", "x" * 300 + ".py\n",
        "a/" * 2000 + "b.py\n", "a/" * 1500 + "b.py\n", "d" * 260 + "/e.py\n", "it's \"both\".py\n", "**a.py**\n", "`a.py`\n", "a.py:\n",
        "```", "````", "~~~", "\n", "python\n", "diff\n", "sh\n", "json\n", "```python\n", "```\n", "```sh\nls\n```\n",
        "def add(a, b):\n    return a + b\n", "x = 1\n", "x = 2\n", "<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n",
        "--- a/a.py\n", "+++ b/a.py\n", "@@ -1 +1 @@\n", "-x = 1\n", "+x = 2\n", "*** Begin Patch\n", "*** End Patch\n",
        "*** Update File: a.py\n", "<think>", "</think>", "<tool_call>", "</tool_call>", "<|im_end|>", "<|channel|>",
        '{"name": "write_file", "arguments": {"path": "a.py", "content": "x"}}', '{"name": ', "<function=run>", "[TOOL_CALLS]",
        "<invoke name=\"edit\">", "<parameter=path>", "pytest\n", "cat a.py | head -n x\n", "sed -n '1,", "grep -rn '(' .\n",
        "\0", "\ud800", "\u202e", "\x1b[31m", "\r\n", "\f", "é", "e\u0301", "(" * 200, "[" * 2000, "{" * 2000, " " * 5000, "9" * 5000,
        '"""', "'''", "# ... rest unchanged\n", "# -*- coding: utf-16 -*-\n",
    ]
)  # fmt: skip


@pytest.mark.parametrize("count", [5 * FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_no_reply_ends_in_a_fault_or_changes_another_file(tmp_path: Path, count: int) -> None:
    root, state = tmp_path / "project", tmp_path / "state"

    @fuzzed(count)
    @given(st.lists(st.lists(PIECES, max_size=14), min_size=1, max_size=3), st.text(max_size=30))
    def check(replies: list[list[str]], extra: str) -> None:
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        (root / "a.py").write_text("x = 1\n")
        (root / "other.py").write_text("untouched = 1\n")
        said = ["".join(pieces) + extra for pieces in replies]
        model = ScriptedModel(script=[*said, *["done"] * 12])
        conversation = Conversation()
        conversation.add_file("a.py")

        async def talk() -> list[Event]:
            turn = run_turn(
                conversation, "Change a.py", root=root, files=["a.py", "other.py"], model=model,
                approver=ModeApprover("auto"), run_command=None,
            )  # fmt: skip
            return [event async for event in turn]

        events = asyncio.run(talk())
        written = {event.path for event in events if isinstance(event, EditApplied)}
        for path, content in files(root).items():
            known = {"a.py": b"x = 1\n", "other.py": b"untouched = 1\n"}.get(path)
            assert content == known or path in written, path
            assert path in ("a.py", "other.py") or any(path in reply for reply in said), path
        assert {p.name for p in tmp_path.iterdir()} <= {"project", "state"}
        assert not state.exists()

    check()


def test_a_path_of_more_folders_than_python_has_calls_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ELAGENT_HOME", str(tmp_path / "home"))
    root = tmp_path / "project"
    root.mkdir()
    deep = "/".join(["d"] * 1_200)
    subprocess.run(["mkdir", "-p", deep], cwd=root, check=True)  # noqa: S607
    (root / deep / "x.py").write_text("x = 1\n")
    try:
        looked_at(root, tmp_path / "state")
        workspace = Workspace(root, tmp_path / "state" / "shadow.git")
        state = workspace.snapshot("start")
        subprocess.run(["rm", "-r", "d"], cwd=root, check=True)  # noqa: S607
        workspace.restore(state)
        assert (root / deep / "x.py").read_text() == "x = 1\n"
    finally:
        # neither Python nor pytest can remove it
        subprocess.run(["rm", "-rf", "d"], cwd=root, check=True)  # noqa: S607


def test_an_index_that_refuses_the_connection_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    with pytest.raises(ImageError, match="cannot look for the source of nothing"):
        fetch_sdist(Requirement("nothing>=1"), tmp_path)
