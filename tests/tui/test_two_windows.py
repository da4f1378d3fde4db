"""Two conversations about one repository at the same time: nothing is lost or damaged."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from agent.approval import ModeApprover
from agent.assistant import Assistant
from agent.errors import BusyError, UndoRefusedError
from agent.paths import Paths
from agent.session.context import Context
from agent.session.session import list_sessions, read_session
from agent.settings.load import load
from learning.experience.store import ExperienceStore
from tests.fakes.openai_server import FakeServer, Scripted, serve, text
from tui.running import open_assistant

TURNS = 2


def replies(path: str, name: str) -> list[Scripted]:
    return [text(f"{path}\n```python\n{name} = {n}\n```") for n in range(1, TURNS + 1)]


def window(root: Path, server: FakeServer) -> Context:
    overrides = {"model.name": "fake", "model.base_url": server.url}
    return Context(root=root, loaded=load(root, {}, overrides), paths=Paths(root.parent / "home"))


async def talk(assistant: Assistant, path: str) -> None:
    """Take turns; one that finds the other window editing says so, and is tried again."""
    done = 0
    while done < TURNS:
        try:
            async for _event in assistant.turn(f"Change {path}"):
                pass
        except BusyError:
            await asyncio.sleep(0)
        else:
            done += 1


def texts(root: Path, names: Sequence[str]) -> list[str]:
    return [(root / name).read_text() for name in names]


def undone(*windows: Assistant) -> int:
    """Undo from either window in turn until it is refused; how often it was done.

    Turns that ran at the same time may be refused, which touches nothing.
    """
    for steps in range(len(windows) * TURNS + 1):
        try:
            windows[steps % len(windows)].workspace.undo()
        except UndoRefusedError:
            return steps
    raise AssertionError("more was undone than was done")


async def test_both_keep_their_edits_sessions_experiences_and_the_way_back(tmp_path: Path) -> None:
    root = tmp_path / "shared"
    root.mkdir()
    names = ("a.py", "b.py")
    for name in names:
        (root / name).write_text("x = 0\n")
    with (
        serve(FakeServer(script=replies("a.py", "x"))) as first,
        serve(FakeServer(script=replies("b.py", "x"))) as second,
    ):
        here, there = window(root, first), window(root, second)
        async with AsyncExitStack() as opened:
            approver = ModeApprover("auto")
            one, two = [
                await opened.enter_async_context(open_assistant(where, approver))
                for where in (here, there)
            ]
            await asyncio.gather(talk(one, "a.py"), talk(two, "b.py"))
            assert texts(root, names) == [f"x = {TURNS}\n"] * 2
            steps = undone(one, two)
            for _ in range(steps):
                one.workspace.redo()
            assert texts(root, names) == [f"x = {TURNS}\n"] * 2
    sessions = here.repository.sessions
    finished = [
        sum(record["event"] == "turn_finished" for record in read_session(sessions, session.id))
        for session in list_sessions(sessions)
    ]
    assert finished == [TURNS, TURNS]
    with ExperienceStore.open(here.repository.experiences) as store:
        assert sorted(each.path for each in store.list()) == ["a.py"] * TURNS + ["b.py"] * TURNS
