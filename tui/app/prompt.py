"""The prompt: a text field of several lines with completion, and the lines that were typed before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.strip import Strip
from textual.widgets import OptionList, TextArea
from textual.widgets.option_list import Option

from agent.text import display_safe
from tui.app.messages import LineSent, PageWanted, PromptKey
from tui.slash import Suggestion, suggest

_LONG_PASTE = 100_000


class TypedLines:
    """The lines that were typed before, newest last; the line loop uses the same file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: list[str] | None = None
        self._at = 0
        self._draft = ""

    def add(self, line: str) -> None:
        """Keep a line for this and later sessions of both front ends."""
        from prompt_toolkit.history import FileHistory

        lines = self._loaded()
        if not lines or lines[-1] != line:
            lines.append(line)
            FileHistory(str(self._path)).store_string(line)
        self._at = len(lines)

    def back(self, now: str) -> str | None:
        """Go to the previous line; None at the oldest. `now` is the unfinished text in the field."""
        lines = self._loaded()
        if self._at >= len(lines):
            self._draft = now
        if not self._at:
            return None
        self._at -= 1
        return lines[self._at]

    def forward(self) -> str | None:
        """Go to the next line, and last to the unfinished text; None after that."""
        lines = self._loaded()
        if self._at >= len(lines):
            return None
        self._at += 1
        return lines[self._at] if self._at < len(lines) else self._draft

    def _loaded(self) -> list[str]:
        if self._lines is None:
            from prompt_toolkit.history import FileHistory

            self._lines = list(FileHistory(str(self._path)).load_history_strings())[::-1]
            self._at = len(self._lines)
        return self._lines


