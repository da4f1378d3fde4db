from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from agent.approval import ModeApprover
from agent.prompt_files import prompt
from agent.session.session import SessionLog, last_conversation, read_session
from agent.session.talk import Means, Talk, history_of, system_prompt
from agent.settings.schema import ModelSettings, Settings
from agent.turn.conversation import INTERRUPTED, Conversation
from learning.records import Message
from sandbox.box.contract import Execution
from sandbox.verdict.report import TestReport
from tests.fakes.model import ScriptedModel

SECRET = "ghp_" + "a1B2" * 9


class NoFiles:
    def snapshot(self, label: str) -> str:
        return ""

    def will_write(self, target: Path, content: bytes | None = None) -> None:
        pass

    def restore(self, state: str, *, only: Collection[str]) -> None:
        pass


async def no_command(command: str) -> Execution:
    raise AssertionError(command)


async def no_tests() -> TestReport:
    raise AssertionError


def means(model: ScriptedModel) -> Means:
    return Means(
        files=[],
        model=model,
        approver=ModeApprover("auto"),
        checkpoints=NoFiles(),
        run_command=no_command,
        run_tests=no_tests,
    )


async def say(talk: Talk, conversation: Conversation, text: str, model: ScriptedModel) -> None:
    async for _ in talk.turn(conversation, text, Settings(), means(model)):
        pass


async def test_a_conversation_goes_on_where_its_file_ends(tmp_path: Path) -> None:
    model = ScriptedModel(script=["One.", "Two.", "Three."])
    first = Conversation()
    with SessionLog.create(tmp_path) as log:
        talk = Talk(root=tmp_path, write=log.append)
        await say(talk, first, "Count", model)
        await say(talk, first, f"Go on, {SECRET}", model)
    assert SECRET.encode() not in log.path.read_bytes()
    assert last_conversation(tmp_path) == log.id
    again = Conversation()
    with SessionLog.resume(tmp_path, log.id) as log:
        talk = Talk(root=tmp_path, write=log.append)
        assert talk.resume(again, read_session(tmp_path, log.id)) == 5
        await say(talk, again, "And now?", model)
    assert [item.content for item in again.messages][:3] == [
        item.content for item in first.messages
    ][:3]
    assert history_of(read_session(tmp_path, log.id)).messages == again.messages
    assert again.requests[0] == "Count"


async def test_a_session_that_was_cut_off_resumes_with_whole_messages(tmp_path: Path) -> None:
    with SessionLog.create(tmp_path) as log:
        talk = Talk(root=tmp_path, write=log.append)
        await say(talk, Conversation(), "Hi", ScriptedModel(script=["Hello."]))
    whole = log.path.read_bytes()
    for cut in (*range(0, len(whole), 5), len(whole) - 1, len(whole)):
        log.path.write_bytes(whole[:cut])
        conversation = Conversation()
        written: list[Mapping[str, object]] = []
        Talk(root=tmp_path, write=written.append).resume(
            conversation, read_session(tmp_path, log.id)
        )
        roles = [message.role for message in conversation.messages]
        assert roles == ["system", "user", "assistant"][: len(roles)]
        assert roles[-1:] != ["user"]


def test_a_question_without_an_answer_is_closed() -> None:
    conversation = Conversation()
    conversation.restore([Message(role="user", content="Hi")])
    assert conversation.messages[-1] == Message(role="assistant", content=INTERRUPTED)


def test_compaction_and_clearing_survive_in_the_file() -> None:
    said: list[Mapping[str, object]] = [
        {"event": "turn_started", "text": "one"},
        {"event": "message", "role": "user", "content": "one"},
        {"event": "history_compacted", "summary": "Earlier: one"},
    ]
    history = history_of(said)
    assert (history.messages, history.summary, history.requests) == ((), "Earlier: one", ("one",))
    cleared = history_of([*said, {"event": "conversation_cleared"}])
    assert (cleared.messages, cleared.summary, cleared.requests) == ((), "", ())


async def test_a_compacted_conversation_is_resumed_as_it_stood(tmp_path: Path) -> None:
    written: list[Mapping[str, object]] = []
    conversation = Conversation()
    model = ScriptedModel(
        script=[" ".join(f"Yes {n}." for n in range(700)), "Fine."], context_length=1800
    )
    talk = Talk(root=tmp_path, write=written.append)
    await say(talk, conversation, "Is it good?", model)
    await say(talk, conversation, "And now?", model)
    assert "history_compacted" in [record["event"] for record in written]
    assert history_of(written).messages == conversation.messages
    assert len(conversation.messages) == 3


async def test_a_conversation_that_begins_anew_is_noted(tmp_path: Path) -> None:
    written: list[Mapping[str, object]] = []
    talk = Talk(root=tmp_path, write=written.append)
    model = ScriptedModel(script=["One.", "Two."])
    await say(talk, Conversation(), "Hi", model)
    await say(talk, Conversation(), "Hi again", model)
    assert "conversation_cleared" in [record["event"] for record in written]
    assert [message.role for message in history_of(written).messages] == [
        "system", "user", "assistant"
    ]  # fmt: skip


async def test_the_prompt_begins_with_the_same_bytes_in_every_turn(tmp_path: Path) -> None:
    model = ScriptedModel(script=["One.", "Two.", "Three."])
    conversation = Conversation()
    talk = Talk(root=tmp_path, write=lambda _: None)
    for text in ("a", "b", "c"):
        await say(talk, conversation, text, model)
    for earlier, later in zip(model.requests, model.requests[1:], strict=False):
        assert later.messages[: len(earlier.messages)] == earlier.messages
    assert {request.messages[0].content for request in model.requests} == {prompt("system")}


@pytest.mark.parametrize(
    ("name", "chosen", "expected"),
    [
        ("qwen2.5-coder-1.5b", "auto", "system"),
        ("qwen2.5-coder:7b", "auto", "system"),
        ("qwen2.5-coder:32b-instruct", "auto", "system_search_replace"),
        ("Qwen3-235B-A22B", "auto", "system_search_replace"),
        ("gpt-5", "auto", "system"),
        ("gpt-5", "search_replace", "system_search_replace"),
        ("qwen2.5-coder:32b", "whole", "system"),
    ],
)
def test_the_edit_format_goes_by_the_setting_and_then_by_size(
    name: str, chosen: str, expected: str
) -> None:
    settings = Settings(model=ModelSettings(name=name, edit_format=chosen))  # type: ignore[arg-type]
    assert system_prompt(settings) == expected
