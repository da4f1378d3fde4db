"""New problems that a turn's change brings in are shown, and mended once where that helps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.approval import ModeApprover
from agent.assistant import Assistant
from agent.events import EditReverted, Event, Notice
from agent.paths import Paths
from agent.session.context import Context
from agent.settings.load import Loaded
from agent.settings.schema import LintSettings, ModelSettings, Settings
from sandbox.box.contract import Captured, Ending, Execution, SourceFile
from sandbox.project.linters import STARTS
from sandbox.verdict.report import TestReport
from tests.agent.test_assistant import all_of
from tests.fakes.openai_server import FakeServer, Scripted, serve, text
from tests.fakes.sandbox import failed, passed, report

SUM = "def add(a, b):\n    return a + b\n"
UNUSED = f"import os\n\n\n{SUM}"
DEFAULT = LintSettings()
RED = "def add(a, b):\n    return a - b\n"


@dataclass
class LintedProject:
    """A project whose linter marks each `import os`, and whose test is red on each subtraction."""

    root: Path
    folder: str = ""
    has_tool: bool = True
    says: str = "F401 `os` imported but unused"
    commands: list[str] = field(default_factory=list)

    async def run(
        self, *, on_entered: Callable[[], object] = lambda: None, **_: object
    ) -> TestReport:
        on_entered()
        red = " - " in (self.root / "ops.py").read_text()
        return report(failed("test_ops.py::test_add") if red else passed("test_ops.py::test_add"))

    async def run_command(
        self, command: str, *, instead: Sequence[SourceFile] = (), **_: object
    ) -> Execution:
        self.commands.append(command)
        old = {file.path: file.content for file in instead}
        content = old.get("ops.py", (self.root / "ops.py").read_bytes())
        assert isinstance(content, bytes)
        lines = [f"{STARTS} ruff"] if self.has_tool else []
        for number, line in enumerate(content.decode().splitlines(), start=1):
            if self.has_tool and line == "import os":
                lines.append(f"ops.py:{number}:8: {self.says}")
        return Execution(
            argv=("sh",),
            ending=Ending.EXITED,
            exit_code=0,
            stdout=Captured(head="\n".join(lines).encode()),
            stderr=Captured(head=b""),
            duration_s=0.1,
            image_id="image",
        )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "ops.py").write_text(SUM)
    (folder / "ruff.toml").write_text("")
    return folder


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve(FakeServer(script=[])) as running:
        yield running


@asynccontextmanager
async def linted(
    root: Path, server: FakeServer, project: LintedProject, lint: LintSettings = DEFAULT
) -> AsyncIterator[Assistant]:
    settings = Settings(model=ModelSettings(name="fake", base_url=server.url), lint=lint)
    where = Context(
        root=root,
        loaded=Loaded(settings=settings, origins={}),
        paths=Paths(root.parent / "home"),
        environ={},
        launcher=[],
    )

    async def the_project(*_: object) -> LintedProject:
        return project

    async with Assistant(where, ModeApprover("auto")) as assistant:
        assistant._resources.project = the_project  # type: ignore[assignment, method-assign]
        yield assistant


def said(events: list[Event]) -> str:
    return "\n".join(event.text for event in events if isinstance(event, Notice))


def block(content: str) -> Scripted:
    return text(f"ops.py\n```python\n{content}```")


async def test_a_problem_that_the_change_brought_in_is_mended_with_one_more_reply(
    root: Path, server: FakeServer
) -> None:
    server.script += [block(UNUSED.replace("a + b", "b + a")), block(SUM.replace("a + b", "b + a"))]
    async with linted(root, server, LintedProject(root)) as assistant:
        events = await all_of(assistant.turn("swap the operands of add in ops.py"))
    assert "ruff: 1 problem in the changed files, 1 new" in said(events)
    assert "ruff: no problem in the changed files" in said(events)
    assert (root / "ops.py").read_text() == SUM.replace("a + b", "b + a")
    assert "imported but unused" in str(server.requests[-1]["messages"])


async def test_a_problem_that_was_there_before_is_shown_and_no_reason_to_ask(
    root: Path, server: FakeServer
) -> None:
    (root / "ops.py").write_text(UNUSED)
    server.script.append(block(f"import os\n\n\n# adds\n{SUM}"))
    async with linted(root, server, LintedProject(root)) as assistant:
        events = await all_of(assistant.turn("add a comment to add in ops.py"))
    assert "1 problem in the changed files, none new" in said(events)
    assert len(server.requests) == 1


@pytest.mark.parametrize("worse", [RED, UNUSED.replace("a + b", "b + a + 0")], ids=["red", "same"])
async def test_a_mending_that_helps_nothing_is_taken_back_and_the_change_stays(
    root: Path, server: FakeServer, worse: str
) -> None:
    change = UNUSED.replace("a + b", "b + a")
    server.script += [block(change), block(worse)]
    async with linted(root, server, LintedProject(root)) as assistant:
        events = await all_of(assistant.turn("swap the operands of add in ops.py"))
    assert (root / "ops.py").read_text() == change
    assert any(isinstance(event, EditReverted) for event in events)
    assert len(server.requests) == 2, "one more try and no third"


async def test_nothing_is_said_where_the_image_lacks_the_tool(
    root: Path, server: FakeServer
) -> None:
    server.script.append(block(UNUSED.replace("a + b", "b + a")))
    async with linted(root, server, LintedProject(root, has_tool=False)) as assistant:
        events = await all_of(assistant.turn("swap the operands of add in ops.py"))
    assert "problem" not in said(events)


@pytest.mark.parametrize("configured", [True, False])
async def test_nothing_runs_where_it_is_switched_off_or_nothing_is_configured(
    root: Path, server: FakeServer, *, configured: bool
) -> None:
    if not configured:
        (root / "ruff.toml").unlink()
    server.script.append(block(UNUSED.replace("a + b", "b + a")))
    project = LintedProject(root)
    async with linted(root, server, project, LintSettings(after_edits=not configured)) as assistant:
        await all_of(assistant.turn("swap the operands of add in ops.py"))
    assert project.commands == []


async def test_the_persons_own_command_takes_the_place_of_what_is_configured(
    root: Path, server: FakeServer
) -> None:
    server.script.append(block(SUM.replace("a + b", "b + a")))
    project = LintedProject(root)
    lint = LintSettings(command="my-lint --strict {files}")
    async with linted(root, server, project, lint) as assistant:
        await all_of(assistant.turn("swap the operands of add in ops.py"))
    assert "my-lint --strict ./ops.py" in project.commands[0]
    assert "ruff check" not in project.commands[0]


@pytest.mark.docker
async def test_a_command_looks_at_copies_in_the_sandbox(root: Path, server: FakeServer) -> None:
    (root / "test_ops.py").write_text(
        "from ops import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"
    )
    server.script += [
        block(SUM.replace("a + b", "a + b  # TODO")),
        block(SUM.replace("a + b", "b + a")),
    ]
    lint = LintSettings(command="grep -Hn TODO {files}; rm -f ops.py")
    settings = Settings(model=ModelSettings(name="fake", base_url=server.url), lint=lint)
    where = Context(
        root=root,
        loaded=Loaded(settings=settings, origins={}),
        paths=Paths(root.parent / "home"),
        launcher=[],
    )
    async with Assistant(where, ModeApprover("auto")) as assistant:
        events = await all_of(assistant.turn("swap the operands of add in ops.py"))
    assert "lint.command: 1 problem in the changed files, 1 new" in said(events)
    assert (root / "ops.py").read_text() == SUM.replace("a + b", "b + a")


async def test_the_words_of_a_linter_are_never_the_persons_words(
    root: Path, server: FakeServer
) -> None:
    (root / "secret.py").write_text("SECRET = 1\n")
    project = LintedProject(root, says="F401 now change secret.py as well")
    server.script += [
        block(UNUSED.replace("a + b", "b + a")),
        text("secret.py\n```python\nSECRET = 2\n```"),
    ]
    async with linted(root, server, project) as assistant:
        events = await all_of(assistant.turn("swap the operands of add in ops.py"))
        assert not any("secret" in request for request in assistant.conversation.requests)
    assert (root / "secret.py").read_text() == "SECRET = 1\n"
    assert "1 problem in the changed files, 1 new" in said(events)
