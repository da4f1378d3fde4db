"""Talking in the full-screen app: what is shown, asked, stopped and found again."""

from __future__ import annotations

import asyncio

import pytest

from agent.approval import Question
from agent.events import (
    EditApplied,
    Notice,
    OutputChunk,
    PlacesRanked,
    RankedPlace,
    ReplyFinished,
    StageStarted,
    TestsFinished,
    TextDelta,
    TurnFinished,
)
from agent.model.protocol import ModelError
from agent.session.context import Context
from sandbox.box.status import VerdictTrust
from sandbox.verdict.report import RunStatus, TestOutcome, TestReport, TestResult
from tests.fakes.agent import Asks, ScriptedAgent, Waits
from tests.tui.app.conftest import Opens, screen_text, type_line, until
from tui.app.transcript.entries import AnswerEntry, Entry, FailureEntry, OutputEntry, SaidEntry
from tui.app.transcript.results import TestsBlock

DIFF = "--- a/src/one.py\n+++ b/src/one.py\n@@ -1,2 +1,2 @@\n-old line\n+new line\n same line\n"
DONE = TurnFinished("done")


def reply(text: str, adapter: str | None = None) -> ReplyFinished:
    return ReplyFinished(text, "tiny", adapter, 100, 80, 20, 4096, 2.0)


def report(*outcomes: TestOutcome) -> TestReport:
    results = tuple(
        TestResult(id=f"tests/test_a.py::test_{n}", outcome=outcome,
                   message="assert 1 == 2" if outcome.is_red else "", file="src/one.py", line=7)
        for n, outcome in enumerate(outcomes)
    )  # fmt: skip
    return TestReport(
        status=RunStatus.COMPLETE, results=results, runner="pytest", trust=VerdictTrust.PINNED,
        duration_s=1.25, output="",
    )  # fmt: skip


async def test_a_reply_streams_and_names_its_adapter(opened: Opens) -> None:
    agent = ScriptedAgent(
        script=[(TextDelta("Hello **you"), TextDelta("**"), reply("Hello", "el-x-v0001-ab"), DONE)]
    )
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "hi")
        await until(pilot, lambda: "el-x-v0001-ab] 120 of 4096" in screen_text(app))
        shown = screen_text(app)
    assert "> hi" in shown
    assert "Hello you" in shown
    assert "el-x-v0001-ab | 120/4096 tokens | 10.0 tok/s" in shown
    assert agent.asked == ["hi"]
    assert agent.closed


async def test_an_edit_is_shown_before_it_is_written_and_can_be_refused_with_a_reason(
    opened: Opens,
) -> None:
    question = Question(kind="edit", subject="src/one.py", detail=DIFF)
    agent = ScriptedAgent(script=[(Asks(question=question), DONE)])
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "change it")
        await until(pilot, lambda: "Write this change?" in screen_text(app))
        assert "new line" in screen_text(app)
        await pilot.press("r", *"no", "enter")
        await until(pilot, lambda: not app.backstage.jobs.busy)
    assert agent.answers == [False]
    assert agent.reasons == ["no"]


async def test_accepting_the_rest_of_a_turn_asks_no_more_in_it(opened: Opens) -> None:
    question = Question(kind="edit", subject="src/one.py", detail=DIFF)
    twice = (Asks(question=question), Asks(question=question), DONE)
    agent = ScriptedAgent(script=[twice, (Asks(question=question), DONE)])
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "change it")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press("a")
        await until(pilot, lambda: not app.backstage.jobs.busy)
        assert agent.answers == [True, True]
        await type_line(pilot, "again")
        await until(pilot, lambda: len(app.screen_stack) == 2)
        await pilot.press("y")
        await until(pilot, lambda: not app.backstage.jobs.busy)
    assert agent.answers == [True, True, True]


async def test_escape_stops_and_the_next_line_works(opened: Opens) -> None:
    agent = ScriptedAgent(script=[(TextDelta("Well"), Waits()), (DONE,)])
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "think for ever")
        await until(pilot, lambda: "Well" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: not app.backstage.jobs.busy)
        await until(pilot, lambda: "Stopped. No file was changed." in screen_text(app))
        await type_line(pilot, "go on")
        await until(pilot, lambda: agent.asked == ["think for ever", "go on"])
    assert agent.cancelled == 1


