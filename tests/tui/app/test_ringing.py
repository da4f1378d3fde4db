"""The end of long work rings; the text of a notification is no control sequence."""

from __future__ import annotations

import io
from collections.abc import Mapping

import pytest
from prompt_toolkit.data_structures import Size
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output.vt100 import Vt100_Output
from textual.message import Message

from agent.events import TurnFinished
from agent.session.context import Context
from agent.settings.load import load
from tests.fakes.agent import ScriptedAgent
from tests.tui.app.conftest import type_line, until
from tui.app.app import ElagentApp
from tui.app.messages import LongJobEnded
from tui.lines.line_prompt import LinePrompt
from tui.ringing import BELL, Bell, ringing


@pytest.mark.parametrize(
    ("after_s", "seconds", "due"), [(20.0, 19.0, False), (20.0, 20.0, True), (0.0, 900.0, False)]
)
def test_work_rings_once_it_took_as_long_as_the_setting_says(
    after_s: float, seconds: float, *, due: bool
) -> None:
    now = [5.0]
    bell = Bell(after_s=after_s, clock=lambda: now[0])
    bell.begin()
    now[0] += seconds
    assert bell.is_due is due


@pytest.mark.parametrize(
    ("environ", "notifies"),
    [
        ({"TERM_PROGRAM": "iTerm.app"}, True),
        ({"TERM": "xterm-kitty"}, True),
        ({"TERM": "foot"}, True),
        ({"TERM_PROGRAM": "iTerm.app", "TMUX": "1"}, False),
        ({"TERM": "xterm-256color"}, False),
        ({}, False),
    ],
)
def test_only_a_terminal_that_says_so_gets_a_notification(
    environ: Mapping[str, str], *, notifies: bool
) -> None:
    sent = ringing("done", environ)
    assert sent.endswith(BELL)
    assert sent.startswith("\x1b]9;done") is notifies


def test_a_request_in_the_text_cannot_end_the_notification() -> None:
    sent = ringing("x\x1b\\\x07\x9c]52;c;" + "y" * 500, {"TERM_PROGRAM": "ghostty"})
    inside = sent.removeprefix("\x1b]9;").removesuffix(f"\x1b\\{BELL}")
    assert inside.isprintable()
    assert len(inside) <= 80


def test_the_line_loop_sends_it_as_it_is() -> None:
    screen = io.StringIO()
    output = Vt100_Output(screen, lambda: Size(rows=24, columns=80))
    with create_pipe_input() as keyboard:
        LinePrompt(input_=keyboard, output=output).ring(ringing("done", {"TERM": "foot"}))
    assert screen.getvalue().endswith(f"\x1b]9;done\x1b\\{BELL}")


@pytest.mark.parametrize(("after_s", "rings"), [(1e-9, True), (0.0, False), (60.0, False)])
async def test_the_app_rings_after_a_job_that_took_long(
    where: Context, after_s: float, *, rings: bool
) -> None:
    loaded = load(where.root, {}, {"session.bell": after_s})
    place = Context(root=where.root, loaded=loaded, paths=where.paths)
    seen: list[Message] = []
    agent = ScriptedAgent(script=[(TurnFinished("done"),)])
    app = ElagentApp(place, "auto", agent)
    try:
        async with app.run_test(message_hook=seen.append) as pilot:
            await until(pilot, app.backstage.opened.is_set)
            await type_line(pilot, "hi")
            await until(pilot, lambda: agent.asked == ["hi"] and not app.backstage.jobs.busy)
            await pilot.pause()
            heard = [message.text for message in seen if isinstance(message, LongJobEnded)]
    finally:
        await app.close()
    assert bool(heard) is rings
    assert set(heard) <= {"elagent: answering: done"}
