"""What each command of the conversation does in the app."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from sandbox.box.children import in_thread
from tui.app.backstage.jobs import AgentJob
from tui.app.transcript.entries import AnswerEntry, ChangeEntry, SaidEntry
from tui.slash import find, mentioned, nearest, split
from tui.undone import undo_or_redo

if TYPE_CHECKING:
    from agent.approval import Mode
    from tui.app.app import ElagentApp


class Commands:
    """Carries out lines that begin with `/`; everything else is a request to the model."""

    def __init__(self, app: ElagentApp) -> None:
        self._app = app

    async def handle(self, line: str) -> None:
        """Do what the line says; what takes a while becomes a job."""
        name, rest = split(line)
        if not name:
            for path in mentioned(line, self._app.backstage.files):
                self._app.backstage.agent.conversation.add_file(path)
            self._app.jobs.submit(
                AgentJob(title="answering", events=lambda a: a.turn(line), said=line)
            )
            return
        command = find(name)
        if command is None:
            meant = nearest(name)
            advice = f"did you mean {meant}?" if meant else "/help shows them"
            await self._app.answer(f"{name} is no command; {advice}")
            return
        if command.needs_argument and not rest:
            await self._app.answer(f"it needs something more: {command.usage}")
            return
        if (job := self._job(name, rest, line)) is not None:
            self._app.jobs.submit(job)
            return
        await self._app.add(SaidEntry(line))
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
        app = self._app
        match name:
            case "/help":
                app.action_keys()
            case "/add" | "/drop":
                await self._file(name, rest.removeprefix("@"))
            case "/mode":
                await self._mode(rest)
            case "/undo" | "/redo" | "/diff":
                await app.guarded(self._files(name, rest))
            case "/learn":
                app.learner.start(by_hand=True)
            case "/clear":
                await self._clear()
            case "/quit":
                app.action_leave()
            case "/model" if rest:
                await app.guarded(self._use_model(rest))
            case "/adapters" if rest:
                await app.guarded(self._use_adapter(rest))
            case "/export":
                await app.guarded(self._export(rest))
            case _:
                await app.guarded(self._report(name))

    async def _file(self, name: str, path: str) -> None:
        conversation = self._app.backstage.agent.conversation
        if name == "/drop":
            conversation.drop_file(path)
            await self._app.answer(f"{path} is not shown any more when it changes")
        elif path in self._app.backstage.files:
            conversation.add_file(path)
            await self._app.answer(f"{path} is shown to the model with your next request")
        else:
            await self._app.answer(f"there is no file {path} in this repository")

    async def _mode(self, given: str) -> None:
        if given in ("ask", "auto", "plan"):
            self._app.set_mode(cast("Mode", given))
            await self._app.answer(f"mode {given}")
        else:
            await self._app.answer(f"mode {self._app.mode}; choose: /mode ask|auto|plan")

    async def _files(self, name: str, rest: str) -> None:
        app = self._app
        workspace = app.backstage.agent.workspace
        if name == "/diff":
            diff = await in_thread(workspace.diff, await app.backstage.start_snapshot())
            await app.add(
                ChangeEntry("changed since the beginning", diff)
                if diff
                else AnswerEntry("nothing changed")
            )
            return
        if app.jobs.busy:
            await app.answer("something is running; stop it first (Esc)")
            return
        await app.answer(await asyncio.to_thread(undo_or_redo, workspace, name, rest))
        app.backstage.look_at_files()

    async def _clear(self) -> None:
        if self._app.jobs.busy:
            await self._app.answer("something is running; stop it first (Esc)")
            return
        from agent.turn.conversation import Conversation

        self._app.backstage.agent.conversation = Conversation()
        await self._app.transcript.load([])
        await self._app.answer("the conversation begins anew; files and experiences stay")

    async def _use_model(self, name: str) -> None:
        if self._app.jobs.busy:
            await self._app.answer("something is running; stop it first (Esc)")
            return
        await self._app.backstage.agent.reconnect(name, sandbox=False)
        self._app.say_model(name)
        await self._app.answer(f"{name} answers from the next reply on")

    async def _use_adapter(self, name: str) -> None:
        from tui.reports import use_adapter

        answer = await asyncio.to_thread(use_adapter, self._app.where, name)
        await self._app.answer(answer)
        self._app.backstage.switch_when_idle()

    async def _export(self, given: str) -> None:
        from tui.reports import export

        messages, root = self._app.backstage.agent.conversation.messages, self._app.where.root
        written = await asyncio.to_thread(lambda: export(messages, given, root=root))
        await self._app.answer(written)

    async def _report(self, name: str) -> None:
        from tui import reports

        where, standing = self._app.where, self._app.standing
        conversation = self._app.backstage.agent.conversation
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
        await self._app.answer(await asyncio.to_thread(looks[name]))