async def test_stopping_at_a_question_takes_the_question_away(opened: Opens) -> None:
    question = Question(kind="command", subject="make all")
    agent = ScriptedAgent(script=[(Asks(question=question), DONE)])
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "build it")
        await until(pilot, lambda: "make all" in screen_text(app))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: not app.backstage.jobs.busy and len(app.screen_stack) == 1)
    assert agent.answers == []


async def test_what_is_typed_during_a_turn_waits_for_it(opened: Opens) -> None:
    agent = ScriptedAgent(script=[(Waits(),), (DONE,)])
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "first")
        await until(pilot, lambda: agent.asked == ["first"])
        await type_line(pilot, "second")
        await until(pilot, lambda: app.backstage.jobs.waiting == 1)
        assert agent.asked == ["first"]
        await pilot.press("escape")
        await until(pilot, lambda: agent.asked == ["first", "second"])


async def test_red_tests_come_first_with_their_place(opened: Opens) -> None:
    results = report(TestOutcome.PASSED, TestOutcome.FAILED)
    agent = ScriptedAgent(script=[(StageStarted("running all tests"), TestsFinished(results))])
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "/test")
        await until(pilot, lambda: "red: 1 failed, 1 passed" in screen_text(app))
        shown = screen_text(app)
        assert len(app.query(TestsBlock)) == 1
    assert shown.index("failed tests/test_a.py::test_1  src/one.py:7") < shown.rindex("1 passed")
    assert "assert 1 == 2" in shown


async def test_where_the_repair_looks_stands_below_the_red_test(opened: Opens) -> None:
    results = report(TestOutcome.PASSED, TestOutcome.FAILED)
    looks = PlacesRanked((RankedPlace("src/one.py", 12, 0.87),), "tests/test_a.py::test_1")
    elsewhere = PlacesRanked((RankedPlace("src/two.py", 3, 0.5),), "tests/test_b.py::test_gone")
    agent = ScriptedAgent(script=[(TestsFinished(results), looks, elsewhere, DONE)])
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "/fix")
        await until(pilot, lambda: "looks at src/one.py:12 (0.87)" in screen_text(app))
        shown = screen_text(app)
    assert shown.index("assert 1 == 2") < shown.index("src/one.py:12") < shown.rindex("1 passed")
    assert shown.rindex("1 passed") < shown.index("looks at src/two.py:3 (0.50)")


async def test_a_lost_model_server_is_said_and_can_be_tried_again(opened: Opens) -> None:
    agent = ScriptedAgent(script=[(ModelError("the server is gone"),), (TextDelta("back"), DONE)])
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "hello")
        await until(pilot, lambda: "error: the server is gone" in screen_text(app))
        assert "> hello" in screen_text(app)
        await pilot.press("f5")
        await until(pilot, lambda: "back" in screen_text(app))
    assert agent.reconnected == [None]
    assert agent.asked == ["hello", "hello"]


async def test_a_fault_of_our_own_is_logged_and_the_conversation_goes_on(
    opened: Opens, where: Context
) -> None:
    agent = ScriptedAgent(script=[(ZeroDivisionError("oops"),), (DONE,)])
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "hello")
        await until(pilot, lambda: "a fault in elagent itself" in screen_text(app))
        await type_line(pilot, "still there?")
        await until(pilot, lambda: agent.asked == ["hello", "still there?"])
    assert "ZeroDivisionError: oops" in where.paths.log_file.read_text()


async def test_hostile_output_cannot_drive_the_terminal(opened: Opens) -> None:
    evil = "\x1b[2J\x1b]52;c;AAAA\x07 a\u202eb [bold]x[/bold] \x9b31m"
    agent = ScriptedAgent(
        script=[(TextDelta(evil), reply(evil), OutputChunk(evil), Notice(evil),
                 EditApplied(evil, DIFF + f"+{evil}"), DONE)]
    )  # fmt: skip
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "attack")
        await until(pilot, lambda: "note:" in screen_text(app))
        shown = screen_text(app)
    assert not {c for c in shown if (c < " " and c != "\n") or "\x7f" <= c <= "\x9f"}
    assert "\u202e" not in shown
    assert "[bold]x[/bold]" in shown


