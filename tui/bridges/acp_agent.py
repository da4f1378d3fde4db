"""Speaks the Agent Client Protocol, so that an editor such as Zed can hold the conversation.

Each session of the editor is one assistant of one repository. Edits and commands are asked about as
the session's mode says; what is written can be taken back with `/undo`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from acp import (
    PROTOCOL_VERSION,
    Agent,
    Client,
    InitializeResponse,
    LoadSessionResponse,
    NewSessionResponse,
    PromptResponse,
    RequestError,
    SetSessionModeResponse,
    run_agent,
    update_agent_message_text,
    update_user_message_text,
)
from acp.schema import (
    AgentCapabilities,
    AllowedOutcome,
    AvailableCommand,
    AvailableCommandInput,
    AvailableCommandsUpdate,
    CurrentModeUpdate,
    EmbeddedResourceContentBlock,
    Implementation,
    PromptCapabilities,
    ResourceContentBlock,
    SessionMode,
    SessionModeState,
    TextContentBlock,
    TextResourceContents,
    UnstructuredCommandInput,
)

from agent.approval import MODES, Decision, Mode, ModeApprover, Question
from agent.assistant import Assistant
from agent.errors import EXPECTED
from agent.processes import in_thread
from agent.session.context import Context
from agent.text import display_safe
from tui.bridges.acp_updates import OPTIONS, Update, Updates
from tui.conversation import Dialogue
from tui.running import open_assistant
from tui.slash import SLASH_COMMANDS, written
from tui.taken import Changed, Help, Learn, Leave, ModeChanged, PendingWork

_MODES = {
    "ask": "Ask before each change",
    "auto": "Do what can be undone",
    "plan": "Only read",
}
_NOT_HERE = ("/help", "/quit")

OpenPlace = Callable[[Path, str | None], Context]
"""Settings and paths of the project in a folder, going on with the session of this id."""
Block = TextContentBlock | ResourceContentBlock | EmbeddedResourceContentBlock


class Session:
    """One conversation of the editor."""

    def __init__(self, where: Context, client: Client, mode: Mode) -> None:
        self._client = client
        self._settled = where.settings.approval
        self._stack = AsyncExitStack()
        self._job: asyncio.Task[None] | None = None
        self._updates = Updates(where.root)
        self._start = ""
        self._files: list[str] = []
        self.assistant: Assistant = open_assistant(where, self)
        self.id = self.assistant.session_id
        self.dialogue = Dialogue(
            where,
            self.assistant,
            mode=mode,
            files=lambda: self._files,
            start=self._first_snapshot,
        )

    async def open(self) -> None:
        """Open the assistant; `close` must be called afterwards."""
        await self._stack.enter_async_context(self.assistant)
        workspace = self.assistant.workspace
        self._start = await in_thread(workspace.snapshot, "start of the conversation")
        self._files = await in_thread(workspace.list_files)

    async def close(self) -> None:
        """End what runs, and let go of the model and the sandbox."""
        self.cancel()
        await self._stack.aclose()

    async def decide(self, question: Question) -> Decision:
        """Answer a question of the agent by mode; ask in the editor where the mode says so."""
        return await ModeApprover(self.dialogue.mode, self._ask, self._settled).decide(question)

    async def send(self, update: Update) -> None:
        """Show something in the editor."""
        await self._client.session_update(session_id=self.id, update=update)

    async def take(self, text: str, given: str = "") -> bool:
        """Carry out one prompt with the texts that the editor gave along; false if it was cancelled."""
        self._job = asyncio.ensure_future(self._carry_out(text, given))
        try:
            await asyncio.wait([self._job])
            if self._job.cancelled():
                return False
            await self._job
        finally:
            self.cancel()
        return True

    def cancel(self) -> None:
        """End the prompt that is being carried out, if there is one."""
        if self._job is not None and not self._job.done():
            self._job.cancel()

    async def _carry_out(self, text: str, given: str) -> None:
        self._updates = Updates(self.assistant.workspace.root)
        try:
            match await self.dialogue.take(text, given):
                case PendingWork(events=events):
                    await self._show(events)
                case Learn(options=options):
                    await self._show(lambda: self.assistant.learn(options))
                case Changed(diff=diff):
                    await self._say(f"```diff\n{diff}\n```")
                case ModeChanged(mode=mode, text=said):
                    await self.send(_mode_update(mode))
                    await self._say(said)
                case Help() | Leave():
                    await self._say("The editor lists the commands and ends the session.")
                case taken:
                    await self._say(taken.text)
        except EXPECTED as err:
            await self._say(f"elagent: {err}")

    async def _show(self, events: Callable[[], Any]) -> None:
        async for event in events():
            self.dialogue.note(event)
            for update in self._updates.of(event):
                await self.send(update)

    async def _say(self, text: str) -> None:
        await self.send(update_agent_message_text(f"{display_safe(text)}\n"))

    async def _ask(self, question: Question) -> Decision:
        answer = await self._client.request_permission(
            session_id=self.id, tool_call=self._updates.question(question), options=OPTIONS
        )
        outcome = answer.outcome
        allowed = isinstance(outcome, AllowedOutcome) and outcome.option_id == "yes"
        return Decision(allowed=allowed, reason="" if allowed else "the user said no")

    async def _first_snapshot(self) -> str:
        return self._start


class ElagentAgent:
    """The agent's side of the protocol; optional methods that are not here answer "not found"."""

    def __init__(self, open_place: OpenPlace, mode: Mode) -> None:
        self._open_place = open_place
        self._mode = mode
        self._client: Client | None = None
        self._sessions: dict[str, Session] = {}

    def on_connect(self, conn: Client) -> None:
        """Take the connection to the editor."""
        self._client = conn

    async def close(self) -> None:
        """Close all sessions."""
        for session in self._sessions.values():
            await session.close()

    async def initialize(self, protocol_version: int, **_: Any) -> InitializeResponse:  # noqa: ANN401
        """Say which version of the protocol is spoken, and what this agent can do."""
        return InitializeResponse(
            protocol_version=min(protocol_version, PROTOCOL_VERSION),
            agent_capabilities=AgentCapabilities(
                load_session=True, prompt_capabilities=PromptCapabilities(embedded_context=True)
            ),
            agent_info=Implementation(name="elagent", title="elagent", version=version("elagent")),
        )

    async def new_session(self, cwd: str, **_: Any) -> NewSessionResponse:  # noqa: ANN401
        """Begin a conversation about the project in a folder."""
        session = await self._opened(cwd, None)
        return NewSessionResponse(session_id=session.id, modes=_modes(self._mode))

    async def load_session(self, cwd: str, session_id: str, **_: Any) -> LoadSessionResponse:  # noqa: ANN401
        """Go on with an earlier conversation, and send what was said."""
        session = await self._opened(cwd, session_id)
        for message in session.assistant.conversation.messages:
            if message.role == "user":
                await session.send(update_user_message_text(message.content))
            elif message.role == "assistant":
                await session.send(update_agent_message_text(message.content))
        return LoadSessionResponse(modes=_modes(self._mode))

    async def set_session_mode(
        self,
        session_id: str,
        mode_id: str,
        **_: Any,  # noqa: ANN401
    ) -> SetSessionModeResponse:
        """Change what is asked about from now on."""
        if mode_id not in MODES:
            raise RequestError.invalid_params({"mode_id": f"choose one of {', '.join(MODES)}"})
        self._session(session_id).dialogue.mode = mode_id
        return SetSessionModeResponse()

    async def prompt(
        self,
        session_id: str,
        prompt: Sequence[object],
        **_: Any,  # noqa: ANN401
    ) -> PromptResponse:
        """Carry out one request or slash command."""
        session = self._session(session_id)
        done = await session.take(*_text_of(prompt, session.assistant.workspace.root))
        return PromptResponse(stop_reason="end_turn" if done else "cancelled")

    async def cancel(self, session_id: str, **_: Any) -> None:  # noqa: ANN401
        """End what a session is doing; its prompt then answers "cancelled"."""
        if session_id in self._sessions:
            self._sessions[session_id].cancel()

    def _session(self, session_id: str) -> Session:
        if session_id not in self._sessions:
            raise RequestError.invalid_params({"session_id": "there is no session of this id"})
        return self._sessions[session_id]

    async def _opened(self, cwd: str, resume: str | None) -> Session:
        if self._client is None:
            raise RequestError.internal_error({"reason": "the editor is not connected yet"})
        try:
            where = self._open_place(Path(cwd), resume)
            session = Session(where, self._client, self._mode)
            await session.open()
        except EXPECTED as err:
            raise RequestError.invalid_params({"reason": str(err)}) from err
        self._sessions[session.id] = session
        commands = [_command(each.name, each.what, each.argument) for each in (*SLASH_COMMANDS, *written(where.commands))
                    if each.name not in _NOT_HERE]  # fmt: skip
        await session.send(
            AvailableCommandsUpdate(
                session_update="available_commands_update", available_commands=commands
            )
        )
        for said in session.assistant.news():
            await session.send(update_agent_message_text(f"{display_safe(said)}\n"))
        return session


