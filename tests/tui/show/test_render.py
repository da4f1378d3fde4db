"""What people see of events: readable at 80 columns, without colour, and never hostile."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st
from rich.console import Console

from agent.events import (
    AttemptStarted,
    ChangeChosen,
    ChangesTried,
    EditApplied,
    EditReverted,
    Event,
    FixFinished,
    LearnFinished,
    LearnStep,
    Notice,
    OtherChange,
    OutputChunk,
    PlacesRanked,
    Progress,
    RankedPlace,
    ReplyFinished,
    ReplyUnusable,
    RequestRead,
    StageStarted,
    TestFinished,
    TestsFinished,
    TextDelta,
    TurnFinished,
    to_json,
)
from agent.text import format_bytes, format_seconds
from sandbox.box.status import VerdictTrust
from sandbox.verdict.report import RunStatus, TestOutcome, TestReport, TestResult
from tui.show.plain import JsonPresenter, TextPresenter


def report(*outcomes: TestOutcome, status: RunStatus = RunStatus.COMPLETE) -> TestReport:
    results = tuple(
        TestResult(id=f"tests/test_a.py::test_{n}", outcome=outcome, message="assert 1 == 2",
                   file="a.py", line=7)
        for n, outcome in enumerate(outcomes)
    )  # fmt: skip
    return TestReport(
        status=status, results=results, runner="pytest", trust=VerdictTrust.PINNED, duration_s=1.25,
        output="last line of output",
    )  # fmt: skip


def shown(*events: Event, width: int = 80) -> str:
    stream = io.StringIO()
    console = Console(file=stream, width=width, no_color=True, markup=False, highlight=False)
    presenter = TextPresenter(console)
    for event in events:
        presenter.show(event)
    presenter.close()
    return stream.getvalue()


def test_red_tests_come_with_reason_and_place() -> None:
    text = shown(TestsFinished(report(TestOutcome.PASSED, TestOutcome.FAILED)))
    assert "failed: tests/test_a.py::test_1 [a.py:7]" in text
    assert "assert 1 == 2" in text
    assert "red: 1 failed, 1 passed" in text


def test_green_is_said_without_colour() -> None:
    assert "ok: 2 passed" in shown(TestsFinished(report(TestOutcome.PASSED, TestOutcome.PASSED)))


@pytest.mark.parametrize("status", [s for s in RunStatus if s is not RunStatus.COMPLETE])
def test_a_run_that_is_not_complete_is_never_shown_as_ok(status: RunStatus) -> None:
    text = shown(TestsFinished(report(TestOutcome.PASSED, status=status)))
    assert "ok:" not in text
    assert "last line of output" in text


def test_the_runners_own_verdict_stands_before_the_counts_and_is_not_ok() -> None:
    said = "No test failed, but pytest itself ended with exit code 1."
    overruled = replace(report(TestOutcome.PASSED), exit_code=1, ending=said)
    text = shown(TestsFinished(overruled))
    assert f"  | last line of output\n{said}\nred: 1 passed" in text
    data = to_json(TestsFinished(overruled))
    assert (data["all_green"], overruled.verdict.value) == (False, "fail")


def test_red_tests_of_one_cause_are_told_once() -> None:
    missing = TestResult(
        id="",
        outcome=TestOutcome.ERROR,
        exception="ModuleNotFoundError",
        message="No module named 'yaml'",
    )
    same = [replace(missing, id=f"t.py::test_{n}", file=f"{n}.py") for n in range(182)]
    other = TestResult(id="t.py::other", outcome=TestOutcome.ERROR, message="bad", file="0.py")
    run = replace(report(), results=(*same[:90], other, *same[90:]))
    lines = shown(TestsFinished(run), width=200).splitlines()
    assert lines == [
        "error: 182 tests in the same way",
        "  No module named 'yaml'",
        "  t.py::test_0, t.py::test_1, t.py::test_2 and 179 more",
        "error: t.py::other [0.py]",
        "  bad",
        "red: 183 error in 1.2 s (pytest, in the sandbox)",
    ]


def test_failures_that_only_look_alike_stay_apart() -> None:
    results = [
        TestResult(id=str(n), outcome=TestOutcome.FAILED, message="assert 0", file="a.py", line=n)
        for n in range(9)
    ]
    text = shown(TestsFinished(replace(report(), results=tuple(results))))
    assert text.count("assert 0") == 9


def test_flaky_tests_are_labelled() -> None:
    text = shown(TestsFinished(report(TestOutcome.FAILED), flaky=("tests/test_a.py::test_0",)))
    assert "flaky failed: tests/test_a.py::test_0" in text


def test_score_before_and_after_is_shown_with_what_stays_red() -> None:
    text = shown(FixFinished(25, 27, ("a", "b", "c"), ("c",), "--- a\n+++ b\n", "attempts used up"))
    assert "passed before: 25  after: 27   red before: 3  after: 1" in text
    assert "still red: c" in text


def test_reply_names_the_adapter_that_made_it() -> None:
    event = ReplyFinished("x", "qwen", "el-demo-v0001-abcdef12", 100, 80, 20, 8192, 2.0)
    text = shown(event, width=120)
    assert "el-demo-v0001-abcdef12" in text
    assert "120 of 8192 tokens (80 cached), 10.0 tokens/s" in text


def test_the_search_says_where_it_looks_what_passes_and_what_else_would() -> None:
    other = OtherChange("pricing.py", 12, "n to n + 1", "template", "--- a\n+++ b\n")
    text = shown(
        PlacesRanked((RankedPlace("pricing.py", 12, 0.87), RankedPlace("pricing.py", 9, 0.29))),
        ChangesTried(58, 2, "template", 0),
        ChangesTried(60, 1, "infill", 71),
        ChangeChosen("pricing.py", 12, "> to >=", "template", (other,)),
    )
    assert text.splitlines() == [
        "looks at pricing.py:12 (0.87), pricing.py:9 (0.29)",
        "58 small changes tried (template), 2 pass",
        "60 small changes tried (infill, 71 tokens), 1 pass",
        "2 changes pass; this one is judged next: pricing.py:12 > to >= (template)",
        "also passes: pricing.py:12 n to n + 1 (template)",
    ]


def test_a_decision_is_shown_in_words() -> None:
    text = shown(LearnFinished("el-x-v0001-0", "shadow", "kept in shadow: not enough evidence", 4))
    assert "el-x-v0001-0: saved, not in use: not enough evidence" in text


@settings(max_examples=40)
@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=200))
def test_no_event_can_send_control_characters_to_the_terminal(text: str) -> None:
    printed = shown(
        TextDelta(text),
        Notice(text),
        StageStarted(text),
        EditApplied(text, text),
        EditReverted(text, text),
        AttemptStarted(text, 1, 3),
        PlacesRanked((RankedPlace(text, 1, 0.5),), text),
        ChangesTried(1, 0, text, 5),
        ChangeChosen(text, 1, text, text, (OtherChange(text, 1, text, text, text),)),
        LearnStep(1, 2, 0.5, 10.0),
        TestsFinished(report(TestOutcome.FAILED)),
    )
    assert not {c for c in printed if (c < " " and c != "\n") or "\x7f" <= c <= "\x9f"}


@settings(max_examples=40)
@given(st.binary(max_size=200))
def test_json_lines_are_single_ascii_lines(data: bytes) -> None:
    stream = io.StringIO()
    presenter = JsonPresenter(stream)
    presenter.show(Notice(data.decode("utf-8", "surrogateescape")))
    line = stream.getvalue()
    assert line.count("\n") == 1
    assert line.isascii()
    assert json.loads(line)["event"] == "notice"


def test_tests_finished_carries_counts_and_every_result() -> None:
    data = to_json(TestsFinished(report(TestOutcome.PASSED, TestOutcome.FAILED)))
    assert data["v"] == 1
    assert data["event"] == "tests_finished"
    assert [data[name] for name in ("passed", "failed", "errors", "skipped")] == [1, 1, 0, 0]
    assert data["all_green"] is False
    counts = data["counts"]
    assert isinstance(counts, dict)
    assert counts["failed"] == 1
    results = json.loads(json.dumps(data))["report"]["results"]
    assert results[1]["outcome"] == "failed"
    assert (results[1]["file"], results[1]["line"]) == ("a.py", 7)


def test_live_events_leave_no_trace_in_plain_output() -> None:
    passed = TestResult(id="a", outcome=TestOutcome.PASSED)
    assert shown(TestFinished(passed), Progress(1, 2, "steps", 3.0)) == ""


def test_without_streaming_only_the_outcome_is_shown() -> None:
    stream = io.StringIO()
    presenter = TextPresenter(Console(file=stream, no_color=True), stream=False)
    presenter.show(TextDelta("def f(): pass"))
    presenter.show(OutputChunk("collected 28 items"))
    presenter.close()
    assert stream.getvalue() == ""


def test_output_of_a_command_is_shown_without_its_escapes() -> None:
    assert shown(OutputChunk("line \x1b[31mred\n")) == "line red\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7500, "2 h 5 min")]
)
def test_durations_are_for_people(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"), [(512, "512 B"), (98_400_000, "98.4 MB"), (1_117_320_768, "1.1 GB")]
)
def test_sizes_are_for_people(size: int, text: str) -> None:
    assert format_bytes(size) == text


def test_time_left_is_told_from_the_rate_since_the_first_progress_not_from_the_set_up() -> None:
    now, stream = 0.0, io.StringIO()
    presenter = TextPresenter(Console(file=stream, width=80), clock=lambda: now)
    presenter.show(StageStarted("unpacking"))
    for now, done in ((100.0, 1), (101.0, 2), (120.0, 3)):  # noqa: B007 - the clock reads `now`
        presenter.show(Progress(done, 11, "parts"))
    lines = stream.getvalue().splitlines()
    assert lines == [
        "-- unpacking",
        "   unpacking: 1 parts of 11 parts",
        "   unpacking: 3 parts of 11 parts, 1 min 20 s left",
    ]


def test_above_a_prompt_only_whole_lines_are_written() -> None:
    stream = io.StringIO()
    presenter = TextPresenter(Console(file=stream, no_color=True), live=False)
    written = []
    for piece in ("It ", "adds", ".\nAnd", " ends"):
        presenter.show(TextDelta(piece))
        written.append(stream.getvalue())
    assert written == ["", "", "It adds.\n", "It adds.\n"]
    presenter.close()
    assert stream.getvalue() == "It adds.\nAnd ends\n"


def test_a_run_in_which_nothing_passed_says_so() -> None:
    last = shown(TestsFinished(report(TestOutcome.SKIPPED, TestOutcome.SKIPPED))).splitlines()[-1]
    assert last.startswith("nothing passed: 2 skipped")
    mixed = shown(TestsFinished(report(TestOutcome.PASSED, TestOutcome.NEEDS_NETWORK)))
    assert "not all could run: 1 needs network, 1 passed" in mixed


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("done", None),
        ("declined", "Stopped: the change or the command was declined."),
        (
            "stuck: the same action gave the same result twice",
            "Stopped: the model repeated itself.",
        ),
        (
            "no usable reply after two re-asks; the files are back",
            "Stopped: none of the model's three replies could be used; the files are back.",
        ),
        ("stuck: the same error came 3 times", "Stopped: the same error came 3 times."),
    ],
)
def test_the_end_of_a_turn_is_a_sentence_and_scripts_read_the_reason(
    reason: str, said: str | None
) -> None:
    event = TurnFinished(reason)
    assert shown(event).strip() == (said or "")
    assert to_json(event)["reason"] == reason


def test_a_command_that_fails_is_said_to_end_with_its_exit_code() -> None:
    assert "The command ended with exit code 2." in shown(TurnFinished("exit code 2", exit_code=2))
    said = shown(TurnFinished("ended: timeout", exit_code=124))
    assert "The command was stopped at its time limit." in said


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (
            ReplyUnusable("The reply was cut off. Keep it to the file alone.", 2, 3),
            "The reply was too long; asking again (try 2 of 3).",
        ),
        (ReplyUnusable("The reply is empty."), "The reply was empty."),
        (
            ReplyUnusable("Nothing was written: a.py is new. Write it."),
            "The reply cannot be used: Nothing was written: a.py is new.",
        ),
    ],
)
def test_a_reply_that_is_asked_for_again_is_said_in_words_for_people(
    event: ReplyUnusable, said: str
) -> None:
    assert shown(event).strip() == said


def test_the_end_of_a_repair_never_claims_more_than_its_counts() -> None:
    whole = FixFinished(
        passed_before=2,
        passed_after=3,
        red_before=("a",),
        red_after=(),
        diff="",
        reason="all green",
    )
    assert "Done: no test is red." in shown(whole)
    part = replace(whole, red_after=("b",))
    assert "Done: the tests that this was about pass." in shown(part)
    assert "still red: b" in shown(part)
    others = replace(part, reason="no test that was asked for is red")
    assert "Done: the tests that this was about pass." in shown(others)
    unknown = replace(others, red_before=("b",))
    assert "Stopped: no test that was asked for is red." in shown(unknown)
    assert "Stopped: no attempt repaired it." in shown(replace(part, reason="attempts used up"))


@pytest.mark.parametrize(("prompt_below", "told"), [(True, True), (False, False)])
def test_the_way_to_read_a_request_otherwise_is_told_where_one_can_answer(
    prompt_below: bool, told: bool
) -> None:
    stream = io.StringIO()
    presenter = TextPresenter(Console(file=stream, no_color=True), live=not prompt_below)
    presenter.show(RequestRead("edit", "a change"))
    presenter.close()
    assert "reading this as a change" in stream.getvalue()
    assert ("/as" in stream.getvalue()) is told