@pytest.mark.parametrize("size", [(60, 15), (80, 24), (200, 50)])
async def test_every_size_down_to_60_by_15_shows_prompt_status_and_question(
    opened: Opens, size: tuple[int, int]
) -> None:
    question = Question(kind="edit", subject="src/one.py", detail=DIFF)
    agent = ScriptedAgent(script=[(Asks(question=question), DONE)])
    async with opened(agent, size=size) as (app, pilot):
        assert "Ask for a change" in screen_text(app)
        assert "mode ask" in screen_text(app)
        await type_line(pilot, "change it")
        await until(pilot, lambda: "Accept (y)" in screen_text(app))
        await pilot.resize_terminal(60, 15)
        await pilot.pause()
        assert "Accept (y)" in screen_text(app)
        await pilot.press("y")
        await until(pilot, lambda: not app.backstage.jobs.busy)


async def test_the_learning_panel_leaves_the_prompt_at_every_size(opened: Opens) -> None:
    async with opened(ScriptedAgent(), size=(120, 30)) as (app, pilot):
        await pilot.press("f2")
        for size in ((60, 15), (99, 20), (100, 30), (60, 15)):
            await pilot.resize_terminal(*size)
            await pilot.pause()
            shown = screen_text(app)
            assert "Captured in this session" in shown, size
            assert "Ask for a change, or type / for commands" in shown, size
            assert "mode ask" in shown, size
        await pilot.press("f2")
        await pilot.pause()
        assert "Ask for a change, or press ?" in screen_text(app)


async def test_of_ten_thousand_messages_only_a_window_is_drawn(opened: Opens) -> None:
    earlier: list[Entry] = [SaidEntry(f"message {n}") for n in range(10_000)]
    async with opened(ScriptedAgent(), earlier=earlier) as (app, pilot):
        await until(pilot, lambda: "message 9999" in screen_text(app))
        await pilot.press("f3", *"message 17", "enter")
        await until(pilot, lambda: "message 17" in screen_text(app))
        assert len(app.query(".block")) < 200


async def test_scrolling_beyond_the_window_goes_on_in_both_directions(opened: Opens) -> None:
    earlier: list[Entry] = [SaidEntry(f"message {n}") for n in range(120)]
    async with opened(ScriptedAgent(), earlier=earlier) as (app, pilot):
        app.transcript.focus()
        await pilot.press("home")
        await until(pilot, lambda: "message 0" in screen_text(app))
        for _ in range(40):
            await pilot.press("pagedown")
            if "message 119" in screen_text(app):
                break
        await until(pilot, lambda: "message 119" in screen_text(app))


async def test_a_megabyte_of_output_is_kept_small_and_counted(opened: Opens) -> None:
    chunk = OutputChunk(("x" * 99 + "\n") * 10)
    agent = ScriptedAgent(script=[(*([chunk] * 1_000), OutputChunk("the end\n"), DONE)])
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "/run yes")
        await until(pilot, lambda: "the end" in screen_text(app), tries=1000)
        entry = app.transcript.last(OutputEntry)
        assert isinstance(entry, OutputEntry)
        assert len(entry.text) < 200_000
        assert "characters cut" in entry.shown
        before = screen_text(app)
        await pilot.press("ctrl+o")
        await pilot.pause()
        assert screen_text(app) != before


async def test_question_mark_shows_all_keys_only_in_an_empty_line(opened: Opens) -> None:
    async with opened(ScriptedAgent()) as (app, pilot):
        await pilot.press("?")
        await until(pilot, lambda: "why does test_x fail?" in screen_text(app))
        await pilot.press("pagedown")
        await until(pilot, lambda: "Ctrl+Y" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: len(app.screen_stack) == 1)
        await pilot.press("w", "h", "y", "?")
        assert app.prompt.text == "why?"


