"""The widget of each kind of entry. All text from outside is made display-safe here."""

from __future__ import annotations

from typing import ClassVar, assert_never

from rich.console import Group, RenderableType
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.widgets import Static

from agent.text import display_safe
from tui.app.messages import RetryWanted
from tui.app.transcript.block import EntryBlock, FoldableBlock
from tui.app.transcript.drawn import Drawn
from tui.app.transcript.entries import (
    AnswerEntry,
    ChangeEntry,
    Entry,
    EventEntry,
    FailureEntry,
    OutputEntry,
    ReplyEntry,
    SaidEntry,
    TestsEntry,
    source_of,
)
from tui.app.transcript.markdown import GrowingMarkdown
from tui.app.transcript.results import TestsBlock
from tui.show.diffs import draw_diff, parse_diff
from tui.show.render import render, reply_line

_FOLDED_LINES = 8
_UNFOLDED_LINES = 1000


class ReplyBlock(EntryBlock):
    """Streams Markdown; the line below a whole reply names its adapter and its tokens."""

    def __init__(self, entry: ReplyEntry) -> None:
        super().__init__(entry, classes="reply")
        self._reply = entry
        self._text = GrowingMarkdown(entry.text)
        self._foot = Static(self._footer(), classes="foot", markup=False)

    def compose(self) -> ComposeResult:
        yield self._text
        yield self._foot

    async def grow(self) -> None:
        self._text.show(self._reply.text)
        if self._reply.finished is not None:
            self._foot.update(self._footer())

    def _footer(self) -> Text:
        finished = self._reply.finished
        return Text(reply_line(finished) if finished else "", style="dim")


class OutputBlock(FoldableBlock):
    """Shows the output of a command: its last lines, or all kept lines."""

    def __init__(self, entry: OutputEntry) -> None:
        super().__init__(entry, classes="output")
        self._output = entry

    def content(self) -> RenderableType:
        output = self._output
        lines = display_safe(output.shown, block_limit=10**7).rstrip("\n").split("\n")
        limit = _UNFOLDED_LINES if self.unfolded else _FOLDED_LINES
        hidden = max(0, len(lines) - limit)
        mark = "▾" if self.unfolded or not hidden else "▸"
        state = "" if output.ended else " (running)"
        head = Text(f"{mark} {display_safe(output.title)}{state}", style="bold")
        parts: list[RenderableType] = [head]
        if hidden:
            advice = "" if self.unfolded else "; Enter shows them"
            parts.append(Text(f"  {hidden} lines above{advice}", style="dim"))
        parts.append(Text("\n".join(f"  {line}" for line in lines[hidden:])))
        return Group(*parts)


class ChangeBlock(FoldableBlock):
    """Shows a diff, open from the beginning; drawn anew when the width changes."""

    def __init__(self, entry: ChangeEntry) -> None:
        super().__init__(entry, classes="change")
        self._change = entry
        self.unfolded = True

    def on_resize(self) -> None:
        self.draw()

    def content(self) -> RenderableType:
        files = parse_diff(self._change.diff)
        added, removed = sum(f.added for f in files), sum(f.removed for f in files)
        mark = "▾" if self.unfolded else "▸"
        head = Text(f"{mark} {display_safe(self._change.title)}  +{added} -{removed}", "bold")
        if not self.unfolded:
            return head
        return Group(head, draw_diff(self._change.diff, columns=self.app.size.width))


class TextBlock(EntryBlock):
    """Shows an entry that is drawn once and never changes."""

    def __init__(self, entry: Entry, body: RenderableType | None, *, classes: str) -> None:
        super().__init__(entry, classes=classes)
        self._content = body

    def compose(self) -> ComposeResult:
        yield Drawn(self._content or "")


class FailureBlock(EntryBlock, can_focus=True):
    """Shows a failure, and the key that tries again."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,r", "retry", "Restart and try again", show=False)
    ]

    def __init__(self, entry: FailureEntry) -> None:
        super().__init__(entry, classes="failure")
        self._failure = entry

    def compose(self) -> ComposeResult:
        way_on = "\nF5 starts it anew and tries again" * self._failure.can_retry
        text = Text.assemble(("error: ", "bold red"), display_safe(self._failure.text))
        text.append(way_on, style="dim")
        yield Drawn(text)

    def action_retry(self) -> None:
        if self._failure.can_retry:
            self.post_message(RetryWanted())


def block_for(entry: Entry) -> EntryBlock:  # noqa: C901, PLR0911 - a closed union
    """Make the widget that shows an entry."""
    match entry:
        case SaidEntry(text):
            return TextBlock(entry, Text(f"> {display_safe(text)}"), classes="said")
        case ReplyEntry():
            return ReplyBlock(entry)
        case OutputEntry():
            return OutputBlock(entry)
        case ChangeEntry():
            return ChangeBlock(entry)
        case TestsEntry(event):
            return TestsBlock(entry, event)
        case EventEntry(event):
            return TextBlock(entry, render(event, changeable=True), classes="line")
        case AnswerEntry(text):
            return TextBlock(entry, Text(display_safe(text)), classes="answer")
        case FailureEntry():
            return FailureBlock(entry)
        case _:
            assert_never(entry)


def search_text(entry: Entry) -> str:
    """Return the text of an entry in which the search looks."""
    return source_of(entry).casefold()
