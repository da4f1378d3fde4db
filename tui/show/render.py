"""Draws events as rich renderables, for the plain output, the line loop and the app.

All text from a model, a tool or a file passes through `display_safe` here. Colour never carries
meaning alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import assert_never

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.syntax import Syntax
from rich.text import Text

from agent.events import (
    AttemptStarted,
    ChangeChosen,
    ChangesTried,
    ContextCompacted,
    EditApplied,
    EditProposed,
    EditReverted,
    Event,
    ExperienceRecorded,
    FixFinished,
    LearnFinished,
    LearnStep,
    Notice,
    OutputChunk,
    PlacesRanked,
    Progress,
    ReplyFinished,
    ReplyUnusable,
    RequestRead,
    StageStarted,
    TestFinished,
    TestsFinished,
    TextDelta,
    TurnFinished,
)
from agent.fixing.command_targets import is_of_command
from agent.reports import RunStatus, Status, TestReport, TestResult, what_to_set
from agent.testing.failures import by_cause
from agent.text import display_safe
from tui.show.words import ended_line, fixed_line, kept_in_words, unusable_line

_STATUS_SENTENCES = {
    RunStatus.COMPLETE: "",
    RunStatus.NO_TESTS: "No tests were found. Name the command that runs them: --command CMD.",
    RunStatus.INCOMPLETE: "The test process ended before the run was over; its outcome is unknown.",
    RunStatus.TIMEOUT: "The tests were stopped at the time limit (sandbox.timeout_s).",
    RunStatus.OOM: "The tests were stopped at the memory limit (sandbox.memory_mib).",
    RunStatus.OUTPUT_LIMIT: "The tests were stopped because they printed without end.",
    RunStatus.CRASH_SIGNAL: "The test process crashed; its outcome is unknown.",
    RunStatus.TAMPERED: "Something interfered with the verdict: these results are not believed.",
    RunStatus.SETUP_FAILED: "The project could not be built in the sandbox.",
}
_UNFINISHED_OUTPUT_LINES = 20
_NAMES_SHOWN = 3
_NAME_CHARACTERS = 200
_STILL_RED_SHOWN = 20
_MARKDOWN_CHARACTERS = 200_000


def render(  # noqa: C901, PLR0911, PLR0912 - a closed union
    event: Event, *, changeable: bool = False
) -> RenderableType | None:
    """Draw an event; None for an event that only a live display shows.

    `changeable` is true where the person can still say that a request is to be read otherwise.
    """
    match event:
        case TextDelta() | OutputChunk() | Progress() | TestFinished() | ExperienceRecorded():
            return None
        case EditProposed():  # the question shows the diff
            return None
        case StageStarted(text):
            return Text(f"-- {display_safe(text)}", style="dim")
        case Notice(text, level):
            style = "yellow" if level == "warning" else ""
            return Text(
                f"{'warning' if level == 'warning' else 'note'}: {display_safe(text)}", style
            )
        case RequestRead(words=words):
            way = " (F4 or /as changes it)" if changeable else ""
            return Text(f"reading this as {words}{way}", style="dim")
        case TestsFinished(report, flaky):
            return render_report(report, flaky)
        case ReplyFinished():
            return Text(reply_line(event), style="dim")
        case ReplyUnusable():
            return Text(unusable_line(event), style="yellow")
        case EditApplied(path, diff):
            return Group(Text(f"changed: {display_safe(path)}", style="bold"), render_diff(diff))
        case EditReverted(path, reason):
            return Text(f"put back: {display_safe(path)} ({display_safe(reason)})", style="yellow")
        case AttemptStarted(test_id, attempt, max_attempts):
            return Text(f"\nattempt {attempt} of {max_attempts}: {display_safe(test_id)}", "bold")
        case PlacesRanked() | ChangesTried() | ChangeChosen():
            return Text(searched_line(event), style="dim")
        case FixFinished():
            return render_fix(event)
        case LearnStep(step, steps, loss, tokens_per_s):
            return Text(f"step {step} of {steps}: loss {loss:.4f}, {tokens_per_s:.0f} tokens/s")
        case LearnFinished():
            return render_learn(event)
        case TurnFinished():
            line = ended_line(event)
            return Text(line, style="dim") if line else None
        case ContextCompacted(tokens_before, summary):
            what = f"the conversation so far ({tokens_before} tokens) became this summary:"
            return Text(f"{what}\n{display_safe(summary)}", style="dim")
        case _:
            assert_never(event)


def searched_line(event: PlacesRanked | ChangesTried | ChangeChosen) -> str:
    """Tell the progress of the search for a small change, in one line."""
    match event:
        case PlacesRanked(places):
            return f"looks at {', '.join(display_safe(place.label) for place in places)}"
        case ChangesTried(tried, passing, origin, tokens):
            cost = f", {tokens} tokens" if tokens else ""
            return f"{tried} small changes tried ({display_safe(origin)}{cost}), {passing} pass"
        case ChangeChosen(path, line, kind, origin, others):
            count = f"{len(others) + 1} changes pass" if others else "a change passes"
            said = f"{count}; this one is judged next: {path}:{line} {kind} ({origin})"
            more = [f"also passes: {o.path}:{o.line} {o.kind} ({o.origin})" for o in others]
            return "\n".join(map(display_safe, [said, *more]))
        case _:
            assert_never(event)


def reply_line(event: ReplyFinished) -> str:
    """Name the model and adapter of a reply, its tokens and its speed, in one line."""
    used = event.prompt_tokens + event.completion_tokens
    speed = event.completion_tokens / event.duration_s if event.duration_s > 0 else 0.0
    limit = f" of {event.context_length}" if event.context_length else ""
    adapter = display_safe(event.adapter) if event.adapter else "no adapter"
    return (
        f"[{display_safe(event.model)}, {adapter}] {used}{limit} tokens"
        f" ({event.cached_tokens} cached), {speed:.1f} tokens/s"
    )


def summary(report: TestReport) -> str:
    """List the counts that are not zero, worst first, e.g. `3 failed, 25 passed`."""
    order = (
        "failed",
        "error",
        "needs_environment",
        "needs_network",
        "passed",
        "skipped",
        "xfailed",
        "xpassed",
    )
    counts = report.counts
    parts = [f"{counts[name]} {name.replace('_', ' ')}" for name in order if counts[name]]
    return ", ".join(parts) or "no tests ran"


def mark(report: TestReport) -> tuple[str, str]:
    """Return the result of a run in a word or two, and the style to print it in."""
    if report.all_green:
        return "ok", "bold green"
    if report.status is not RunStatus.COMPLETE or report.red:
        return "red", "bold red"
    if report.left_out or report.lacking:
        return "incomplete", "bold yellow"
    if not report.passed_ids:
        return "nothing passed", "bold red"
    if report.verdict is Status.NEEDS_NETWORK:
        return "not all could run", "bold yellow"
    return "red", "bold red"


def render_report(report: TestReport, flaky: Sequence[str] = ()) -> RenderableType:
    """Draw the red tests with their reason and place, then the counts."""
    lines: list[RenderableType] = [_red_line(same, flaky) for same in red_by_cause(report, flaky)]
    lines.extend(ending_lines(report))
    lines.extend(Text(sentence, style="yellow") for sentence in _gaps(report))
    lines.append(
        Text.assemble(
            mark(report),
            f": {summary(report)} in {report.duration_s:.1f} s ({report.runner}, in the sandbox)",
        )
    )
    return Group(*lines)


def _gaps(report: TestReport) -> list[str]:
    """Name files that did not run, files that ran with placeholders, and what the image lacks."""
    lines = [
        f"not run: {display_safe(item.path)} does not enter the sandbox:"
        f" {display_safe(item.reason)}"
        for item in report.left_out
    ]
    if any("seems to hold" in item.reason for item in report.left_out):
        lines.append("--mask-secrets lets a copy in, with placeholders for what seems secret.")
    if report.masked:
        names = display_safe(", ".join(report.masked))
        lines.append(f"placeholders stood for the secrets of {names}")
    if report.lacking:
        lines.append(display_safe(what_to_set(report.lacking)))
    return lines


def ending_lines(report: TestReport) -> Iterator[Text]:
    """Yield the last output of a run that did not complete, then the way it ended."""
    sentence = _STATUS_SENTENCES[report.status]
    if sentence or report.overruled:
        tail = display_safe(report.output).rstrip().splitlines()[-_UNFINISHED_OUTPUT_LINES:]
        yield from (Text(f"  | {line}", style="dim") for line in tail)
    for said in (report.ending or sentence, *report.remarks):
        if said:
            yield Text(display_safe(said), style="yellow")
    if report.status is RunStatus.TAMPERED:
        yield from (Text(f"  {display_safe(note)}", style="yellow") for note in report.notes)


def red_by_cause(report: TestReport, flaky: Sequence[str]) -> list[tuple[TestResult, ...]]:
    """Group the red tests by cause; each flaky test is a group of its own."""
    known = frozenset(flaky)
    alone = [(result,) for result in report.red if result.id in known]
    return [*alone, *by_cause(result for result in report.red if result.id not in known)]


def first_names(same: Sequence[TestResult]) -> str:
    """Join the names of the first few tests of a group, and count the rest."""
    names = ", ".join(display_safe(result.id)[:_NAME_CHARACTERS] for result in same[:_NAMES_SHOWN])
    rest = len(same) - _NAMES_SHOWN
    return f"{names} and {rest} more" if rest > 0 else names


def _red_line(same: Sequence[TestResult], flaky: Sequence[str]) -> Text:
    result = same[0]
    at_one_place = len({(one.file, one.line) for one in same}) == 1
    place = f" [{_place(result)}]" if result.file and at_one_place else ""
    label = "flaky " if result.id in flaky else ""
    head = (f"{label}{result.outcome.value}: ", "bold red")
    message = display_safe(result.message).strip().splitlines()
    who = display_safe(result.id) if len(same) == 1 else f"{len(same)} tests in the same way"
    text = Text.assemble(head, (who, "bold"), display_safe(place))
    if message:
        text.append(f"\n  {message[0][:300]}")
    if is_of_command(result):
        for line in display_safe(result.detail).rstrip().splitlines()[-_UNFINISHED_OUTPUT_LINES:]:
            text.append(f"\n  | {line[:300]}", style="dim")
    if len(same) > 1:
        text.append(f"\n  {first_names(same)}", style="dim")
    return text


def _place(result: TestResult) -> str:
    return f"{result.file}:{result.line}" if result.line else result.file


def render_diff(diff: str) -> RenderableType:
    """Draw a unified diff, highlighted where the terminal has colour."""
    return Syntax(
        display_safe(diff).rstrip("\n"),
        "diff",
        theme="ansi_dark",
        word_wrap=True,
        background_color="default",
    )


def render_fix(event: FixFinished) -> RenderableType:
    """Draw the result of a repair: the counts before and after, and the tests that stay red."""
    red_after = len(event.red_after)
    lines: list[RenderableType] = []
    if event.diff:
        lines += [Text("\nAll changes:", style="bold"), render_diff(event.diff)]
    lines.append(
        Text.assemble(
            "\npassed before: ",
            (str(event.passed_before), "bold"),
            "  after: ",
            (str(event.passed_after), "bold"),
            "   red before: ",
            (str(len(event.red_before)), "bold"),
            "  after: ",
            (str(red_after), "bold green" if not red_after else "bold red"),
        )
    )
    shown = event.red_after[:_STILL_RED_SHOWN]
    lines.extend(Text(f"still red: {display_safe(test_id)}", "red") for test_id in shown)
    if rest := red_after - len(shown):
        lines.append(Text(f"still red: {rest} more", "red"))
    lines.append(Text(fixed_line(event), style="dim"))
    return Group(*lines)


def render_learn(event: LearnFinished) -> RenderableType:
    """Draw the decision of a learning round, with its gates."""
    words = {"promoted": "promoted: ", "rejected": "rejected: "}
    head = f"{display_safe(event.adapter)}: " if event.adapter else ""
    text = Text.assemble(
        (f"{head}{words.get(event.decision, '')}", "bold"),
        display_safe(kept_in_words(event.reason)),
    )
    for gate in event.gates:
        text.append(f"\n  {display_safe(gate)}")
    if event.folder:
        text.append(f"\n{display_safe(event.folder)}", style="dim")
    return text


def render_markdown(text: str) -> RenderableType:
    """Draw a model's Markdown with highlighted code; links stay plain text."""
    safe = display_safe(text, block_limit=_MARKDOWN_CHARACTERS)
    return Markdown(safe, code_theme="ansi_dark", hyperlinks=False)
