"""The full-screen app: composes the widgets, and handles their messages and those of the work behind."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from textual import events, on
from textual.app import App, ComposeResult, SuspendNotSupported, SystemCommand
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from tui.app import messages as told
from tui.app.approval import ask_on_screen
from tui.app.backstage.backstage import Backstage
from tui.app.backstage.lines import SentLines
from tui.app.keys import APP_KEYS, own_keymap, tell_alt_enter_apart
from tui.app.learner.panel import LearningPanel
from tui.app.overlay import HelpScreen
from tui.app.prompt import PromptBox, TypedLines
from tui.app.status import StatusLine
from tui.app.surroundings import history_file, light_terminal
from tui.app.talk import TalkColumn
from tui.app.transcript.entries import AnswerEntry, Entry, ReplyEntry, source_of
from tui.app.transcript.window import Transcript
from tui.leaving import Threads, at_once
from tui.ringing import ringing
from tui.slash import SLASH_COMMANDS, written

if TYPE_CHECKING:
    from agent.approval import Mode
    from agent.session.context import Context
    from tui.app.backstage.contract import OpenAgent

_AGAIN_S = 2.0
"""A second Ctrl+C within this time leaves."""
_SETTLED_S = 0.3
_ALWAYS = ("interrupt_or_clear", "leave", "theme")


class ElagentApp(App[int]):
    """One conversation about one repository."""

    CSS_PATH = "app.tcss"
    TITLE = "elagent"
    BINDINGS: ClassVar[list[BindingType]] = list(APP_KEYS)
    AUTO_FOCUS = "#input"

    def __init__(
        self,
        where: Context,
        mode: Mode,
        open_agent: OpenAgent,
        *,
        earlier: Sequence[Entry] = (),
    ) -> None:
        super().__init__()
        # On a narrow screen the learning panel takes the place of the transcript.
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-wide")]
        self._where = where
        self._pressed_at = 0.0
        self._tells_focus = False
        self._settling: Timer | None = None
        self._keymap_of_user: dict[str, str] = {}
        self.backstage = Backstage(where, mode, open_agent, self._post)
        self.lines = SentLines(self.backstage)
        self.talk = TalkColumn(
            PromptBox(
                TypedLines(history_file(where)),
                lambda: self.backstage.files,
                written(where.commands),
            ),
            earlier=earlier,
            progress=self.backstage.progress,
        )
        self.panel = LearningPanel(self.backstage.learning)
        self.status = StatusLine(self.backstage.status.fields)

    def _post(self, message: Message) -> object:
        """Send a message to the conversation's column; what it does not handle comes up to the app."""
        return self.talk.post_message(message)

    def compose(self) -> ComposeResult:
        with Horizontal(id="columns"):
            yield self.panel
            yield self.talk
        yield self.status

    async def on_mount(self) -> None:
        self.theme = "textual-light" if light_terminal() else "textual-dark"
        self._read_keys()
        self.panel.display = False
        self.prompt.area.focus()
        greeting = (
            f"elagent in {self._where.root}. Ask for a change, or press ? for the keys and"
            " /help for the commands."
        )
        for said in (greeting, *self._where.commands.refused):
            await self.transcript.add(AnswerEntry(said))
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self.action_leave)
        self.call_after_refresh(self.backstage.begin)

    def _read_keys(self) -> None:
        try:
            self._keymap_of_user = own_keymap(os.environ)
        except ValueError as err:
            self.notify(str(err), severity="warning", markup=False)
        self.set_keymap(self._keymap_of_user)

    @property
    def prompt(self) -> PromptBox:
        return self.talk.prompt

    @property
    def transcript(self) -> Transcript:
        return self.talk.transcript

    async def close(self) -> None:
        """End what runs and give everything back; after the screen has been restored."""
        await self.lines.close()
        await self.backstage.close()

    # The conversation

    @on(told.HintGiven)
    def _hint(self, event: told.HintGiven) -> None:
        self.notify(event.text)

    @on(told.LineSent)
    def _take_line(self, event: told.LineSent) -> None:
        self.lines.take(event.text)

    @on(told.CodeWanted)
    def _show_code(self, event: told.CodeWanted) -> None:
        from tui.app.editor import open_at

        self._outside(lambda: open_at(self._where.root, event.file, event.line))

    @on(told.QuestionAsked)
    def _ask(self, event: told.QuestionAsked) -> None:
        self.talk.activity.stage("waiting for your answer")
        self.bell()
        ask_on_screen(self, event)

    @on(told.StatusChanged)
    def _show_status(self, event: told.StatusChanged) -> None:
        self.status.show(event.fields)

    @on(told.LearningChanged)
    def _show_learning(self) -> None:
        self.backstage.show_learner()
        self.panel.draw()

    @on(told.AdapterPromoted)
    def _switch_adapter(self) -> None:
        self.backstage.switch_when_idle()

    # Keys

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Disable keys that mean something else while a question or list is open, or in a text."""
        if action in _ALWAYS:
            return True
        if any(binding.action == action for binding in APP_KEYS) and len(self.screen_stack) > 1:
            return False
        if action in ("leave_if_empty", "help_if_empty"):
            return self.prompt.area.has_focus and not self.prompt.text
        return True

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, (events.Key, events.Paste, events.MouseDown)):
            self.backstage.learner.touch()
        await super().on_event(event)

    def on_resize(self) -> None:
        """Lay everything out once more when the size has settled, whatever was drawn meanwhile."""
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(_SETTLED_S, self._settle)

    def _settle(self) -> None:
        if self.screen_stack:  # the app may be closing
            self.screen.refresh(layout=True)

    @on(told.LongJobEnded)
    def _ring(self, event: told.LongJobEnded) -> None:
        looks_here = self._tells_focus and self.app_focus
        if self._driver is not None and not (looks_here or self.is_headless):
            self._driver.write(ringing(event.text, os.environ))

    def on_app_blur(self) -> None:
        self._tells_focus = True

    def on_app_focus(self) -> None:
        self.backstage.look_at_files()

    def action_interrupt(self) -> None:
        """Esc: close what is open, else stop what runs, else go to the prompt."""
        if self.prompt.close():
            return
        if not self._stop():
            self.prompt.area.focus()

    def action_interrupt_or_clear(self) -> None:
        """Ctrl+C: stop; twice leaves."""
        now = time.monotonic()
        again, self._pressed_at = now - self._pressed_at < _AGAIN_S, now
        if again and self.prompt.text:  # typed since: it is emptied before anybody leaves
            self.prompt.set_text("")
        elif again:
            self.action_leave()
        elif self._stop():
            return
        elif selected := self.screen.get_selected_text():
            self.copy_to_clipboard(selected)
            self.notify("copied")
            self._pressed_at = 0.0  # copying twice does not mean to leave
        elif self.prompt.text:
            self.prompt.set_text("")
        else:
            self.notify("Ctrl+C again leaves", timeout=_AGAIN_S)

    def _stop(self) -> bool:
        if not self.backstage.jobs.interrupt():
            return False
        self.talk.activity.stage("interrupted, tidying up")
        return True

    @on(told.LeaveWanted)
    def action_leave(self) -> None:
        self.exit(0)

    def action_leave_if_empty(self) -> None:
        self.action_leave()

    @on(told.HelpWanted)
    def action_keys(self) -> None:
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self._keymap_of_user, written(self._where.commands)))

    def action_help_if_empty(self) -> None:
        self.action_keys()

    def action_panel(self) -> None:
        panel = self.panel
        panel.display = not panel.display
        self.screen_stack[0].set_class(panel.display, "-with-panel")
        panel.draw()
        if panel.display:
            self.backstage.learner.count()

    def action_next_mode(self) -> None:
        following: dict[Mode, Mode] = {"ask": "auto", "auto": "plan", "plan": "ask"}
        self.backstage.set_mode(following[self.backstage.approver.mode])

    def action_read_again(self) -> None:
        """F4: stop what runs, and read the last request as a change instead of a question, or back."""
        self._stop()
        self.lines.take("/as")

    def action_fold(self) -> None:
        self.talk.fold_last()

    def action_copy(self) -> None:
        """Copy the last reply to the clipboard of the terminal (OSC 52, works over SSH)."""
        if (entry := self.transcript.last(ReplyEntry)) is not None:
            self.copy_to_clipboard(source_of(entry))
            self.notify("the last reply is copied")

    def action_theme(self) -> None:
        self.theme = "textual-light" if self.current_theme.dark else "textual-dark"

    def action_edit(self) -> None:
        from tui.app.editor import edit_text

        text = self.prompt.text
        made: list[str] = []
        self._outside(lambda: made.append(edit_text(text)))
        if made:
            self.prompt.set_text(made[0])

    def action_search(self) -> None:
        self.talk.search.display = True
        self.talk.search.focus()

    @on(told.RetryWanted)
    def action_retry(self) -> None:
        """F5: start model and sandbox anew, and repeat the last job."""
        self.backstage.retry()

    def _outside(self, work: Callable[[], object]) -> None:
        """Lend the terminal to another program."""
        from tui.app.editor import EditorError

        if self.backstage.jobs.busy:
            self.notify("wait until it is done, or stop it (Esc)", severity="warning")
            return
        try:
            with self.suspend():
                work()
        except (EditorError, SuspendNotSupported) as err:
            self.notify(str(err), severity="warning", markup=False)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Offer each command of the conversation that needs no argument in the command palette."""
        for command in SLASH_COMMANDS:
            if not command.needs_argument:
                say = partial(self.post_message, told.LineSent(command.name))
                yield SystemCommand(command.name, command.what, say)
        yield SystemCommand("Learning panel", "Show or hide it (F2)", self.action_panel)
        yield SystemCommand("Theme", "Choose the colours", self.action_change_theme)


async def run_app(where: Context, mode: Mode, open_agent: OpenAgent) -> int:
    """Show the app until the person leaves; return the exit code.

    Raises:
        SessionError: If the session to be resumed cannot be read.
    """
    earlier: Sequence[Entry] = ()
    if where.resume:
        from agent.session.session import read_session
        from tui.app.transcript.earlier import entries_of

        earlier = entries_of(read_session(where.repository.sessions, where.resume))
    tell_alt_enter_apart()
    loop = asyncio.get_running_loop()
    loop.set_default_executor(Threads())
    app = ElagentApp(where, mode, open_agent, earlier=earlier)
    try:
        return await app.run_async() or app.return_code or 0
    finally:
        with contextlib.suppress(ValueError, RuntimeError):  # only the main thread takes signals
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, at_once, 128 + number)
        await app.close()
