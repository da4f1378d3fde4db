"""Text that grows on the screen: it looks as if it was drawn at once, and costs its share only."""

from __future__ import annotations

import random

import pytest
from textual.app import App, ComposeResult

from agent.events import OutputChunk, ReplyFinished, StageStarted, TextDelta, TurnFinished
from tests.fakes.agent import ScriptedAgent
from tests.tui.app.conftest import Opens, type_line, until
from tui.app.talk import DrawingPace
from tui.app.transcript.drawn import Drawn
from tui.app.transcript.markdown import GrowingMarkdown
from tui.show.render import render_markdown

ANSWER = """# Title

A paragraph with `code` and **bold** words that is long enough to be broken into two lines here.

- one

- two

  still two
1. first
2. second

```python
def f(x):

    return x
```

After it.

| a | b |
|---|---|
| 1 | 2 |

> quoted

The end"""
REPLY = ReplyFinished(ANSWER, "tiny", None, 100, 80, 20, 4096, 2.0)


class Shows(App[None]):
    """A growing text above the same text drawn at once."""

    def __init__(self) -> None:
        super().__init__()
        self.growing = GrowingMarkdown()
        self.whole = Drawn(render_markdown(ANSWER))

    def compose(self) -> ComposeResult:
        yield self.growing
        yield self.whole


def said(widget: Drawn) -> list[str]:
    """The lines that say something; how many blank ones are between them may differ."""
    lines = [widget.render_line(y).text.rstrip() for y in range(widget.size.height)]
    return [line for line in lines if line]


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_text_that_grew_looks_as_if_it_was_drawn_at_once(seed: int) -> None:
    app = Shows()
    pick = random.Random(seed)  # noqa: S311 - the same every time
    async with app.run_test(size=(60, 80)) as pilot:
        shown = 0
        while shown < len(ANSWER):
            shown += pick.randint(1, 40)
            app.growing.show(ANSWER[:shown])
            await pilot.pause()
        assert said(app.growing) == said(app.whole)
        await pilot.resize_terminal(40, 80)
        await pilot.pause()
        assert app.growing.size.width == 40
        assert said(app.growing) == said(app.whole)


def test_drawing_takes_an_eighth_of_a_core_however_slow_the_machine_is() -> None:
    now = used = 0.0
    pace = DrawingPace(clock=lambda: now, used=lambda: used)
    for cost_s in (0.01, 0.03, 0.06):
        pace.begin()
        before, since = used, now
        while now < since + 60:
            now += 1 / 12
            if pace.is_due():
                used += cost_s
        assert (used - before) / (now - since) < 1 / 8


async def test_what_was_said_and_printed_can_be_selected_and_copied(opened: Opens) -> None:
    printed = (StageStarted("make"), OutputChunk("done\n"))
    agent = ScriptedAgent(script=[(TextDelta(ANSWER), REPLY, *printed, TurnFinished("done"))])
    async with opened(agent, size=(100, 60)) as (app, pilot):
        await type_line(pilot, "hi")
        await until(
            pilot, lambda: app.backstage.jobs.last is not None and not app.backstage.jobs.busy
        )
        app.query_one(GrowingMarkdown).text_select_all()
        await pilot.press("ctrl+c")
        assert "def f(x):" in app.clipboard
        app.screen.clear_selection()
        app.query("OutputBlock Drawn").first(Drawn).text_select_all()
        await pilot.press("ctrl+c")
        assert app.clipboard.splitlines() == ["▾ make", "  done"]
        assert app.is_running