class PromptArea(TextArea):
    """The text field: Enter sends, Ctrl+J or Alt+Enter breaks the line."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter", "send", "Send", show=False, id="prompt.send"),
        Binding(
            "ctrl+j,shift+enter,alt+enter", "line_break", "New line", show=False, id="prompt.line"
        ),
        Binding("up", "back", "Earlier line", show=False, id="prompt.back"),
        Binding("down", "forward", "Later line", show=False, id="prompt.forward"),
        Binding("tab", "complete", "Complete", show=False, id="prompt.complete"),
        Binding("pageup", "page(-1)", "Scroll up", show=False, id="prompt.page_up"),
        Binding("pagedown", "page(1)", "Scroll down", show=False, id="prompt.page_down"),
    ]

    def __init__(self) -> None:
        super().__init__(
            id="input",
            compact=True,
            highlight_cursor_line=False,
            placeholder="Ask for a change, or type / for commands",
            tooltip=None,
        )
        self.cursor_blink = False

    def check_consume_key(self, key: str, character: str | None = None) -> bool:
        """Leave a question mark in an empty field to the app, where it asks for help."""
        if key == "question_mark" and not self.text:
            return False
        return super().check_consume_key(key, character)

    def render_line(self, y: int) -> Strip:
        """Draw nothing at a width of 0, where the field fails to draw its placeholder."""
        return super().render_line(y) if self.content_size.width else Strip.blank(0)

    async def _on_key(self, event: events.Key) -> None:
        if event.key == "enter":  # the binding sends; the field itself would break the line
            event.prevent_default()

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        text = display_safe(
            event.text.replace("\r\n", "\n").replace("\r", "\n"),
            line_limit=_LONG_PASTE,
            block_limit=_LONG_PASTE,
        )
        self.insert(text)

    def action_send(self) -> None:
        self.post_message(PromptKey("send"))

    def action_line_break(self) -> None:
        self.insert("\n")

    def action_back(self) -> None:
        self._vertical("back", at_edge=self.cursor_at_first_line)

    def action_forward(self) -> None:
        self._vertical("forward", at_edge=self.cursor_at_last_line)

    def action_complete(self) -> None:
        self.post_message(PromptKey("complete"))

    def action_page(self, direction: int) -> None:
        self.post_message(PageWanted(direction))

    def _vertical(self, name: str, *, at_edge: bool) -> None:
        self.post_message(PromptKey(name if at_edge else f"cursor_{name}"))

    @property
    def before_cursor(self) -> str:
        return self.get_text_range((0, 0), self.cursor_location)


class PromptBox(Vertical):
    """The field with the list of suggestions above it."""

    def __init__(self, history: TypedLines, files: Callable[[], Sequence[str]]) -> None:
        super().__init__(id="prompt")
        self._history = history
        self._files = files
        self._suggestions: list[Suggestion] = []
        self._just_set = False

    def compose(self) -> ComposeResult:
        options = OptionList(id="suggestions")
        options.can_focus = False
        options.display = False
        yield options
        yield PromptArea()

    @property
    def area(self) -> PromptArea:
        return self.query_one(PromptArea)

    @property
    def _options(self) -> OptionList:
        return self.query_one("#suggestions", OptionList)

    @property
    def text(self) -> str:
        return self.area.text

    def set_text(self, text: str) -> None:
        """Replace the text, and move the cursor to its end."""
        self._just_set = True
        self.area.text = text
        self.area.move_cursor(self.area.document.end)
        self.close()

    def close(self) -> bool:
        """Hide the suggestions; True if some were shown."""
        was_open = self._options.display
        self._options.display = False
        return bool(was_open)

    @on(TextArea.Changed)
    def _changed(self, event: TextArea.Changed) -> None:
        event.stop()
        if self._just_set:
            self._just_set = False
            return
        self.suggest()

    def suggest(self) -> None:
        """Show suggestions for the text before the cursor."""
        self._suggestions = suggest(self.area.before_cursor, self._files())
        options = self._options
        options.clear_options()
        options.add_options([Option(_line(item)) for item in self._suggestions])
        options.display = bool(self._suggestions)
        if self._suggestions:
            options.highlighted = 0

    @on(PromptKey)
    def _key(self, event: PromptKey) -> None:
        event.stop()
        if not (self._options.display and self._key_in_list(event.name)):
            self._key_in_text(event.name)

    def _key_in_list(self, name: str) -> bool:
        """Handle a key while suggestions are shown; False if the key belongs to the text."""
        options = self._options
        match name:
            case "send" if self._is_whole():
                return False
            case "send" | "complete":
                self._accept(options.highlighted or 0)
            case "back" | "cursor_back":
                options.action_cursor_up()
            case _:
                options.action_cursor_down()
        return True

    def _key_in_text(self, name: str) -> None:
        match name:
            case "send":
                self._send()
            case "complete" if self.text:
                self.suggest()
            case "complete":
                self.screen.focus_previous()
            case "back":
                self._recall(self._history.back(self.text))
            case "forward":
                self._recall(self._history.forward())
            case "cursor_back":
                self.area.action_cursor_up()
            case _:
                self.area.action_cursor_down()

    @on(OptionList.OptionSelected)
    def _clicked(self, event: OptionList.OptionSelected) -> None:
        event.stop()
        self._accept(event.option_index)
        self.area.focus()

    def _is_whole(self) -> bool:
        """True if the highlighted suggestion would change nothing."""
        chosen = self._suggestions[self._options.highlighted or 0]
        typed = self.area.before_cursor
        return typed.endswith(chosen.text.rstrip()) and len(chosen.text.rstrip()) == chosen.replaces

    def _accept(self, index: int) -> None:
        chosen = self._suggestions[index]
        row, column = self.area.cursor_location
        start = (row, max(0, column - chosen.replaces))
        self.area.replace(chosen.text, start, self.area.cursor_location)
        if not chosen.text.endswith(" "):
            self.close()

    def _send(self) -> None:
        text = self.text.strip()
        self.close()
        if text:
            self._history.add(text)
            self.set_text("")
            self.post_message(LineSent(text))

    def _recall(self, line: str | None) -> None:
        if line is not None:
            self.set_text(line)


def _line(item: Suggestion) -> Text:
    text = Text(display_safe(item.text), no_wrap=True)
    if item.what:
        text.append(f"  {item.what}", style="dim")
    return text
