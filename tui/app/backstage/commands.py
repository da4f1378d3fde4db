"""Carries out each line that the person sends: commands that begin with `/`, and requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from sandbox.box.children import in_thread
from tui.app.backstage.jobs import AgentJob
from tui.app.messages import ConversationCleared, EntryMade, HelpWanted, LeaveWanted, QueueChanged
from tui.app.transcript.entries import ChangeEntry, SaidEntry
from tui.slash import find, mentioned, nearest, split
from tui.undone import undo_or_redo

if TYPE_CHECKING:
    from agent.approval import Mode
    from tui.app.backstage.backstage import Backstage


class Commands:
    """Carries out lines that begin with `/`; everything else is a request to the model."""

    def __init__(self, backstage: Backstage) -> None:
        self._behind = backstage
        self._lines: asyncio.Task[None] | None = None

    def take(self, line: str) -> None:
        """Take a line without keeping the keyboard waiting; lines keep their order."""
        self._lines = asyncio.create_task(self._take(line, after=self._lines))

    async def _take(self, line: str, *, after: asyncio.Task[None] | None) -> None:
        if after is not None:
            await asyncio.wait([after])
        await self._behind.opened.wait()
        await self._behind.guarded(self._handle(line))
        self._behind.post(QueueChanged(self._behind.jobs.waiting))

    async def close(self) -> None:
        """Let go of lines that were not carried out yet."""
        if self._lines is not None:
            self._lines.cancel()
            await asyncio.gather(self._lines, return_exceptions=True)

    async def _handle(self, line: str) -> None:
        """Do what the line says; what takes a while becomes a job."""
        name, rest = split(line)
        if not name:
            for path in mentioned(line, self._behind.files):
                self._behind.agent.conversation.add_file(path)
            self._behind.jobs.submit(
                AgentJob(title="answering", events=lambda a: a.turn(line), said=line)
            )
            return
        command = find(name)
        if command is None:
            meant = nearest(name)
            advice = f"did you mean {meant}?" if meant else "/help shows them"
            self._behind.answer(f"{name} is no command; {advice}")
            return
        if command.needs_argument and not rest:
            self._behind.answer(f"it needs something more: {command.usage}")
            return
        if (job := self._job(name, rest, line)) is not None:
            self._behind.jobs.submit(job)
            return
        self._behind.post(EntryMade(SaidEntry(line)))
        await self._at_once(name, rest)

    def _job(self, name: str, rest: str, line: str) -> AgentJob | None:
        match name:
            case "/test":
                return AgentJob(title="running the tests", events=lambda a: a.test(), said=line)
            case "/fix":
                return AgentJob(title="repairing what fails", events=lambda a: a.fix(), said=line)
            case "/run":
                return AgentJob(
                    title=f"running {rest}", events=lambda a: a.run_command(rest), said=line
                )
            case "/wrong":
                return AgentJob(title="noting it", events=lambda a: a.wrong(rest), said=line)
            case _:
                return None

    async def _at_once(self, name: str, rest: str) -> None:  # noqa: C901 - one case per command
        behind = self._behind
        match name:
            case "/help":
                behind.post(HelpWanted())
            case "/add" | "/drop":
                self._file(name, rest.removeprefix("@"))
            case "/mode":
                self._mode(rest)
            case "/undo" | "/redo" | "/diff":
                await self._files(name, rest)
            case "/learn":
                behind.learner.start(by_hand=True)
            case "/clear":
                await self._clear()
            case "/quit":
                behind.post(LeaveWanted())
            case "/model" if rest:
                await self._use_model(rest)
            case "/adapters" if rest:
                await self._use_adapter(rest)
            case "/export":
                await self._export(rest)
            case _:
                await self._report(name)

    def _file(self, name: str, path: str) -> None:
        conversation = self._behind.agent.conversation
        if name == "/drop":
            conversation.drop_file(path)
            self._behind.answer(f"{path} is not shown any more when it changes")
        elif path in self._behind.files:
            conversation.add_file(path)
            self._behind.answer(f"{path} is shown to the model with your next request")
        else:
            self._behind.answer(f"there is no file {path} in this repository")

    def _mode(self, given: str) -> None:
        if given in ("ask", "auto", "plan"):
            self._behind.set_mode(cast("Mode", given))
            self._behind.answer(f"mode {given}")
        else:
            self._behind.answer(f"mode {self._behind.approver.mode}; choose: /mode ask|auto|plan")

    async def _files(self, name: str, rest: str) -> None:
        behind = self._behind
        workspace = behind.agent.workspace
        if name == "/diff":
            diff = await in_thread(workspace.diff, await behind.start_snapshot())
            if diff:
                behind.post(EntryMade(ChangeEntry("changed since the beginning", diff)))
            else:
                behind.answer("nothing changed")
            return
        if behind.jobs.busy:
            behind.answer("something is running; stop it first (Esc)")
            return
        behind.answer(await asyncio.to_thread(undo_or_redo, workspace, name, rest))
        behind.look_at_files()

    async def _clear(self) -> None:
        if self._behind.jobs.busy:
            self._behind.answer("something is running; stop it first (Esc)")
            return
        from agent.turn.conversation import Conversation

        self._behind.agent.conversation = Conversation()
        self._behind.post(ConversationCleared())
        self._behind.answer("the conversation begins anew; files and experiences stay")

    async def _use_model(self, name: str) -> None:
        if self._behind.jobs.busy:
            self._behind.answer("something is running; stop it first (Esc)")
            return
        await self._behind.agent.reconnect(name, sandbox=False)
        fields = self._behind.status.fields
        self._behind.status.show(replace(fields, model=name, adapter=""))
        self._behind.answer(f"{name} answers from the next reply on")

    async def _use_adapter(self, name: str) -> None:
        from tui.reports import use_adapter

        answer = await asyncio.to_thread(use_adapter, self._behind.where, name)
        self._behind.answer(answer)
        self._behind.switch_when_idle()

    async def _export(self, given: str) -> None:
        from tui.reports import export

        messages, root = self._behind.agent.conversation.messages, self._behind.where.root
        written = await asyncio.to_thread(lambda: export(messages, given, root=root))
        self._behind.answer(written)

    async def _report(self, name: str) -> None:
        from tui import reports

        where, standing = self._behind.where, self._behind.status.fields
        conversation = self._behind.agent.conversation
        looks: dict[str, Callable[[], str]] = {
            "/adapters": lambda: reports.adapters(where),
            "/experiences": lambda: reports.experiences(where),
            "/why": lambda: reports.why(where),
            "/model": lambda: reports.model(where, standing.model, standing.adapter),
            "/tokens": lambda: reports.tokens(
                conversation.messages,
                conversation.added_files,
                used=standing.used,
                limit=standing.limit,
            ),
        }
        self._behind.answer(await asyncio.to_thread(looks[name]))
