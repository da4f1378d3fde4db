"""The reader's place in a conversation: it stays, what is below is marked, and a question goes to the end."""

from __future__ import annotations

from tests.fakes.agent import ScriptedAgent
from tests.tui.app.conftest import Opens, screen_text, type_line, until
from tui.app.transcript.entries import AnswerEntry

_LONG = [AnswerEntry("\n".join(f"line {n} of {e}" for n in range(6))) for e in range(30)]


async def test_what_is_out_of_sight_below_is_marked_and_end_goes_there(opened: Opens) -> None:
    async with opened(ScriptedAgent(), earlier=_LONG) as (app, pilot):
        await until(pilot, lambda: "line 5 of 29" in screen_text(app))
        assert "below: End" not in screen_text(app)

        await pilot.press("pageup")
        await until(pilot, lambda: "lines below: End goes there" in screen_text(app))
        assert "line 5 of 29" not in screen_text(app)

        await pilot.press("end")
        await until(pilot, lambda: "line 5 of 29" in screen_text(app))
        await until(pilot, lambda: "below: End" not in screen_text(app))


async def test_end_moves_the_cursor_while_something_is_typed_and_ctrl_end_goes_down(
    opened: Opens,
) -> None:
    async with opened(ScriptedAgent(), earlier=_LONG) as (app, pilot):
        await pilot.press("pageup")
        await until(pilot, lambda: "below: End" in screen_text(app))

        await pilot.press("a", "b", "home", "end", "c")
        assert app.prompt.text == "abc"
        assert "below: End" in screen_text(app)

        await pilot.press("ctrl+end")
        await until(pilot, lambda: "line 5 of 29" in screen_text(app))


async def test_who_asks_after_scrolling_up_sees_the_question_and_its_answer(opened: Opens) -> None:
    async with opened(ScriptedAgent(), earlier=_LONG) as (app, pilot):
        await pilot.press("pageup", "pageup")
        await until(pilot, lambda: "below: End" in screen_text(app))

        await type_line(pilot, "/tokens")

        await until(pilot, lambda: "/tokens" in screen_text(app).rpartition("line 5 of 29")[2])
        await until(pilot, lambda: "below: End" not in screen_text(app))
