"""Acts for the model in a turn: show files, run a command, tell the outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from agent.fixing.context import Count, failure_digest, fenced
from agent.fixing.sources import Sources
from agent.reply.named import Names
from agent.testing.failures import evidence_of
from agent.turn.conversation import Conversation
from sandbox.box.contract import Ending, Execution
from sandbox.box.streams import display_safe
from sandbox.verdict.report import RunStatus, TestReport, TestResult

RunCommand = Callable[[str], Awaitable[Execution]]
"""Runs a command line in the sandbox, on a copy of the repository. Raises SandboxError."""

Explain = Callable[[Execution | TestReport, Sources], Awaitable[Sequence[str]]]
"""Explains why a command or the tests failed; empty if there is nothing to add."""

_OUTPUT_LINES = 40
_LINE_CAP = 300
_NAMES_SHOWN = 60
_FAILURES_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The part of a user message that shows files."""

    text: str
    too_large: tuple[str, ...]
    """Files that were asked for and did not fit."""
    wanted: bool
    """True if any file was asked for."""


def show_files(
    conversation: Conversation,
    user_text: str,
    sources: Sources,
    *,
    budget_tokens: int,
    count: Count,
    also: Sequence[str] = (),
) -> Shown:
    """The files that the user added or named, and those in `also`, whole, as far as the budget goes.

    A file that the model has already seen as it is now is not repeated. Marks what it shows.
    """
    names, said = Names(sources.files), user_text.replace(f"{sources.root}/", "./")
    wanted = dict.fromkeys(
        [*conversation.added_files, *names.mentioned(said), *names.with_name(said), *also]
    )
    parts: list[str] = []
    too_large: list[str] = []
    for path in wanted:
        text = sources.text(path)
        if text is None or text == conversation.shown_text(path):
            continue
        part = f"{path}\n{fenced(text, _language(path))}"
        if (budget_tokens := budget_tokens - count(part)) < 0:
            budget_tokens += count(part)
            too_large.append(path)
            continue
        parts.append(part)
        conversation.mark_shown(path, text)
    return Shown(
        text="\n\n".join(parts),
        too_large=tuple(too_large),
        wanted=bool(wanted),
    )


def file_names(files: Iterable[str]) -> str:
    """The names of the repository's files: source before the rest, shallow before deep."""

    def rank(path: str) -> tuple[bool, bool, int, str]:
        hidden = any(part.startswith(".") for part in path.split("/"))
        return hidden, not path.endswith((".py", ".md", ".toml")), path.count("/"), path

    ranked = sorted(files, key=rank)
    if not ranked:
        return "The repository has no files yet."
    lines = ["The repository has these files:", *ranked[:_NAMES_SHOWN]]
    if more := len(ranked) - _NAMES_SHOWN:
        lines += [f"and {more} more"] if more > 0 else []
    return "\n".join(lines)


def command_digest(command: str, execution: Execution) -> str:
    """A command's outcome for the model: how it ended, and the end of what it printed."""
    printed = f"{execution.stdout.text}\n{execution.stderr.text}".strip()
    lines = display_safe(printed, line_limit=_LINE_CAP).splitlines()
    if left_out := max(0, len(lines) - _OUTPUT_LINES):
        lines = [f"[{left_out} lines before are not shown]", *lines[-_OUTPUT_LINES:]]
    body = fenced("\n".join(lines), "text") if lines else "It printed nothing."
    return f"The command `{command}` {_ending(execution)}.\n{body}"


def tests_digest(report: TestReport, sources: Sources) -> str:
    """A test run for the model: counts, then the first failures with their frames."""
    counts = ", ".join(f"{number} {name}" for name, number in report.counts.items() if number)
    if report.all_green:
        return f"All tests pass ({counts})."
    if not report.red:
        printed = display_safe(report.output, line_limit=_LINE_CAP).splitlines()[-_OUTPUT_LINES:]
        said = (_without_red(report, counts), report.ending, *report.remarks)
        text = " ".join(filter(None, said))
        return f"{text}\n{fenced(chr(10).join(printed), 'text')}" if printed else text
    return f"The tests ran: {counts}.\n\n{failures_digest(report.red, sources)}"


def failures_digest(failed: Sequence[TestResult], sources: Sources) -> str:
    """The first failures with their frames, for the model."""
    first = failed[:_FAILURES_SHOWN]
    parts = [failure_digest(result, evidence_of(result), sources) for result in first]
    more = len(failed) - len(first)
    return "\n\n".join([*parts, *([f"{more} more tests fail."] if more else [])])


def _without_red(report: TestReport, counts: str) -> str:
    if report.overruled:
        return f"The tests ran: {counts}."
    if report.status is RunStatus.COMPLETE:
        return f"No verdict: not all tests could run, or none passed ({counts})."
    return f"The test run ended without a verdict ({report.status.value}; {counts or 'no tests'})."


def failing_files(report: TestReport, sources: Sources) -> tuple[str, ...]:
    """The project's files in the tracebacks of a run, those of the deepest frames first."""
    frames = (frame for result in report.red for frame in reversed(tuple(result.frames)))
    return tuple(dict.fromkeys(f.file for f in frames if f.file in sources.files))


def _ending(execution: Execution) -> str:
    match execution.ending:
        case Ending.EXITED:
            return f"ended with exit code {execution.exit_code}"
        case Ending.TIMEOUT:
            return f"was stopped at its time limit, after {execution.duration_s:.0f} s"
        case Ending.OOM:
            return "was ended because it used too much memory"
        case Ending.OUTPUT_LIMIT:
            return "was ended because it printed too much"
        case Ending.CANCELLED:
            return "was interrupted by the user"


def _language(path: str) -> str:
    return {"py": "python", "md": "markdown"}.get(path.rpartition(".")[2], "")
