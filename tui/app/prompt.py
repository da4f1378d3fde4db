"""The prompt: a text field of several lines with completion, and the lines that were typed before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.strip import Strip
from textual.widgets import OptionList, TextArea
from textual.widgets.option_list import Option

from agent.text import display_safe
from tui.app.messages import EndWanted, HelpWanted, LeaveWanted, LineSent, PageWanted
from tui.slash import MOST_SUGGESTIONS, SlashCommand, Suggestion, suggest

_LONG_PASTE = 100_000
_FOLDED_LINES, _FOLDED_CHARACTERS = 12, 1_500
"""Sizes from which on a pasted text is shown as one mark, and sent as a whole."""
_MEANINGS = {
    "enter": "send",
    "ctrl+j": "line",
    "shift+enter": "line",
    "alt+enter": "line",
    "up": "back",
    "down": "forward",
    "tab": "complete",
    "pageup": "page_up",
    "pagedown": "page_down",
    "ctrl+end": "end",
    "ctrl+r": "earlier",
}
"""Keys of the field that are no text, by their meaning."""
_IF_EMPTY = {"question_mark": "help", "ctrl+d": "leave", "end": "end"}
"""Keys that mean something else while the field is empty."""


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

    def containing(self, words: str) -> list[str]:
        """The lines that contain some words in any case, the newest first, each once."""
        wanted = words.casefold()
        newest = dict.fromkeys(reversed(self._loaded()))
        return [line for line in newest if wanted in line.casefold()][:MOST_SUGGESTIONS]

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

    def __init__(self, on_key: Callable[[str], object]) -> None:
        """Tell `on_key` of keys that mean something else than text, by what they mean, at once.

        A binding would be carried out only after its key has bubbled up to the app, so behind the
        keys that came after it: a pasted line would be sent without its end.
        """
        self._tell = on_key
        self._folded: dict[str, str] = {}
        """Long texts that were pasted, by the marks that stand for them."""
        super().__init__(
            id="input",
            compact=True,
            highlight_cursor_line=False,
            placeholder="Ask for a change, or type / for commands",
            tooltip=None,
        )
        self.cursor_blink = False

    def render_line(self, y: int) -> Strip:
        """Draw nothing at a width of 0, where the field fails to draw its placeholder."""
        return super().render_line(y) if self.content_size.width else Strip.blank(0)

    async def _on_key(self, event: events.Key) -> None:
        name = _MEANINGS.get(event.key, "")
        if event.key in _IF_EMPTY and not self.text:
            name = _IF_EMPTY[event.key]
        if not name:
            return
        event.prevent_default()
        event.stop()
        if name == "back":
            name = "back" if self.cursor_at_first_line else "cursor_back"
        elif name == "forward":
            name = "forward" if self.cursor_at_last_line else "cursor_forward"
        self._tell(name)

    async def _on_paste(self, event: events.Paste) -> None:
        event.prevent_default()
        event.stop()
        text = display_safe(
            event.text.replace("\r\n", "\n").replace("\r", "\n"),
            line_limit=_LONG_PASTE,
            block_limit=_LONG_PASTE,
        )
        self.insert(self._mark(text))

    def put(self, text: str) -> None:
        """Replace the text and what was pasted, and move the cursor to the end."""
        self._folded.clear()
        self.text = text
        self.move_cursor(self.document.end)

    def _mark(self, text: str) -> str:
        """The text, or a mark for a long one: `unfolded` puts it back."""
        lines = text.count("\n") + 1
        if lines < _FOLDED_LINES and len(text) < _FOLDED_CHARACTERS:
            return text
        number = len(self._folded) + 1
        size = f"{lines} lines" if lines > 1 else f"{len(text)} characters"
        mark = f"[pasted {number}: {size}]"
        self._folded[mark] = text
        return mark

    @property
    def unfolded(self) -> str:
        """The text with what was pasted in place of its marks."""
        text = self.text
        for mark, pasted in self._folded.items():
            text = text.replace(mark, pasted)
        return text

    @property
    def before_cursor(self) -> str:
        return self.get_text_range((0, 0), self.cursor_location)


class PromptBox(Vertical):
    """The field with the list of suggestions above it."""

    def __init__(
        self,
        history: TypedLines,
        files: Callable[[], Sequence[str]],
        commands: Sequence[SlashCommand] = (),
    ) -> None:
        super().__init__(id="prompt")
        self._history = history
        self._files = files
        self._commands = commands
        self._suggestions: list[Suggestion] = []
        self._searching = False
        """True while the suggestions are lines that were typed before."""
        self._looked_at = ("", "")
        """The text, and what of it stood before the cursor, that the suggestions are for."""

    def compose(self) -> ComposeResult:
        options = OptionList(id="suggestions")
        options.can_focus = False
        options.display = False
        yield options
        yield PromptArea(self._key)

    @property
    def area(self) -> PromptArea:
        return self.query_one(PromptArea)

    @property
    def _options(self) -> OptionList:
        return self.query_one("#suggestions", OptionList)

    @property
    def text(self) -> str:
        """The whole text, with what was pasted."""
        return self.area.unfolded

    def set_text(self, text: str) -> None:
        """Replace the text, and move the cursor to its end."""
        self.area.put(text)
        self._looked_at = self._now
        self.close()

    def close(self) -> bool:
        """Hide the suggestions; True if some were shown."""
        self._searching = False
        was_open = self._options.display
        self._options.display = False
        return bool(was_open)

    @on(TextArea.Changed)
    def _changed(self, event: TextArea.Changed) -> None:
        event.stop()
        self._keep_up()

    @property
    def _now(self) -> tuple[str, str]:
        return self.area.text, self.area.before_cursor

    def _keep_up(self) -> None:
        """Let the suggestions be those of the text as it is: a key may come before its change is told.

        A list that was closed stays closed until the text changes.
        """
        now, known = self._now, self._looked_at
        if now[0] != known[0] or (self._options.display and now != known):
            self.suggest()

    def suggest(self) -> None:
        """Show suggestions for the text before the cursor."""
        self._looked_at = self._now
        if self._searching:
            earlier = self._history.containing(self.text)
            self._suggestions = [Suggestion(text=line, replaces=0) for line in earlier]
        else:
            self._suggestions = suggest(self.area.before_cursor, self._files(), self._commands)
        options = self._options
        options.clear_options()
        options.add_options([Option(_line(item)) for item in self._suggestions])
        options.display = bool(self._suggestions)
        if self._suggestions:
            options.highlighted = 0

    def _key(self, name: str) -> None:
        """Do what a key of the field means, before the next key is looked at."""
        self._keep_up()
        if name in ("page_up", "page_down"):
            self.post_message(PageWanted(-1 if name == "page_up" else 1))
        elif name == "end":
            self.post_message(EndWanted())
        elif name == "help":
            self.post_message(HelpWanted())
        elif name == "leave":
            self.post_message(LeaveWanted())
        elif name == "earlier" and not self._searching:
            self._searching = True
            self.suggest()
        elif name == "line":
            self.area.insert("\n")
        elif not (self._options.display and self._key_in_list(name)):
            self._key_in_text(name)

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
        if self._searching:
            return False
        chosen = self._suggestions[self._options.highlighted or 0]
        typed = self.area.before_cursor
        return typed.endswith(chosen.text.rstrip()) and len(chosen.text.rstrip()) == chosen.replaces

    def _accept(self, index: int) -> None:
        chosen = self._suggestions[index]
        if self._searching:
            self.set_text(chosen.text)
            return
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
    text = Text(display_safe(item.text.replace("\n", " ")), no_wrap=True)
    if item.what:
        text.append(f"  {item.what}", style="dim")
    return text
