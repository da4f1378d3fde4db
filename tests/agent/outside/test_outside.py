"""Tools of MCP servers: asked before a call, bounded, never learned from, and a bad server is one sentence."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from agent.approval import Decision, Question
from agent.events import Event, Notice, OutputChunk, TurnEnding, TurnFinished
from agent.outside.calling import use_outside
from agent.outside.client import OutsideError, call, tools_of
from agent.paths import Paths
from agent.session.context import Context
from agent.settings.load import Loaded
from agent.settings.schema import McpSettings, Settings
from agent.settings.servers import OutsideServer, OutsideServers
from agent.turn.conversation import OUTSIDE, Conversation

SERVERS = Path(__file__).with_name("servers.py")


def _server(
    kind: str = "honest", *, allow: Sequence[str] = (), timeout_s: float = 60.0
) -> OutsideServer:
    return OutsideServer(
        name="s",
        command=(sys.executable, "-P", str(SERVERS), kind),
        allow=tuple(allow),
        timeout_s=timeout_s,
    )


class Approver:
    """Answers as told, and keeps the questions."""

    def __init__(self, *, allowed: bool = True) -> None:
        self.allowed = allowed
        self.asked: list[Question] = []

    async def decide(self, question: Question) -> Decision:
        self.asked.append(question)
        return Decision(allowed=self.allowed, reason="" if self.allowed else "no")


async def _say(
    said: str, server: OutsideServer, approver: Approver
) -> tuple[list[Event], list[str]]:
    events: list[Event] = []
    conversation = Conversation()
    settings = Settings(mcp=McpSettings(servers=OutsideServers(servers=(server,))))
    context = Context(
        root=SERVERS.parent,
        loaded=Loaded(settings=settings, origins={}),
        paths=Paths(SERVERS.parent),
        environ=os.environ,
        launcher=[],
    )
    await use_outside(context, said, approver, conversation, events.append)
    heard = [text] if (text := conversation.take_overheard()) else []
    return events, heard


async def test_a_tool_is_called_after_a_question_and_its_output_joins_the_conversation() -> None:
    approver = Approver()
    events, heard = await _say('s add {"a": 2, "b": 3}', _server(), approver)
    (question,) = approver.asked
    assert question.leaves_sandbox
    assert '"a": 2' in question.detail
    assert OutputChunk("5\n") in events
    assert heard[0].startswith(OUTSIDE)
    assert "```\n5\n```" in heard[0]


async def test_a_no_starts_nothing() -> None:
    broken = OutsideServer(name="s", command=("/nonexistent/program",))
    events, heard = await _say("s add", broken, Approver(allowed=False))
    assert events == [TurnFinished("no", TurnEnding.DECLINED)]
    assert heard == []


async def test_an_allowed_tool_is_not_asked_about() -> None:
    approver = Approver()
    await _say('s add {"a": 1, "b": 1}', _server(allow=["add"]), approver)
    assert approver.asked == []


async def test_tools_are_listed_without_control_characters() -> None:
    events, _ = await _say("", _server(allow=["add"]), Approver())
    told = [event.text for event in events if isinstance(event, Notice)]
    assert told[0] == "s: 6 tools"
    assert "  add  Add two numbers." in told
    assert all("\x1b" not in line and "\n" not in line for line in told)


async def test_output_is_bounded_and_harmless() -> None:
    output = await call(_server(), "evil", {}, os.environ)
    assert len(output.text) < 8_200
    assert "\x1b" not in output.text
    assert "more characters are not shown" in output.text


async def test_a_server_starts_in_the_home_and_gets_only_what_was_named(tmp_path: Path) -> None:
    environ = {**os.environ, "HOME": str(tmp_path), "SECRET_KEY": "s"}
    output = await call(_server(), "where", {}, environ)
    assert str(tmp_path) in output.text
    assert "SECRET_KEY" not in output.text


async def test_wrong_arguments_are_told_as_the_tools_failure() -> None:
    events, _ = await _say('s add {"a": "x"}', _server(allow=["add"]), Approver())
    assert isinstance(events[-1], TurnFinished)
    assert events[-1].ending is TurnEnding.FAILED


@pytest.mark.parametrize(
    ("tool", "timeout_s", "words"),
    [
        ("slow", 3.0, "did not answer within 3 s"),
        ("die", 60.0, "ended with 7 before it answered"),
        ("flood", 60.0, "said more than can be read"),
    ],
)
async def test_a_tool_that_misbehaves_is_one_sentence(
    tool: str, timeout_s: float, words: str
) -> None:
    with pytest.raises(OutsideError, match=words):
        await call(_server(timeout_s=timeout_s), tool, {}, os.environ)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("dead", "ended with 3"),
        ("noisy", "said more than can be read"),
        ("endless", "said more than can be read"),
        ("silent", "did not answer within 2 s"),
    ],
)
async def test_a_server_that_misbehaves_is_one_sentence(kind: str, words: str) -> None:
    with pytest.raises(OutsideError, match=words):
        await tools_of(_server(kind, timeout_s=2.0 if kind == "silent" else 60.0), os.environ)


async def test_a_program_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(OutsideError, match="does not start: No such file"):
        await tools_of(OutsideServer(name="s", command=("/nonexistent/x",)), os.environ)


@pytest.mark.parametrize("said", ["other add", "s add [1]", "s add {"])
async def test_a_mistyped_call_is_one_sentence(said: str) -> None:
    with pytest.raises(OutsideError, match="/mcp SERVER TOOL"):
        await _say(said, _server(), Approver())


def test_a_conversation_remembers_outside_words_over_a_summary_and_a_resume() -> None:
    conversation = Conversation()
    conversation.overhear(f"{OUTSIDE} add of s")
    assert conversation.holds_outside
    conversation.say("user", conversation.take_overheard())
    conversation.compact("so far")
    assert conversation.holds_outside
    later = Conversation()
    later.restore((), summary=conversation.summary)
    assert later.holds_outside
    assert not Conversation().holds_outside
