"""The list of all keys, and the line that searches the conversation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from rich.table import Table
from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tui.app.keys import APP_KEYS, OTHER_KEYS, shown
from tui.app.messages import SearchClosed, SearchWanted
from tui.slash import FIRST_STEPS, SLASH_COMMANDS, SlashCommand


class HelpScreen(ModalScreen[None]):
    """Lists all keys and all commands; scrolls."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,question_mark,f1,enter", "close", "Close"),
    ]

    def __init__(self, keymap: Mapping[str, str], more: Sequence[SlashCommand] = ()) -> None:
        super().__init__()
        self._keymap = keymap
        self._more = more

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="help"):
            yield Static(self._table(), markup=False)

    def on_mount(self) -> None:
        self.query_one("#help").focus()

    def action_close(self) -> None:
        self.dismiss(None)

    def _table(self) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        table.add_row("To begin", Text("Esc closes this list", style="dim"))
        for typed, what in FIRST_STEPS:
            table.add_row(Text(typed), what)
        table.add_row("", "")
        table.add_row("Keys", "")
        for binding in APP_KEYS:
            key = self._keymap.get(binding.id or "", binding.key)
            table.add_row(shown(key), binding.description)
        for name, what in OTHER_KEYS:
            table.add_row(name, what)
        table.add_row("", "")
        table.add_row("Commands", "")
        for command in (*SLASH_COMMANDS, *self._more):
            table.add_row(Text(command.usage), Text(command.what))
        return table


class SearchBar(Input):
    """Finds text in the whole conversation: Enter goes to the match before, Esc closes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "close", "Close the search", show=False, priority=True),
    ]

    def __init__(self) -> None:
        super().__init__(
            placeholder="Search the conversation: Enter finds the match before", id="search"
        )
        self.found: int | None = None
        """Index of the entry that was found last."""
        self.display = False

    def action_close(self) -> None:
        self.display = False
        self.found = None
        self.post_message(SearchClosed())

    def on_input_changed(self) -> None:
        self.found = None

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        if event.value:
            self.post_message(SearchWanted(event.value, self.found))
