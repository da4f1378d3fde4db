"""Asks the person about one edit or command, with exactly what would happen."""

from __future__ import annotations

from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from agent.approval import Question
from sandbox.streams import display_safe
from tui.app.diffs import draw_diff, parse_diff

_TITLES = {
    "edit": "Write this change?",
    "command": "Run this command in the sandbox?",
    "network build": "Let this be built with a network?",
}


class Verdict:
    """What the person answered."""

    def __init__(self, *, allowed: bool, reason: str = "", rest: bool = False) -> None:
        self.allowed = allowed
        self.reason = reason
        self.rest = rest
        """Whether the same answer holds for the rest of this turn."""


class ApprovalScreen(ModalScreen[Verdict]):
    """Accept or reject; a reason that is typed goes to the model."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Accept", id="approval.accept"),
        Binding("n,escape", "answer(False)", "Reject", id="approval.reject"),
        Binding("a", "accept_rest", "Accept all of this turn", id="approval.rest"),
        Binding("r", "say_why", "Reject and say why", id="approval.why"),
        Binding("up,k", "scroll(-1)", "Up", show=False),
        Binding("down,j", "scroll(1)", "Down", show=False),
        Binding("pageup", "scroll(-10)", "Page up", show=False),
        Binding("pagedown", "scroll(10)", "Page down", show=False),
    ]

    def __init__(self, question: Question) -> None:
        super().__init__()
        self._question = question

    def compose(self) -> ComposeResult:
        question = self._question
        with Vertical(id="approval"):
            title = Text(_TITLES.get(question.kind, f"Allow this {question.kind}?"), "bold")
            yield Static(title, markup=False)
            yield Static(Text(display_safe(question.subject)), id="subject", markup=False)
            with VerticalScroll(id="detail", can_focus=False):
                yield Static(id="detail-text", markup=False)
            with Horizontal(id="answers"):
                yield Button("Accept (y)", id="yes", variant="success", compact=True)
                yield Button("Reject (n)", id="no", variant="error", compact=True)
                yield Button("All of this turn (a)", id="rest", compact=True)
                yield Button("Say why (r)", id="why", compact=True)
            yield Input(placeholder="What is wrong with it? Enter rejects", id="reason")

    def on_mount(self) -> None:
        self.query_one("#reason").display = False
        self.query_one("#detail").display = bool(self._question.detail)
        self.query_one("#rest").display = self._question.kind == "edit"
        self._draw()
        self.query_one("#yes").focus()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        detail = self._question.detail
        body = (
            draw_diff(detail, columns=self.app.size.width)
            if parse_diff(detail)
            else Text(display_safe(detail))
        )
        self.query_one("#detail-text", Static).update(body)

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
        reason = "" if allowed else "the user said no"
        self.dismiss(Verdict(allowed=allowed, reason=reason))

    def action_accept_rest(self) -> None:
        if self._question.kind == "edit":
            self.dismiss(Verdict(allowed=True, rest=True))

    def action_say_why(self) -> None:
        field = self.query_one("#reason", Input)
        field.display = True
        field.focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        reason = event.value.strip()
        self.dismiss(Verdict(allowed=False, reason=reason or "the user said no"))

    def action_scroll(self, lines: int) -> None:
        self.query_one("#detail", VerticalScroll).scroll_relative(y=lines, animate=False)
