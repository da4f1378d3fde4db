"""The line loop at a keyboard: what is typed, what the server hears, what is on the disk."""

from __future__ import annotations

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output

from agent.paths import Paths
from agent.session.context import Context
from agent.settings.load import load
from tests.fakes.openai_server import FakeServer, Scripted, serve, text
from tui.lines.repl import answer_of, run_repl

EDIT = "ops.py\n```python\ndef add(a, b):\n    return a + b\n```"
SLOW = Scripted(pieces=["word "] * 500, delay_s=0.02)
PATIENCE_S = 20.0
SIZE = Size(rows=24, columns=200)
ASKED = "[y/N"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "ops.py").write_text("def add(a, b):\n    return a - b\n")
    return folder


@asynccontextmanager
async def talking(
    root: Path,
    server: FakeServer,
    mode: Literal["ask", "auto", "plan"],
    screen: io.StringIO | None = None,
) -> AsyncIterator[tuple[PipeInput, asyncio.Task[int]]]:
    overrides = {"model.name": "fake", "model.base_url": server.url}
    where = Context(
        root=root,
        loaded=load(root, {"HOME": str(root.parent)}, overrides),
        paths=Paths(root.parent / "home"),
    )
    screen = screen or io.StringIO()
    with (
        create_pipe_input() as keyboard,
        create_app_session(input=keyboard, output=Vt100_Output(screen, lambda: SIZE)),
    ):
        task = asyncio.create_task(run_repl(where, mode))
        try:
            yield keyboard, task
        finally:
            task.cancel()
            await asyncio.wait([task])


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - a keyboard has no event
            await asyncio.sleep(0.01)


async def seen(event: threading.Event) -> None:
    await until(event.is_set)


async def test_an_edit_is_asked_about_and_the_next_line_waits(root: Path) -> None:
    screen = io.StringIO()
    with serve(FakeServer(script=[text(EDIT), text("You are welcome.")])) as server:
        async with talking(root, server, "ask", screen) as (keyboard, task):
            keyboard.send_text("Repair ops.py\r")
            await until(lambda: ASKED in screen.getvalue())
            keyboard.send_text("y\r")
            await until(lambda: "a + b" in (root / "ops.py").read_text())
            keyboard.send_text("Thanks\r/quit\r")
            await until(task.done)
            assert task.result() == 0


async def test_single_parts_of_an_edit_can_be_written(root: Path) -> None:
    between = "".join(f"line_{n} = {n}\n" for n in range(9))
    (root / "ops.py").write_text(f"first = 0\n{between}last = 0\n")
    reply = text(f"ops.py\n```python\nfirst = 1\n{between}last = 1\n```")
    screen = io.StringIO()
    with serve(FakeServer(script=[reply])) as server:
        async with talking(root, server, "ask", screen) as (keyboard, task):
            keyboard.send_text("Repair ops.py\r")
            await until(lambda: ASKED in screen.getvalue())
            keyboard.send_text("2\r")
            await until(lambda: "last = 1" in (root / "ops.py").read_text())
            keyboard.send_text("/quit\r")
            await until(task.done)
    assert (root / "ops.py").read_text() == f"first = 0\n{between}last = 1\n"


@pytest.mark.parametrize("answer", ["", "n", "3", "0", "1 x", "yes 1", "all"])
def test_an_answer_that_is_not_clear_writes_nothing(answer: str) -> None:
    assert not answer_of(answer, parts=2).allowed


async def test_escape_ends_the_reply_on_the_server_and_the_next_request_is_answered(
    root: Path,
) -> None:
    with serve(FakeServer(script=[SLOW, text("Yes.")])) as server:
        async with talking(root, server, "auto") as (keyboard, _):
            keyboard.send_text("Tell me everything\r")
            await seen(server.streaming)
            keyboard.send_text("\x1b")
            await seen(server.disconnected)
            keyboard.send_text("Is it short?\r")
            await until(lambda: len(server.requests) == 2)
            messages = server.requests[1]["messages"]
            assert isinstance(messages, list)
            assert [message["role"] for message in messages[1:]] == ["user", "assistant", "user"]
            assert str(messages[2]["content"]).endswith("(interrupted)")
