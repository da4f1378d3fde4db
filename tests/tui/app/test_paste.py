"""A long pasted text is one mark in the field, and whole in what is sent."""

from __future__ import annotations

import pytest
from textual import events
from textual.pilot import Pilot

from tests.fakes.agent import ScriptedAgent
from tests.tui.app.conftest import Opens, screen_text
from tui.app.app import ElagentApp

_LOG = "\n".join(f"line {number}" for number in range(40))


async def _paste(app: ElagentApp, pilot: Pilot[int], text: str) -> None:
    app.prompt.area.post_message(events.Paste(text))
    await pilot.pause()


async def test_a_long_paste_is_folded_and_sent_whole(opened: Opens) -> None:
    async with opened(ScriptedAgent()) as (app, pilot):
        await pilot.press(*"why?", "ctrl+j")
        await _paste(app, pilot, _LOG)
        await pilot.press("!")

        assert app.prompt.area.text == "why?\n[pasted 1: 40 lines]!"
        assert "line 20" not in screen_text(app)
        assert app.prompt.text == f"why?\n{_LOG}!"


async def test_a_mark_that_is_deleted_takes_its_text_along(opened: Opens) -> None:
    async with opened(ScriptedAgent()) as (app, pilot):
        await _paste(app, pilot, _LOG)
        await _paste(app, pilot, "x" * 2000)
        assert app.prompt.area.text == "[pasted 1: 40 lines][pasted 2: 2000 characters]"

        app.prompt.area.text = "[pasted 2: 2000 characters] only"
        assert app.prompt.text == f"{'x' * 2000} only"


@pytest.mark.parametrize("text", ["one line", "a\nb\nc"])
async def test_a_short_paste_stays_as_it_is(opened: Opens, text: str) -> None:
    async with opened(ScriptedAgent()) as (app, pilot):
        await _paste(app, pilot, text)
        assert app.prompt.area.text == text
