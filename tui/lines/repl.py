"""The line loop: a conversation in any terminal, without a full screen."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory

from agent.approval import Decision, Mode, ModeApprover, Question
from agent.errors import EXPECTED
from agent.events import Event, Progress, StageStarted
from agent.paths import make_private
from agent.processes import in_thread
from agent.session.context import Context
from agent.text import display_safe
from tui.conversation import Dialogue
from tui.lines.line_prompt import LinePrompt
from tui.ringing import Bell, ringing
from tui.running import open_assistant
from tui.show.diffs import draw_hunk, parse_diff
from tui.show.plain import TextPresenter, amount, make_console
from tui.show.render import render_diff
from tui.slash import SlashCommand, help_text, suggest, written
from tui.taken import AnswererChanged, Changed, Help, Learn, Leave, PendingWork


class LineCompleter(Completer):
    """Offers commands after `/`, and the repository's files after `@`, `/add` and `/drop`."""

    def __init__(
        self, files: Callable[[], list[str]], commands: Sequence[SlashCommand] = ()
    ) -> None:
        self._files = files
        self._commands = commands

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        for item in suggest(document.text_before_cursor, self._files(), self._commands):
            yield Completion(item.text, -item.replaces, display_meta=item.what)


class Repl:
    """A conversation at a prompt."""

    def __init__(self, where: Context, mode: Mode) -> None:
        self._console = make_console()
        self._presenter = TextPresenter(self._console, live=False)
        self._doing = ""
        history = make_private(where.repository.home) / "history"
        self._prompt = LinePrompt(
            status=self._status,
            history=FileHistory(str(history)),
            completer=LineCompleter(lambda: self._file_names, written(where.commands)),
        )
        self._where = where
        self._assistant = open_assistant(where, self)
        self._start = ""
        self._file_names: list[str] = []
        self._dialogue = Dialogue(
            where,
            self._assistant,
            mode=mode,
            files=lambda: self._file_names,
            start=self._start_snapshot,
        )

    async def decide(self, question: Question) -> Decision:
        """Answer a question of the agent by mode; in `ask` mode, ask the person."""
        settled = self._where.settings.approval
        return await ModeApprover(self._dialogue.mode, self._ask, settled).decide(question)

    async def _start_snapshot(self) -> str:
        return self._start

    async def run(self) -> int:
        """Talk until the person leaves."""
        self._console.print(
            f"elagent in {self._where.root}, model {self._where.settings.model.name},"
            f" mode {self._dialogue.mode}. /help shows the commands, Ctrl-D ends."
        )
        async with self._assistant:
            for said in (*self._where.commands.refused, *self._assistant.news()):
                self._console.print(display_safe(said))
            if self._where.resume:
                count = len(self._assistant.conversation.messages)
                self._console.print(f"going on with {self._where.resume}: {count} messages")
            self._start = await in_thread(
                self._assistant.workspace.snapshot, "start of the conversation"
            )
            self._file_names = await in_thread(self._assistant.workspace.list_files)
            await self._prompt.run(self._handled, on_interrupt=self._interrupted)
        return 0

    async def _handled(self, line: str) -> None:
        """Carry out a line; print a failure as a sentence."""
        bell = Bell(after_s=self._where.settings.session.bell)
        bell.begin()
        try:
            await self._handle(line)
        except EXPECTED as err:
            self._console.print(f"elagent: {display_safe(str(err))}")
        except asyncio.CancelledError:
            self._console.print(display_safe(await self._dialogue.stopped()))
            raise
        finally:
            self._presenter.close()
            self._doing = ""
        if bell.is_due and sys.stdout.isatty():
            self._prompt.ring(ringing(f"elagent: {line}: done", os.environ))

    def _interrupted(self) -> None:
        self._console.print("stopping")

    def _status(self) -> str:
        """Return the line below the prompt: the present stage, the use of the context, the mode."""
        standing = self._dialogue.standing
        limit = f" of {standing.limit_tokens}" if standing.limit_tokens else ""
        tokens = f"{standing.used_tokens}{limit} tokens"
        parts = [self._doing, tokens, f"mode {self._dialogue.mode}"]
        return " | ".join(part for part in parts if part)

    async def _handle(self, line: str) -> None:
        match await self._dialogue.take(line):
            case PendingWork(events=events):
                await self._show(events())
            case Learn(options=options):
                await self._show(self._assistant.learn(options))
            case Changed(diff=diff):
                self._console.print(render_diff(diff))
            case Help():
                self._console.print(help_text(self._where.commands), markup=False, highlight=False)
            case AnswererChanged(model="", text=text):  # only a new connection uses another adapter
                await self._assistant.reconnect(sandbox=False)
                self._console.print(display_safe(text))
            case Leave():
                pass  # the prompt has ended before
            case taken:
                self._console.print(display_safe(taken.text))

    async def _show(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            self._dialogue.note(event)
            self._note(event)
            self._presenter.show(event)

    def _note(self, event: Event) -> None:
        """Take the present stage, for the line below the prompt, from an event."""
        match event:
            case StageStarted(text):
                self._doing = display_safe(text)
            case Progress(done, total, unit):
                of_total = f" of {amount(total, unit)}" if total else ""
                name = self._doing.partition(":")[0]
                self._doing = f"{name}: {amount(done, unit)}{of_total}"
            case _:
                pass

    async def _ask(self, question: Question) -> Decision:
        self._presenter.close()
        parts = self._show_question(question)
        some = ", or the parts to write, such as 1 3" if parts > 1 else ""
        asked = (
            f"{question.kind} {display_safe(question.subject)}? [y/N{some}, or what to do instead] "
        )
        answer = await self._prompt.ask(asked)
        return answer_of(answer, parts=parts)

    def _show_question(self, question: Question) -> int:
        """Print the proposed action; return the number of parts to choose from, 0 if it has none."""
        if question.host_use:
            self._console.print(f"Asked because {display_safe(question.host_use)}.")
        if question.unasked:
            self._console.print(f"Asked because {display_safe(question.unasked)}.")
        if question.problem:
            self._console.print(display_safe(question.problem))
        if question.kind != "edit":
            if question.detail:
                self._console.print(display_safe(question.detail))
            return 0
        files = parse_diff(question.detail)
        hunks = files[0].hunks if len(files) == 1 else ()
        if len(hunks) < 2:  # noqa: PLR2004 - one part is the whole
            self._console.print(render_diff(question.detail))
            return 0
        for number, hunk in enumerate(hunks, start=1):
            self._console.print(f"part {number} of {len(hunks)}, from line {hunk.new_start}")
            self._console.print(draw_hunk(hunk, columns=0))
        return len(hunks)


def answer_of(answer: str, *, parts: int) -> Decision:
    """Read a typed answer: yes, or the numbers of the parts to write; other words are a no.

    Words that are more than a no say what to do instead.
    """
    words = answer.replace(",", " ").lower().split()
    if words in (["y"], ["yes"]):
        return Decision(allowed=True)
    if words and all(word.isdecimal() and 1 <= int(word) <= parts for word in words):
        return Decision(allowed=True, kept=frozenset(int(word) - 1 for word in words))
    if words in ([], ["n"], ["no"]):
        return Decision(allowed=False, reason="the user said no")
    return Decision(allowed=False, reason=answer.strip(), instead=answer.strip())


async def run_repl(where: Context, mode: Mode) -> int:
    """Talk at a prompt until the person leaves."""
    return await Repl(where, mode).run()
