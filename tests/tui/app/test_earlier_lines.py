"""Ctrl+R finds a line that was typed before, as shells do."""

from __future__ import annotations

from textual.widgets import OptionList

from tests.fakes.agent import ScriptedAgent
from tests.tui.app.conftest import Opens, screen_text, until
from tui.app.app import ElagentApp


def _shown(app: ElagentApp) -> list[str]:
    options = app.query_one("#suggestions", OptionList)
    if not options.display:
        return []
    return [str(options.get_option_at_index(n).prompt) for n in range(options.option_count)]


def _typed(app: ElagentApp, *lines: str) -> None:
    for line in lines:
        app.prompt._history.add(line)


async def test_the_newest_line_that_contains_what_is_typed_is_taken(opened: Opens) -> None:
    async with opened(ScriptedAgent()) as (app, pilot):
        _typed(app, "fix the sum", "why is it red?", "Fix the mean", "!ls")
        await pilot.press("ctrl+r")
        assert _shown(app) == ["!ls", "Fix the mean", "why is it red?", "fix the sum"]

        await pilot.press(*"fix")
        await until(pilot, lambda: _shown(app) == ["Fix the mean", "fix the sum"])
        await pilot.press("ctrl+r", "enter")
        assert app.prompt.text == "fix the sum", "once more Ctrl+R goes to the one before"
        assert not _shown(app)


async def test_nothing_is_sent_or_lost_by_a_search(opened: Opens) -> None:
    agent = ScriptedAgent()
    async with opened(agent) as (app, pilot):
        _typed(app, "one\ntwo")
        await pilot.press(*"ne", "ctrl+r")
        assert _shown(app) == ["one two"], "several lines are shown as one"
        await pilot.press("escape")
        assert app.prompt.text == "ne"
        assert not _shown(app)

        await pilot.press("ctrl+r", "enter")
        assert app.prompt.text == "one\ntwo"
        assert "one two" not in screen_text(app)
        assert app.backstage.jobs.last is None


async def test_words_that_were_never_typed_find_nothing_and_commands_complete_again(
    opened: Opens,
) -> None:
    async with opened(ScriptedAgent()) as (app, pilot):
        _typed(app, "fix it")
        await pilot.press("ctrl+r", *"zzz")
        assert not _shown(app)
        await pilot.press("escape", "backspace", "backspace", "backspace", "/", "h", "e")
        await until(pilot, lambda: any("/help" in line for line in _shown(app)))
