"""Turns events of the work into updates of the Agent Client Protocol, and their questions into its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from acp import (
    plan_entry,
    start_tool_call,
    text_block,
    tool_content,
    tool_diff_content,
    update_agent_message_text,
    update_agent_thought_text,
    update_plan,
)
from acp.schema import (
    AgentMessageChunk,
    AgentPlanUpdate,
    AgentThoughtChunk,
    AvailableCommandsUpdate,
    CurrentModeUpdate,
    PermissionOption,
    ToolCallLocation,
    ToolCallProgress,
    ToolCallStart,
    ToolCallUpdate,
    UserMessageChunk,
)

from agent.approval import Question
from agent.events import (
    AttemptStarted,
    ChangeChosen,
    EditApplied,
    EditProposed,
    EditReverted,
    Event,
    FixFinished,
    LearnFinished,
    Notice,
    OutputChunk,
    PlacesRanked,
    ReplyUnusable,
    StageStarted,
    TestsFinished,
    TextDelta,
    TurnEnding,
    TurnFinished,
)
from agent.reports import TestReport
from agent.text import display_safe

Update = (
    AgentMessageChunk
    | AgentThoughtChunk
    | UserMessageChunk
    | ToolCallStart
    | ToolCallProgress
    | AgentPlanUpdate
    | AvailableCommandsUpdate
    | CurrentModeUpdate
)
OPTIONS = [
    PermissionOption(option_id="yes", name="Allow", kind="allow_once"),
    PermissionOption(option_id="no", name="Reject", kind="reject_once"),
]
_KINDS: dict[str, Literal["edit", "execute"]] = {"edit": "edit", "masked copy": "edit"}


class Updates:
    """Makes the updates of one prompt; remembers what an edit replaces, to show whole diffs."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._calls = 0
        self._before: dict[str, str | None] = {}
        self._plan: dict[str, Literal["pending", "in_progress", "completed"]] = {}

    def of(self, event: Event) -> Iterator[Update]:
        """The updates that an event gives; most events give one or none."""
        match event:
            case TextDelta(text):
                yield update_agent_message_text(text)
            case EditProposed(path, _):
                self._before[path] = self._content(path)
            case EditApplied(path, _):
                yield from self._edited(path)
            case TestsFinished(report):
                yield self._tested(report)
                self._plan_for(report)
            case AttemptStarted(test_id):
                yield from self._marked(test_id, "in_progress")
            case FixFinished():
                yield from self._fixed(event)
            case TurnFinished(reason, ending) if ending is not TurnEnding.DONE:
                yield _said(reason)
            case _:
                yield from _spoken(event)

    def question(self, question: Question) -> ToolCallUpdate:
        """A question of the agent as the tool call that it is about."""
        why = f"\nAsked because {question.host_use}." if question.host_use else ""
        shown = text_block(display_safe(f"{question.detail}{why}"))
        return ToolCallUpdate(
            tool_call_id=self._next_call(),
            title=f"{question.kind}: {display_safe(question.subject)}",
            kind=_KINDS.get(question.kind, "execute"),
            status="pending",
            content=[tool_content(shown)],
        )

    def _next_call(self) -> str:
        self._calls += 1
        return f"call-{self._calls}"

    def _content(self, path: str) -> str | None:
        """The file's text; None if there is none that can be shown."""
        try:
            return (self._root / path).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return None

    def _edited(self, path: str) -> Iterator[Update]:
        place = str(self._root / path)
        shown = tool_diff_content(place, self._content(path) or "", self._before.pop(path, None))
        yield start_tool_call(
            self._next_call(),
            f"Edit {display_safe(path)}",
            kind="edit",
            status="completed",
            content=[shown],
            locations=[ToolCallLocation(path=place)],
        )

    def _tested(self, report: TestReport) -> Update:
        counts = ", ".join(f"{count} {name}" for name, count in report.counts.items() if count)
        lines = [f"{each.id}: {each.exception} {each.message}" for each in report.red]
        text = "\n".join([report.ending, *lines]).strip() or "nothing is red"
        return start_tool_call(
            self._next_call(),
            f"Tests: {counts or 'none ran'}",
            kind="execute",
            status="completed" if report.all_green else "failed",
            content=[tool_content(text_block(display_safe(text)))],
        )

    def _plan_for(self, report: TestReport) -> None:
        """Take the red tests as the plan of a repair; it is shown once an attempt begins."""
        if not self._plan:
            self._plan = {each.id: "pending" for each in report.red}

    def _marked(
        self, test_id: str, status: Literal["pending", "in_progress", "completed"]
    ) -> Iterator[Update]:
        if test_id in self._plan:
            self._plan[test_id] = status
            yield update_plan([plan_entry(name, status=at) for name, at in self._plan.items()])

    def _fixed(self, ended: FixFinished) -> Iterator[Update]:
        for name in self._plan:
            self._plan[name] = "pending" if name in ended.red_after else "completed"
        if self._plan:
            yield update_plan([plan_entry(name, status=at) for name, at in self._plan.items()])
        yield _said(
            f"passed before: {ended.passed_before}, after: {ended.passed_after};"
            f" red before: {len(ended.red_before)}, after: {len(ended.red_after)}. {ended.reason}"
        )


def _spoken(event: Event) -> Iterator[Update]:
    """Events that are one sentence: what goes on as a thought, what came of it as a message."""
    if thought := _thought(event):
        yield update_agent_thought_text(f"{display_safe(thought)}\n")
        return
    match event:
        case Notice(text):
            yield _said(text)
        case OutputChunk(text):
            yield update_agent_message_text(display_safe(text))
        case EditReverted(path, reason):
            yield _said(f"{path} was put back: {reason}")
        case LearnFinished(adapter, decision, reason):
            yield _said(f"{adapter or 'no adapter'}: {decision}: {reason}")
        case _:
            pass


def _thought(event: Event) -> str:
    match event:
        case StageStarted(text):
            return text
        case PlacesRanked(places):
            return f"looks at {', '.join(place.label for place in places)}"
        case ChangeChosen(path, line, kind):
            return f"tries {path}:{line} {kind}"
        case ReplyUnusable():
            return "The reply could not be used; asking again."
        case _:
            return ""


def _said(text: str) -> Update:
    return update_agent_message_text(f"{display_safe(text)}\n\n")