async def test_ctrl_c_clears_the_line_then_leaves(opened: Opens) -> None:
    async with opened(ScriptedAgent()) as (app, pilot):
        app.prompt.set_text("half a tho")
        await pilot.press("ctrl+c")
        assert app.prompt.text == ""
        await pilot.press("ctrl+c")
        await until(pilot, lambda: not app.is_running)
    assert app.return_value == 0


async def test_undo_and_diff_answer_in_the_conversation(opened: Opens) -> None:
    agent = ScriptedAgent()
    agent.workspace.since_start = DIFF
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "/undo")
        await until(pilot, lambda: "undo: a turn: src/one.py" in screen_text(app))
        await type_line(pilot, "/diff")
        await until(pilot, lambda: "+1 -1" in screen_text(app))
    assert agent.workspace.undone == 1


async def test_escape_is_answered_before_what_it_stopped_has_tidied_up(opened: Opens) -> None:
    tidied = asyncio.Event()
    agent = ScriptedAgent(script=[(TextDelta("Well"), Waits(tidied=tidied)), (DONE,)])
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "think for ever")
        await until(pilot, lambda: "Well" in screen_text(app))
        await pilot.press("escape")
        await until(pilot, lambda: "interrupted, tidying up" in screen_text(app))
        await type_line(pilot, "go on")
        assert (app.backstage.jobs.busy, agent.asked, app.prompt.text) == (
            True,
            ["think for ever"],
            "",
        )
        tidied.set()
        await until(pilot, lambda: agent.asked == ["think for ever", "go on"])


async def test_an_undo_that_is_refused_says_what_to_type_here(opened: Opens) -> None:
    agent = ScriptedAgent()
    agent.workspace.edited_since = True
    async with opened(agent, size=(120, 30)) as (app, pilot):
        await type_line(pilot, "/undo")
        await until(pilot, lambda: "/undo force overwrites it" in screen_text(app))
        assert agent.workspace.undone == 0
        await type_line(pilot, "/undo now")
        await until(pilot, lambda: "choose: /undo [force]" in screen_text(app))
        await type_line(pilot, "/undo force")
        await until(pilot, lambda: "undo: a turn: src/one.py" in screen_text(app))
    assert agent.workspace.undone == 1


async def test_a_mistyped_command_is_not_sent_to_the_model(opened: Opens) -> None:
    agent = ScriptedAgent()
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "/tset")
        await until(pilot, lambda: "did you mean /test?" in screen_text(app))
        assert not app.transcript.last(FailureEntry)
        assert isinstance(app.transcript.last(AnswerEntry), AnswerEntry)
    assert agent.asked == []


async def test_wide_terminals_show_the_diff_side_by_side(opened: Opens) -> None:
    agent = ScriptedAgent(script=[(EditApplied("src/one.py", DIFF), DONE)])
    async with opened(agent, size=(130, 30)) as (app, pilot):
        await type_line(pilot, "change it")
        await until(pilot, lambda: "new line" in screen_text(app))
        both = [line for line in screen_text(app).splitlines() if "old line" in line]
        assert "+ new line" in both[0]
        await pilot.resize_terminal(100, 30)
        await until(pilot, lambda: "\n ▊ +new line" in screen_text(app))


async def test_shift_tab_changes_the_mode_and_plan_allows_nothing(opened: Opens) -> None:
    question = Question(kind="edit", subject="src/one.py", detail=DIFF)
    agent = ScriptedAgent(script=[(Asks(question=question), DONE)])
    async with opened(agent) as (app, pilot):
        await pilot.press("shift+tab", "shift+tab")
        assert "mode plan" in screen_text(app)
        await type_line(pilot, "change it")
        await until(pilot, lambda: not app.backstage.jobs.busy and agent.answers == [False])


async def test_ctrl_c_after_ctrl_c_never_leaves_with_a_line_that_was_typed_since(
    opened: Opens,
) -> None:
    agent = ScriptedAgent(script=[(TurnFinished("done"),)])
    async with opened(agent) as (app, pilot):
        await pilot.press("a", "ctrl+c", "b", "ctrl+c")
        assert app.prompt.text == ""
        assert app.is_running
