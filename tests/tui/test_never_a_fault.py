"""Whatever stands in a state file, a repository or a reply: no fault of our own, no other file.

The ordinary run tries a few inputs of each kind, the slow one ten thousand.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from agent.paths import RepositoryPaths, from_environ
from agent.session import SessionLog
from agent.workspace.workspace import Workspace
from learning.experience.store import ExperienceStore
from learning.model.catalog import ModelIdentity
from learning.promotion.manifest import AdapterManifest, hash_files, write_manifest
from sandbox.contract import SandboxError
from sandbox.ledger import RunLedger
from tests.fakes.experiences import make_experience
from tui.cli import EXIT_FAULT, run

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
        shutil.rmtree(template.folder)
        shutil.copytree(copy, template.folder, symlinks=True)
        os.chdir(template.root)
        return template

    yield fresh
    fresh()
    shutil.rmtree(copy)


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
            path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        case "flip" if content:
            at = data.draw(st.integers(0, len(content) - 1))
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


def odd_json(data: st.DataObject, path: Path, content: bytes) -> None:
    """Change one value at a random place of a JSON file, or of a line of one."""
    lines = content.split(b"\n")
    at = data.draw(st.integers(0, max(0, len(lines) - 2)), label="line")
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
    with sqlite3.connect(path) as database:
        columns = [row[1] for row in database.execute("PRAGMA table_info(experiences)")]
        column = data.draw(st.sampled_from(columns))
        values = [None, 0, -1, 1.5, 10**18, float("inf"), "", "x", "{}", "[]", b"", b"abc"]
        if column == "body" and data.draw(st.booleans()):
            (body,) = database.execute("SELECT body FROM experiences").fetchone()
            values = [json.dumps(odd(data, json.loads(body)))]
        try:
            value = data.draw(st.sampled_from(values))
            database.execute(f"UPDATE experiences SET {column} = ?", (value,))  # noqa: S608
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
