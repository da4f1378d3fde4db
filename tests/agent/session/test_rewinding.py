"""Going back to before an earlier turn: files and conversation together, or nothing at all."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.approval import ModeApprover
from agent.assistant import Assistant
from agent.errors import UndoRefusedError
from agent.paths import Paths
from agent.session.context import Context
from agent.session.session import read_session
from agent.session.talk import history_of
from agent.settings.load import Loaded
from agent.settings.schema import ModelSettings, Settings
from agent.testing.project import ProjectTests
from sandbox.box.contract import EngineUnavailableError
from tests.agent.test_assistant import all_of
from tests.fakes.openai_server import FakeServer, Scripted, serve, text


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "one.py").write_text("ONE = 0\n")
    (folder / "two.py").write_text("TWO = 0\n")
    return folder


@pytest.fixture
def server() -> Iterator[FakeServer]:
    script = [
        block("one.py", "ONE = 1\n"),
        block("two.py", "TWO = 1\n"),
        block("one.py", "ONE = 2\n"),
    ]
    with serve(FakeServer(script=script)) as running:
        yield running


def block(path: str, content: str) -> Scripted:
    return text(f"{path}\n```python\n{content}```")


@asynccontextmanager
async def opened(
    root: Path, server: FakeServer, resume: str | None = None
) -> AsyncIterator[Assistant]:
    settings = Settings(model=ModelSettings(name="fake", base_url=server.url))
    where = Context(
        root=root,
        loaded=Loaded(settings=settings, origins={}),
        paths=Paths(root.parent / "home"),
        environ={},
        launcher=[],
        resume=resume,
    )

    async def no_project(*_: object) -> ProjectTests:
        raise EngineUnavailableError("there is no engine")

    async with Assistant(where, ModeApprover("auto")) as assistant:
        assistant._resources.project = no_project  # type: ignore[assignment, method-assign]
        yield assistant


async def three_turns(assistant: Assistant) -> None:
    for said in ("set ONE to 1 in one.py", "set TWO to 1 in two.py", "set ONE to 2 in one.py"):
        await all_of(assistant.turn(said))


def files(root: Path) -> tuple[str, str]:
    return (root / "one.py").read_text(), (root / "two.py").read_text()


AFTER_ONE = ("ONE = 1\n", "TWO = 0\n")
AFTER_ALL = ("ONE = 2\n", "TWO = 1\n")


async def test_files_and_conversation_go_back_together(root: Path, server: FakeServer) -> None:
    async with opened(root, server) as assistant:
        await three_turns(assistant)
        assert files(root) == AFTER_ALL
        turns = assistant.past_turns()
        assert [(turn.number, turn.files) for turn in turns] == [
            (1, ["one.py"]), (2, ["two.py"]), (3, ["one.py"])
        ]  # fmt: skip
        restored = assistant.rewind(2)
        assert restored is not None
        assert restored.paths == ("one.py", "two.py")
        assert files(root) == AFTER_ONE
        said = "".join(message.content for message in assistant.conversation.messages)
        assert "set ONE to 1" in said
        assert "set TWO" not in said
        assert [turn.number for turn in assistant.past_turns()] == [1]
        assistant.workspace.redo()
        assistant.workspace.redo()
        assert files(root) == AFTER_ALL
        assert assistant.rewind(1) is not None, "what was done again is of this session, too"
        assert files(root) == ("ONE = 0\n", "TWO = 0\n")


@pytest.mark.parametrize("path", ["one.py", "two.py"])
async def test_a_file_that_the_user_changed_meanwhile_stops_everything(
    root: Path, server: FakeServer, path: str
) -> None:
    async with opened(root, server) as assistant:
        await three_turns(assistant)
        (root / path).write_text("MINE = 1\n")
        now, messages = files(root), assistant.conversation.messages
        with pytest.raises(UndoRefusedError, match=f"{path} changed since"):
            assistant.rewind(1)
        assert files(root) == now
        assert assistant.conversation.messages == messages
        assert len(assistant.past_turns()) == 3


async def test_an_edit_of_the_users_between_two_turns_stops_it_and_other_files_are_left(
    root: Path, server: FakeServer
) -> None:
    async with opened(root, server) as assistant:
        await all_of(assistant.turn("set ONE to 1 in one.py"))
        (root / "mine.py").write_text("MINE = 1\n")
        await all_of(assistant.turn("set TWO to 1 in two.py"))
        restored = assistant.rewind(1)
        assert restored is not None
        assert restored.left_alone == ("mine.py",)
        assert (root / "mine.py").exists()
        server.script = [block("one.py", "ONE = 1\n"), block("one.py", "ONE = 2\n")]
        await all_of(assistant.turn("set ONE to 1 in one.py"))
        (root / "one.py").write_text("ONE = 7\n")
        await all_of(assistant.turn("set ONE to 2 in one.py"))
        with pytest.raises(UndoRefusedError, match=r"one\.py changed since"):
            assistant.rewind(1)
        assert (root / "one.py").read_text() == "ONE = 2\n"
        assistant.rewind(2)
        assert (root / "one.py").read_text() == "ONE = 7\n"


async def test_work_of_another_session_is_never_taken_back(root: Path, server: FakeServer) -> None:
    async with opened(root, server) as assistant:
        await all_of(assistant.turn("set ONE to 1 in one.py"))
        async with opened(root, server) as other:
            await all_of(other.turn("set TWO to 1 in two.py"))
        with pytest.raises(UndoRefusedError, match="is not of this session"):
            assistant.rewind(1)
        assert files(root) == ("ONE = 1\n", "TWO = 1\n")


async def test_what_was_undone_already_is_no_obstacle_unless_it_is_too_much(
    root: Path, server: FakeServer
) -> None:
    async with opened(root, server) as assistant:
        await three_turns(assistant)
        assistant.workspace.undo()
        assistant.rewind(2)
        assert files(root) == AFTER_ONE
        assistant.workspace.undo()
        with pytest.raises(UndoRefusedError, match="there is no turn 2"):
            assistant.rewind(2)


async def test_going_back_holds_after_the_session_is_resumed(
    root: Path, server: FakeServer
) -> None:
    async with opened(root, server) as assistant:
        await three_turns(assistant)
        assistant.rewind(3)
        session = assistant.session_id
    async with opened(root, server, session) as again:
        said = "".join(message.content for message in again.conversation.messages)
        assert "set TWO to 1" in said
        assert "set ONE to 2" not in said
        assert [turn.number for turn in again.past_turns()] == [1, 2]
        again.rewind(1)
        assert again.conversation.messages == ()
    assert files(root) == ("ONE = 0\n", "TWO = 0\n")
    records = read_session(Paths(root.parent / "home").repository(root).sessions, session)
    assert history_of(records).messages == ()


async def test_a_turn_that_changed_nothing_takes_only_the_conversation_back(
    root: Path, server: FakeServer
) -> None:
    server.script = [text("It is a number.")]
    async with opened(root, server) as assistant:
        await all_of(assistant.turn("what is ONE in one.py?"))
        assert assistant.rewind(1) is None
        assert assistant.conversation.messages == ()


async def test_a_conversation_that_was_cleared_before_a_turn_stays_cleared(
    root: Path, server: FakeServer
) -> None:
    async with opened(root, server) as assistant:
        await all_of(assistant.turn("set ONE to 1 in one.py"))
        assistant.conversation = type(assistant.conversation)()
        await all_of(assistant.turn("set TWO to 1 in two.py"))
        assistant.rewind(2)
        assert assistant.conversation.messages == ()
        assert files(root) == AFTER_ONE
