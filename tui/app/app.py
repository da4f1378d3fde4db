"""The full-screen app: puts the conversation, the prompt, the panel and the status together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events, on
from textual.app import App, ComposeResult, SuspendNotSupported, SystemCommand
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import Screen
from textual.timer import Timer

from tui.app.backstage.backstage import Backstage
from tui.app.backstage.commands import Commands
from tui.app.backstage.jobs import Jobs
from tui.app.display import Display
from tui.app.keys import APP_KEYS, read_keymap
from tui.app.learner.panel import LearningPanel, LearningState
from tui.app.learner.rounds import Learner
from tui.app.overlay import HelpScreen, SearchBar
from tui.app.prompt import PromptArea, PromptBox, TypedLines
from tui.app.standing import ActivityLine, StatusFields, StatusLine
from tui.app.transcript.block import FoldableBlock
from tui.app.transcript.blocks import FailureBlock
from tui.app.transcript.entries import (
    AnswerEntry,
    Entry,
    FailureEntry,
    OutputEntry,
    ReplyEntry,
    source_of,
)
from tui.app.transcript.results import TestsBlock
from tui.app.transcript.window import Transcript
from tui.slash import SLASH_COMMANDS

if TYPE_CHECKING:
    from agent.approval import Mode
    from tui.app.backstage.contract import OpenAgent
    from tui.wiring import Context

_AGAIN_S = 2.0
"""So soon after the first, a second Ctrl+C leaves."""
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
        self.where = where
        self.mode = mode
        self._earlier = earlier
        self._pressed_at = 0.0
        self._settling: Timer | None = None
        self._lines: asyncio.Task[None] | None = None
        self.keymap: dict[str, str] = {}
        self.learning = LearningState()
        self.transcript = Transcript()
        self.activity = ActivityLine()
        self.status = StatusLine(StatusFields(model=where.settings.model.name, mode=mode))
        self.backstage = Backstage(self, open_agent)
        self.shows = Display(self)
        self.jobs = Jobs(self.shows, self.backstage.fault)
        self.learner = Learner(self)
        self.commands = Commands(self)

    # What is on the screen

    def compose(self) -> ComposeResult:
        with Horizontal(id="columns"):
            yield LearningPanel(self.learning)
            with Vertical(id="talk"):
                yield self.transcript
                yield self.activity
                yield SearchBar(self.transcript)
                yield PromptBox(TypedLines(self._history_file()), lambda: self.backstage.files)
        yield self.status

    def _history_file(self) -> Path:
        from agent.paths import make_private

        return make_private(self.where.repository.home) / "history"

    async def on_mount(self) -> None:
        self.theme = "textual-light" if _light_terminal() else "textual-dark"
        self._read_keys()
        self.panel.display = False
        await self.transcript.load(self._earlier)
        self.prompt.area.focus()
        await self.answer(
            f"elagent in {self.where.root}. Ask for a change, or press ? for the keys and"
            " /help for the commands."
        )
        loop = asyncio.get_running_loop()
        with contextlib.suppress(ValueError, NotImplementedError, RuntimeError):
            for number in (signal.SIGTERM, signal.SIGHUP):
                loop.add_signal_handler(number, self.action_leave)
        self.call_after_refresh(self.backstage.begin)

    def _read_keys(self) -> None:
        from agent.paths import user_config_file

        path = user_config_file(os.environ).with_name("keys.toml")
        try:
            self.keymap = read_keymap(path, [binding.id or "" for binding in APP_KEYS])
        except ValueError as err:
            self.notify(str(err), severity="warning", markup=False)
        self.set_keymap(self.keymap)

    @property
    def prompt(self) -> PromptBox:
        return self.query_one(PromptBox)

    @property
    def panel(self) -> LearningPanel:
        return self.query_one(LearningPanel)

    @property
    def search(self) -> SearchBar:
        return self.query_one(SearchBar)

    @property
    def standing(self) -> StatusFields:
        return self.status.standing

    async def add(self, entry: Entry) -> None:
        """Append to the conversation."""
        await self.transcript.add(entry)

    async def answer(self, text: str) -> None:
        """Say something to the person."""
        await self.add(AnswerEntry(text))

    async def guarded(self, work: Awaitable[None]) -> None:
        """Do it; a failure becomes a sentence in the conversation."""
        from agent.errors import AgentError
        from learning.errors import LearningError
        from sandbox.box.contract import SandboxError

        try:
            await work
        except (AgentError, LearningError, SandboxError) as err:
            await self.add(FailureEntry(str(err)))

    async def close(self) -> None:
        """End what runs and give everything back; after the screen has been restored."""
        await self.learner.close()
        await self.backstage.close()

    def set_mode(self, mode: Mode) -> None:
        self.mode = mode
        self.status.show(replace(self.standing, mode=mode))

    def say_model(self, name: str) -> None:
        self.status.show(replace(self.standing, model=name, adapter=""))

    def beside(self, work: Callable[[], Awaitable[None]], *, group: str) -> None:
        """Run it beside everything else; what was begun before in the same group is cancelled."""
        if self.is_running:  # Textual takes coroutine functions, which its types do not say well
            self.run_worker(cast("Callable[[], None]", work), group=group, exclusive=True)

    # What the person does

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that mean something else while a question or list is open, or in a text."""
        if action in _ALWAYS:
            return True
        if any(binding.action == action for binding in APP_KEYS) and len(self.screen_stack) > 1:
            return False
        if action in ("leave_if_empty", "help_if_empty"):
            return self.prompt.area.has_focus and not self.prompt.text
        return True

    async def on_event(self, event: events.Event) -> None:
        if isinstance(event, (events.Key, events.Paste, events.MouseDown)):
            self.learner.touch()
        await super().on_event(event)

    def on_resize(self) -> None:
        """Lay everything out once more when the size has settled, whatever was drawn meanwhile."""
        if self._settling is not None:
            self._settling.stop()
        self._settling = self.set_timer(_SETTLED_S, self._settle)

    def _settle(self) -> None:
        if self.screen_stack:  # the app may be closing
            self.screen.refresh(layout=True)

    def on_app_focus(self) -> None:
        self.backstage.look_at_files()

    @on(PromptBox.Sent)
    def _sent(self, event: PromptBox.Sent) -> None:
        """Take a line without keeping the keyboard waiting, in the order in which they came."""
        self._lines = asyncio.create_task(self._take(event.text, after=self._lines))

    async def _take(self, text: str, *, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait([after])
        await self.backstage.opened.wait()
        await self.commands.handle(text)
        self.activity.queued(self.jobs.waiting)

    @on(PromptArea.Page)
    def _page(self, event: PromptArea.Page) -> None:
        self.transcript.page(event.direction)

    @on(TestsBlock.Jump)
    def _jump(self, event: TestsBlock.Jump) -> None:
        from tui.app.editor import open_at

        self._outside(lambda: open_at(self.where.root, event.place.file, event.place.line))

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
        if again:
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
        if not self.jobs.interrupt():
            return False
        self.activity.stage("interrupted, tidying up")
        return True

    def action_leave(self) -> None:
        self.exit(0)

    def action_leave_if_empty(self) -> None:
        self.action_leave()

    def action_keys(self) -> None:
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen(self.keymap))

    def action_panel(self) -> None:
        panel = self.panel
        panel.display = not panel.display
        self.screen_stack[0].set_class(panel.display, "-with-panel")
        panel.draw()
        if panel.display:
            self.learner.look()

    def action_next_mode(self) -> None:
        following: dict[Mode, Mode] = {"ask": "auto", "auto": "plan", "plan": "ask"}
        self.set_mode(following[self.mode])

    def action_fold(self) -> None:
        for entry in reversed(self.transcript.entries):
            block = self.transcript.block_of(entry)
            if isinstance(block, FoldableBlock) and isinstance(entry, OutputEntry):
                block.action_fold()
                return

    def action_copy(self) -> None:
        """The last reply goes to the clipboard of the terminal (OSC 52, works over SSH)."""
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

    def action_retry(self) -> None:
        """Let go of what broke, and do the last job again."""
        job = self.jobs.last
        if job is not None and not self.jobs.busy:
            self.beside(self.backstage.retry, group="retry")

    def _outside(self, work: Callable[[], object]) -> None:
        """Lend the terminal to another program."""
        from tui.app.editor import EditorError

        if self.jobs.busy:
            self.notify("wait until it is done, or stop it (Esc)", severity="warning")
            return
        try:
            with self.suspend():
                work()
        except (EditorError, SuspendNotSupported) as err:
            self.notify(str(err), severity="warning", markup=False)

    @on(FailureBlock.Retry)
    def _retry_wanted(self) -> None:
        self.action_retry()

    @on(SearchBar.Closed)
    def _search_closed(self) -> None:
        self.prompt.area.focus()

    def action_search(self) -> None:
        self.search.display = True
        self.search.focus()

    def action_help_if_empty(self) -> None:
        self.action_keys()

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """The command palette: every command of the conversation that needs no argument."""
        for command in SLASH_COMMANDS:
            if not command.needs_argument:
                say = partial(self.prompt.post_message, PromptBox.Sent(command.name))
                yield SystemCommand(command.name, command.what, say)
        yield SystemCommand("Learning panel", "Show or hide it (F2)", self.action_panel)
        yield SystemCommand("Theme", "Choose the colours", self.action_change_theme)


def _light_terminal(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the terminal says that its background is light (`COLORFGBG`)."""
    background = environ.get("COLORFGBG", "").rpartition(";")[2]
    return background in ("7", "15")