async def serve(open_place: OpenPlace, mode: Mode) -> None:
    """Speak the protocol on standard input and output until the editor closes them."""
    agent = ElagentAgent(open_place, mode)
    try:
        await run_agent(cast(Agent, agent))  # the optional methods are not there
    finally:
        await agent.close()


def _text_of(prompt: Sequence[object], root: Path) -> tuple[str, str]:
    """The prompt as a line of the conversation, in which files become `@path`, and the given texts.

    What a file or a page says is not what the person says: it goes beside the line, never into it.
    """
    parts, given = [], []
    for block in prompt:
        match block:
            case TextContentBlock(text=text):
                parts.append(text)
            case ResourceContentBlock(uri=uri):
                parts.append(_mention(uri, root))
            case EmbeddedResourceContentBlock(resource=TextResourceContents(uri=uri, text=text)):
                parts.append(_mention(uri, root))
                given.append(f"{_mention(uri, root)}\n{text}")
            case _:
                pass
    return " ".join(parts).strip(), "\n\n".join(given)


def _mention(uri: str, root: Path) -> str:
    path = Path(uri.removeprefix("file://"))
    return f"@{path.relative_to(root)}" if path.is_relative_to(root) else uri


def _command(name: str, what: str, argument: str) -> AvailableCommand:
    asked = AvailableCommandInput(UnstructuredCommandInput(hint=argument)) if argument else None
    return AvailableCommand(name=name.removeprefix("/"), description=what, input=asked)


def _modes(current: Mode) -> SessionModeState:
    offered = [SessionMode(id=mode, name=name) for mode, name in _MODES.items()]
    return SessionModeState(current_mode_id=current, available_modes=offered)


def _mode_update(mode: Mode) -> CurrentModeUpdate:
    return CurrentModeUpdate(session_update="current_mode_update", current_mode_id=mode)
