"""The line loop: a conversation in any terminal, with the same events as everything else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Literal

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory
from prompt_toolkit.patch_stdout import patch_stdout

from agent.approval import Decision, ModeApprover, Question
from agent.errors import AgentError
from agent.events import Event
from agent.learn import LearnOptions
from agent.paths import make_private
from agent.workspace.workspace import Restored
from learning.errors import LearningError
from sandbox.contract import SandboxError
from sandbox.streams import display_safe
from tui.plain import TextPresenter, make_console, show_all
from tui.render import render_diff
from tui.running import open_assistant
from tui.wiring import Context

Mode = Literal["ask", "auto", "plan"]

COMMANDS = {
    "/help": "show this list",
    "/add": "show a file to the model: /add PATH",
    "/drop": "stop showing a file: /drop PATH",
    "/run": "run a shell command in the sandbox: /run CMD",
    "/test": "run the tests in the sandbox",
    "/fix": "repair what fails",
    "/diff": "show what changed since the conversation began",
    "/undo": "put the files back as they were before the last change",
    "/redo": "take back the last undo",
    "/learn": "turn what was captured into an adapter",
    "/mode": "ask before each change, allow what can be undone, or only read: /mode ask|auto|plan",
    "/quit": "end (Ctrl-D does it, too)",
}


class LineCompleter(Completer):
    """Commands after `/`, and the repository's files after `@`, `/add` and `/drop`."""

    def __init__(self, files: Callable[[], list[str]]) -> None:
        self._files = files

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        text = document.text_before_cursor
        word = text.rsplit(" ", 1)[-1]
        if text.startswith("/") and " " not in text:
            for name, what in COMMANDS.items():
                if name.startswith(text):
                    yield Completion(name, -len(text), display_meta=what)
        elif word.startswith("@") or text.startswith(("/add ", "/drop ")):
            start = word.removeprefix("@")
            for path in self._files():
                if path.startswith(start):
                    yield Completion(path, -len(start))


class Repl:
    """One conversation at a prompt."""

    def __init__(self, where: Context, mode: Mode) -> None:
        self._console = make_console()
        self._presenter = TextPresenter(self._console)
        self._mode: Mode = mode
        history = make_private(where.repository.home) / "history"
        self._prompt: PromptSession[str] = PromptSession(history=FileHistory(str(history)))
        self._where = where
        self._assistant = open_assistant(where, self)
        self._start: str | None = None

    async def decide(self, question: Question) -> Decision:
        """Answer by mode; in `ask` mode by asking here."""
        return await ModeApprover(self._mode, self._ask).decide(question)

    async def run(self) -> int:
        """Talk until the person leaves."""
        self._console.print(
            f"elagent in {self._where.root}, model {self._where.settings.model.name},"
            f" mode {self._mode}. /help shows the commands, Ctrl-D ends."
        )
        async with self._assistant:
            self._start = await asyncio.to_thread(
                self._assistant.workspace.snapshot, "start of the conversation"
            )
            files = await asyncio.to_thread(self._assistant.workspace.list_files)
            completer = LineCompleter(lambda: files)
            while True:
                try:
                    with patch_stdout():
                        line = await self._prompt.prompt_async("> ", completer=completer)
                except KeyboardInterrupt:
                    continue
                except EOFError:
                    return 0
                if line.strip() == "/quit":
                    return 0
                if line.strip():
                    await self._interruptible(self._handle(line.strip()))

    async def _interruptible(self, work: Awaitable[None]) -> None:
        """Do it; Ctrl-C gives the prompt back, and a failure becomes a sentence."""
        task = asyncio.ensure_future(work)
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(2, task.cancel)
        try:
            await task
        except asyncio.CancelledError:
            self._console.print("\ninterrupted")
        except (AgentError, LearningError, SandboxError) as err:
            self._console.print(f"elagent: {display_safe(str(err))}")
        finally:
            loop.remove_signal_handler(2)
            self._presenter.close()

    async def _handle(self, line: str) -> None:
        name, _, rest = line.partition(" ")
        rest = rest.strip()
        match name:
            case "/help":
                for command, what in COMMANDS.items():
                    self._console.print(f"  {command:<8} {what}")
            case "/add":
                self._assistant.conversation.add_file(rest.removeprefix("@"))
            case "/drop":
                self._assistant.conversation.drop_file(rest.removeprefix("@"))
            case "/mode":
                self._set_mode(rest)
            case "/undo" | "/redo" | "/diff":
                await self._files(name)
            case _ if name.startswith("/"):
                await self._work(name, rest)
            case _:
                await self._show(self._assistant.turn(line))

    async def _work(self, name: str, rest: str) -> None:
        match name:
            case "/test":
                await self._show(self._assistant.test())
            case "/fix":
                await self._show(self._assistant.fix())
            case "/learn":
                await self._show(self._assistant.learn(LearnOptions()))
            case "/run" if rest:
                await self._show(self._assistant.run_command(rest))
            case _:
                self._console.print(f"unknown or incomplete: {display_safe(name)}; try /help")

    async def _files(self, name: str) -> None:
        workspace = self._assistant.workspace
        if name == "/diff":
            assert self._start is not None  # noqa: S101 - set before the first prompt
            diff = await asyncio.to_thread(workspace.diff, self._start)
            self._console.print(render_diff(diff) if diff else "nothing changed")
            return
        work: Callable[[], Restored] = workspace.undo if name == "/undo" else workspace.redo
        done = await asyncio.to_thread(work)
        self._console.print(f"{name[1:]}: {display_safe(done.label)}: {', '.join(done.paths)}")

    def _set_mode(self, given: str) -> None:
        match given:
            case "ask" | "auto" | "plan":
                self._mode = given
                self._console.print(f"mode {given}")
            case _:
                self._console.print(f"mode {self._mode}; choose: /mode ask|auto|plan")

    async def _show(self, events: AsyncIterator[Event]) -> None:
        await show_all(events, self._presenter)

    async def _ask(self, question: Question) -> Decision:
        self._presenter.close()
        if question.detail:
            self._console.print(render_diff(question.detail))
        ask: PromptSession[str] = PromptSession()
        answer = await ask.prompt_async(f"{question.kind} {display_safe(question.subject)}? [y/N] ")
        allowed = answer.strip().lower() in ("y", "yes")
        return Decision(allowed=allowed, reason="" if allowed else "the user said no")


async def run_repl(where: Context, mode: Mode) -> int:
    """Talk at a prompt until the person leaves."""
    return await Repl(where, mode).run()
