"""Shows the person one edit or command as it would be carried out, and asks for a decision.

Of an edit with more than one changed place, single parts can be left out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from rich.console import Group
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from agent.approval import Question
from agent.text import display_safe
from tui.app.messages import ApprovalAnswer, QuestionAsked
from tui.show.diffs import DiffHunk, draw_diff, draw_hunk, parse_diff

_WIDE = 76
"""Columns from which a button says more than one word."""
_TITLES = {
    "edit": "Write this change?",
    "command": "Run this command in the sandbox?",
    "network build": "Build this with a network?",
    "masked copy": "Copy this into the sandbox, with placeholders for its secrets?",
    "outside tool": "Call this tool, outside of the sandbox?",
}
_NO = "the user said no"


class HunkChoice(Static):
    """One hunk with a line that says whether it will be written; never by colour alone."""

    def __init__(self, hunk: DiffHunk, *, number: int, total: int) -> None:
        super().__init__(classes="part", markup=False)
        self._hunk = hunk
        self._name = f"part {number + 1} of {total}"
        self.kept = True

    def draw(self, *, is_current: bool, columns: int) -> None:
        hunk = self._hunk
        cursor = ">" if is_current else " "
        state = "will be written" if self.kept else "left out"
        mark = "[x]" if self.kept else "[ ]"
        counts = f"line {hunk.new_start}, +{hunk.added} -{hunk.removed}"
        head = Text(f"{cursor} {mark} {self._name}: {state} ({counts})", "bold")
        self.set_class(not self.kept, "left-out")
        self.update(Group(head, draw_hunk(hunk, columns=columns)))


class HunkList(VerticalScroll, can_focus=False):
    """All changed parts of one file; the keys act on the current part."""

    def __init__(self, hunks: Sequence[DiffHunk]) -> None:
        super().__init__(id="parts")
        total = len(hunks)
        self._parts = [HunkChoice(hunk, number=n, total=total) for n, hunk in enumerate(hunks)]
        self.at = 0
        """The current part, counted from 0."""

    def compose(self) -> ComposeResult:
        yield from self._parts

    def on_mount(self) -> None:
        self.draw()

    @property
    def kept(self) -> frozenset[int]:
        """Numbers of the parts that will be written, counted from 0."""
        return frozenset(number for number, part in enumerate(self._parts) if part.kept)

    @property
    def total(self) -> int:
        return len(self._parts)

    def draw(self) -> None:
        """Draw every part for the present width of the screen."""
        for number in range(len(self._parts)):
            self._draw(number)

    def _draw(self, number: int) -> None:
        self._parts[number].draw(is_current=number == self.at, columns=self.app.size.width)

    def toggle(self) -> None:
        """Leave the current part out, or take it in again."""
        part = self._parts[self.at]
        part.kept = not part.kept
        self._draw(self.at)

    def go(self, direction: int) -> None:
        """Go to the next part (1) or the previous one (-1); a part longer than the screen scrolls first."""
        region, seen = self._parts[self.at].virtual_region, self.scrollable_content_region
        top = round(self.scroll_target_y)
        hidden = region.bottom > top + seen.height if direction > 0 else region.y < top
        if hidden and region.height > seen.height:
            self.scroll_relative(y=direction * max(1, seen.height - 2), animate=False)
            return
        before = self.at
        self.at = min(max(0, before + direction), len(self._parts) - 1)
        self._draw(before)
        self._draw(self.at)
        self.scroll_to_widget(self._parts[self.at], animate=False, top=direction > 0)


class ApprovalScreen(ModalScreen[ApprovalAnswer]):
    """Asks to accept or reject; a typed reason goes to the model."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Accept", id="approval.accept"),
        Binding("n,escape", "answer(False)", "Reject", id="approval.reject"),
        Binding("a", "accept_rest", "Accept all of this turn", id="approval.rest"),
        Binding("r", "say_why", "Reject with a comment", id="approval.why"),
        Binding("space", "toggle_part", "Leave a part out or take it in", id="approval.part"),
        Binding("up,k", "go(-1)", "Up", show=False),
        Binding("down,j", "go(1)", "Down", show=False),
        Binding("pageup", "scroll(-10)", "Page up", show=False),
        Binding("pagedown", "scroll(10)", "Page down", show=False),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question
        hunks = _hunks(question)
        self._parts = HunkList(hunks) if len(hunks) > 1 else None

    @property
    def _comment_label(self) -> str:
        """The label in full, where all buttons fit into one row with it."""
        wide = self.app.size.width >= _WIDE
        return "Reject with a comment (r)" if wide else "Comment (r)"

    def compose(self) -> ComposeResult:
        question = self._question
        with Vertical(id="approval"):
            title = Text(_TITLES.get(question.kind, f"Allow this {question.kind}?"), "bold")
            yield Static(title, markup=False)
            yield Static(Text(display_safe(question.subject)), id="subject", markup=False)
            if question.host_use:
                yield Static(Text(f"Asked because {display_safe(question.host_use)}.", "bold"))
            if question.unasked:
                yield Static(Text(f"Asked because {display_safe(question.unasked)}.", "bold"))
            if question.problem:
                yield Static(Text(display_safe(question.problem), "bold"), markup=False)
            if self._parts is not None:
                yield Static(id="marked", markup=False)
                yield self._parts
            else:
                with VerticalScroll(id="detail", can_focus=False):
                    yield Static(id="detail-text", markup=False)
            with Vertical(id="answering"):
                with Horizontal(id="answers"):
                    yield Button("Accept (y)", id="yes", variant="success", compact=True)
                    yield Button("Reject (n)", id="no", variant="error", compact=True)
                    yield Button("All (a)", id="rest", compact=True)
                    yield Button(self._comment_label, id="why", compact=True)
                yield Input(
                    placeholder="What instead? Enter rejects it and goes on with this", id="reason"
                )

    def on_mount(self) -> None:
        self.query_one("#reason").display = False
        self.query_one("#rest").display = self._may_accept_rest
        self._draw()
        self.query_one("#yes").focus()

    def on_resize(self) -> None:
        self._draw()

    @property
    def _may_accept_rest(self) -> bool:
        return self._question.kind == "edit" and not self._question.leaves_sandbox

    def _draw(self) -> None:
        if self._parts is not None:
            self._parts.draw()
            self._say_what_is_marked(self._parts)
            return
        detail = self._question.detail
        body = (
            draw_diff(detail, columns=self.app.size.width)
            if parse_diff(detail)
            else Text(display_safe(detail))
        )
        self.query_one("#detail-text", Static).update(body)
        self.query_one("#detail").display = bool(detail)

    def _say_what_is_marked(self, parts: HunkList) -> None:
        kept, total = len(parts.kept), parts.total
        what = f"{kept} of {total} parts" if kept < total else f"all {total} parts"
        at = f"At part {parts.at + 1}; y writes {what}."
        keys = "Up, Down: another part. Space: leave it out, or take it in."
        self.query_one("#marked", Static).update(Text(f"{at} {keys}"))

    def on_button_pressed(self, event: Button.Pressed) -> None:
        match event.button.id:
            case "yes":
                self.action_answer(allowed=True)
            case "rest":
                self.action_accept_rest()
            case "why":
                self.action_say_why()
            case _:
                self.action_answer(allowed=False)

    def action_answer(self, allowed: bool) -> None:
        if not allowed:
            self.dismiss(ApprovalAnswer(allowed=False, reason=_NO))
        elif self._parts is None or len(self._parts.kept) == self._parts.total:
            self.dismiss(ApprovalAnswer(allowed=True))
        elif self._parts.kept:
            self.dismiss(ApprovalAnswer(allowed=True, kept=self._parts.kept))
        else:
            self.notify("every part is left out; n rejects the change")

    def action_toggle_part(self) -> None:
        if self._parts is not None:
            self._parts.toggle()
            self._say_what_is_marked(self._parts)

    def action_accept_rest(self) -> None:
        if self._may_accept_rest:
            self.dismiss(ApprovalAnswer(allowed=True, rest=True))

    def action_say_why(self) -> None:
        field = self.query_one("#reason", Input)
        field.display = True
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        reason = event.value.strip()
        self.dismiss(ApprovalAnswer(allowed=False, reason=reason or _NO, instead=reason))

    def action_go(self, direction: int) -> None:
        if self._parts is not None:
            self._parts.go(direction)
            self._say_what_is_marked(self._parts)
        else:
            self.action_scroll(direction)

    def action_scroll(self, lines: int) -> None:
        self.query_one("#parts, #detail", VerticalScroll).scroll_relative(y=lines, animate=False)


def ask_on_screen(app: App[int], asked: QuestionAsked) -> None:
    """Show a question over everything else, until it is answered or its job is stopped."""
    if asked.answered.done():
        return
    screen = ApprovalScreen(asked.question)

    def take(answer: ApprovalAnswer | None) -> None:
        if not asked.answered.done():
            asked.answered.set_result(answer or ApprovalAnswer(allowed=False, reason=_NO))

    def disappear(answered: asyncio.Future[ApprovalAnswer]) -> None:
        if answered.cancelled() and app.screen_stack[-1:] == [screen]:
            screen.dismiss(ApprovalAnswer(allowed=False))

    asked.answered.add_done_callback(disappear)
    app.push_screen(screen, take)


def _hunks(question: Question) -> Sequence[DiffHunk]:
    """The changed places of an edit; a change of several files is answered as a whole."""
    files = parse_diff(question.detail) if question.kind == "edit" else []
    return files[0].hunks if len(files) == 1 else ()
