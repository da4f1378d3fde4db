"""Keys that come in one burst, as fast typing and pasting give them, keep their order."""

from __future__ import annotations

import random

import pytest
from textual.pilot import Pilot

from agent.events import TurnFinished
from tests.fakes.agent import ScriptedAgent
from tests.tui.app.conftest import Opens
from tui.app.app import ElagentApp
from tui.app.keys import tell_alt_enter_apart

PIECES = ("a", "word ", "x=1", "?", "why?", "\n", "\x1b\r", "/", "@", ".", "é", "(", " ")
SHOWN = {"\x1b\r": "\n"}
"""Pieces that stand for another text: Alt+Enter is a new line."""


async def burst(app: ElagentApp, pilot: Pilot[int], data: str) -> None:
    """Let the terminal send all of this at once."""
    from textual._xterm_parser import XTermParser

    parser = XTermParser()
    for event in parser.feed(data):
        app.post_message(event)
    for _ in range(3):
        await pilot.pause()


def text_of(pieces: list[str]) -> str:
    return "".join(SHOWN.get(piece, piece) for piece in pieces)


async def random_bursts(opened: Opens, count: int) -> None:
    tell_alt_enter_apart()
    draw = random.Random(0)  # noqa: S311 - the same bursts in every run
    agent = ScriptedAgent(script=[(TurnFinished("done"),)])
    async with opened(agent) as (app, pilot):
        for number in range(count):
            pieces = ["z", *draw.choices(PIECES, k=draw.randint(1, 12)), "."]
            await burst(app, pilot, "".join(pieces))
            assert app.prompt.text == text_of(pieces), (number, pieces)
            app.prompt.set_text("")
            await pilot.pause()


async def test_random_bursts_keep_their_order(opened: Opens) -> None:
    await random_bursts(opened, 40)


@pytest.mark.slow
async def test_five_hundred_random_bursts_keep_their_order(opened: Opens) -> None:
    await random_bursts(opened, 500)


async def test_a_line_that_ends_with_a_question_mark_is_sent_whole(opened: Opens) -> None:
    agent = ScriptedAgent(script=[(TurnFinished("done"),)])
    async with opened(agent) as (app, pilot):
        await burst(app, pilot, "why is it red?\rand now?\r")
        for _ in range(100):
            if len(agent.asked) == 2:
                break
            await pilot.pause(0.02)
    assert agent.asked == ["why is it red?", "and now?"]


@pytest.mark.parametrize("first", range(1, 6))
async def test_a_command_is_carried_out_as_typed_whatever_was_suggested_before_its_end(
    opened: Opens, first: int
) -> None:
    agent = ScriptedAgent(script=[(TurnFinished("done"),)])
    async with opened(agent) as (app, pilot):
        await burst(app, pilot, "/test"[:first])
        await burst(app, pilot, "/test"[first:] + "\r")
        for _ in range(100):
            if agent.asked:
                break
            await pilot.pause(0.02)
        assert app.prompt.text == ""
    assert agent.asked == ["/test"]
