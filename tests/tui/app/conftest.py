"""The app over a scripted agent, and what it shows as text."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from agent.approval import Mode
from agent.paths import Paths
from agent.session.context import Context
from agent.settings.load import load
from tests.fakes.agent import ScriptedAgent
from tui.app.app import ElagentApp
from tui.app.transcript.entries import Entry

Running = AbstractAsyncContextManager[tuple[ElagentApp, Pilot[int]]]
Opens = Callable[..., Running]


def screen_text(app: ElagentApp) -> str:
    """What is on the screen now, line by line."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


async def until(pilot: Pilot[int], said: Callable[[], bool], *, tries: int = 200) -> None:
    """Let the app work until something holds."""
    for _ in range(tries):
        if said():
            return
        await pilot.pause(0.02)
    raise AssertionError(f"it never came to that; on the screen:\n{screen_text(_app(pilot))}")


def _app(pilot: Pilot[int]) -> ElagentApp:
    app = pilot.app
    assert isinstance(app, ElagentApp)
    return app


async def type_line(pilot: Pilot[int], line: str) -> None:
    """Type a line and press Enter."""
    _app(pilot).prompt.set_text(line)
    await pilot.press("enter")


@pytest.fixture
def where(tmp_path: Path) -> Context:
    """A folder with our state beside it."""
    root = tmp_path / "project"
    root.mkdir()
    return Context(root=root, loaded=load(root, {}, {}), paths=Paths(tmp_path / "home"))


@pytest.fixture
def opened(where: Context) -> Opens:
    """Opens the app over an agent, at a size."""

    @asynccontextmanager
    async def opens(
        agent: ScriptedAgent,
        *,
        mode: Mode = "ask",
        size: tuple[int, int] = (100, 30),
        earlier: Sequence[Entry] = (),
        context: Context = where,
    ) -> AsyncIterator[tuple[ElagentApp, Pilot[int]]]:
        app = ElagentApp(context, mode, agent, earlier=earlier)
        try:
            async with app.run_test(size=size) as pilot:
                await until(pilot, app.backstage.opened.is_set)
                yield app, pilot
        finally:
            await app.close()

    return opens
