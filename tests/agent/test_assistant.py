"""One repository through the facade: what must not end a turn, and what a stopped turn leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

import pytest

from agent.approval import Approver, ModeApprover
from agent.assistant import Assistant
from agent.errors import UndoRefusedError
from agent.events import Event, Notice, TurnEnding, TurnFinished
from agent.fixing.sources import Sources
from agent.locks import hold
from agent.paths import Paths
from agent.session.context import Context
from agent.session.resources import Resources
from agent.settings.load import Loaded
from agent.settings.schema import AgentSettings, ModelSettings, Settings, TurnSettings
from agent.watching.comments import comments_in
from agent.workspace.workspace import Workspace
from learning.experience.store import ExperienceStore
from tests.agent.advice.test_advice import LESSON
from tests.fakes.openai_server import FakeServer, serve, text
from tests.fakes.sandbox import failed

if TYPE_CHECKING:
    from agent.testing.project import ProjectTests

EDIT = "ops.py\n```python\ndef add(a, b):\n    return a + b\n```"
SUBTRACTS = "def add(a, b):\n    return a - b\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "ops.py").write_text(SUBTRACTS)
    return folder


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve(FakeServer(script=[text(EDIT)])) as running:
        yield running


_LIMITS = TurnSettings()


@asynccontextmanager
async def opened(
    root: Path,
    server: FakeServer,
    approver: Approver | None = None,
    *,
    limits: TurnSettings = _LIMITS,
) -> AsyncIterator[Assistant]:
    context = Context(
        root=root,
        loaded=Loaded(
            settings=Settings(model=ModelSettings(name="fake", base_url=server.url), turn=limits),
            origins={},
        ),
        paths=Paths(root.parent / "home"),
        environ={},
        launcher=[],
    )
    async with Assistant(context, approver or ModeApprover("auto")) as assistant:
        yield assistant


async def all_of(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


async def test_experiences_that_cannot_be_stored_do_not_end_a_turn(
    root: Path, server: FakeServer
) -> None:
    store = Paths(root.parent / "home").repository(root).experiences
    store.parent.mkdir(parents=True)
    store.write_bytes(b"this is no database" * 100)
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn("Repair ops.py"))
        again = await all_of(assistant.turn("Once more, ops.py"))
    said = [event.text for event in events if isinstance(event, Notice)]
    assert [line for line in said if "nothing is recorded in this session" in line]
    assert events[-1] == TurnFinished("done", TurnEnding.DONE)
    assert not any("recorded" in str(event) for event in again), "said once"
    assert "a + b" in (root / "ops.py").read_text()


@pytest.mark.parametrize("said", ["", " \n\t"])
async def test_an_empty_request_is_said_to_be_empty_and_leaves_the_list_of_turns_as_it_was(
    root: Path, server: FakeServer, said: str
) -> None:
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn(said))
        assert events == [
            TurnFinished("the request is empty: say what you want", TurnEnding.FAILED)
        ]
        assert not assistant.workspace.steps()
        assert not server.requests


@pytest.mark.parametrize(
    "said", ["Repair ops.py\0", "Repair ops.py \udcff", "Repair \x1b[31mops.py"]
)
async def test_a_request_of_any_characters_can_be_undone(
    root: Path, server: FakeServer, said: str
) -> None:
    async with opened(root, server) as assistant:
        await all_of(assistant.turn(said))
        assert assistant.workspace.undo().paths == ("ops.py",)


async def test_a_turn_that_is_stopped_while_it_begins_leaves_nothing_open(
    root: Path, server: FakeServer
) -> None:
    async with opened(root, server) as assistant:
        await all_of(assistant.turn("Repair ops.py"))
        lock = Paths(root.parent / "home").repository(root).shadow_git / "elagent.lock"
        with hold(lock, timeout_s=10):  # its snapshot has to wait
            job = asyncio.create_task(all_of(assistant.turn("Again")))
            await asyncio.sleep(0.3)
            job.cancel()
            await asyncio.sleep(0.1)
        await asyncio.wait([job])
        await asyncio.sleep(0.5)  # a snapshot that nobody waits for any more would be taken by now
        assert assistant.workspace.undo().paths == ("ops.py",)


async def test_leaving_in_the_middle_closes_the_turn(root: Path, server: FakeServer) -> None:
    async with opened(root, server) as assistant:
        async with aclosing(assistant.turn("Repair ops.py")) as events:
            async for _ in events:
                break
        with pytest.raises(UndoRefusedError, match="nothing to undo"):
            assistant.workspace.undo()


async def test_another_model_answers_and_is_named_from_then_on(
    root: Path, server: FakeServer
) -> None:
    server.models.append({"id": "other", "max_model_len": 4096})
    async with opened(root, server) as assistant:
        await all_of(assistant.turn("Repair ops.py"))
        await assistant.reconnect("other", sandbox=False)
        assert assistant.model_name == "other"
        await all_of(assistant.turn("Repair ops.py"))
    assert [request["model"] for request in server.requests][:1] == ["fake"]
    assert server.requests[-1]["model"] == "other"


@pytest.mark.parametrize(("memory", "shown"), [("hints", True), ("off", False)])
async def test_the_memory_setting_decides_whether_past_repairs_are_shown(
    root: Path, memory: Literal["hints", "off"], *, shown: bool
) -> None:
    paths = Paths(root.parent / "home")
    paths.repository(root).home.mkdir(parents=True)
    with ExperienceStore.open(paths.repository(root).experiences) as store:
        store.add(LESSON)
    context = Context(
        root=root,
        loaded=Loaded(
            settings=Settings(agent=AgentSettings(memory=memory, facts=False)), origins={}
        ),
        paths=paths,
        environ={},
        launcher=[],
    )
    workspace = Workspace(root, paths.repository(root).shadow_git)
    resources = Resources(context, ModeApprover("auto"), workspace, session="s")
    nobody = cast("ProjectTests", None)  # without facts it is never asked
    advisor = resources.advisor(nobody, lambda _: None)
    advice = await advisor.for_test(failed("t", "'sku'", exception="KeyError"), Sources(root, []))
    await resources.close()
    assert bool(advice.hints.ids) is shown


async def test_a_stopped_turn_says_truly_what_it_wrote(root: Path, server: FakeServer) -> None:
    async with opened(root, server) as assistant:
        await all_of(assistant.turn("Repair ops.py"))
        assert list(await assistant.written()) == ["ops.py"]
        server.script = [text("word ") for _ in range(3)]
        async with aclosing(assistant.turn("Again")) as events:
            await anext(events)
        assert list(await assistant.written()) == []


async def test_a_comment_that_asked_for_a_change_is_taken_out_and_undone_with_it(
    root: Path, server: FakeServer
) -> None:
    asking = f"# elagent: let it add!\n{SUBTRACTS}"
    (root / "ops.py").write_text(asking)
    server.script[:] = [
        text("ops.py\n```python\n# elagent: let it add!\n" + EDIT.partition("python\n")[2])
    ]
    async with opened(root, server) as assistant:
        (comment,) = comments_in("ops.py", asking)
        work = assistant.turn(comment.request, wanted=comment.wanted, comment=comment)
        events = await all_of(work)
        assert isinstance(events[-1], TurnFinished)
        assert (root / "ops.py").read_text() == "def add(a, b):\n    return a + b\n"
        assert "ops.py" in await assistant.written()
        assistant.workspace.undo()
    assert (root / "ops.py").read_text() == asking
