"""One turn: what the model is told, what is done for it, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from agent.approval import Decision, ModeApprover, Question
from agent.events import (
    EditApplied,
    EditProposed,
    Event,
    Notice,
    ReplyFinished,
    ReplyUnusable,
    TextDelta,
    TurnFinished,
)
from agent.model.protocol import ReplyRefusedError, ServerUnreachableError
from agent.prompt_files import prompt
from agent.settings.schema import TurnSettings
from agent.turn.conversation import Conversation
from agent.turn.loop import run_turn
from agent.turn.tools import command_digest, file_names
from sandbox.box.contract import Captured, Ending, EngineUnavailableError, Execution
from tests.fakes.model import Scripted, ScriptedModel

_E = TypeVar("_E")

OPS = "def add(a, b):\n    return a - b\n"
FIXED = "def add(a, b):\n    return a + b\n"
FIX_REPLY = f"The sign was wrong.\n\nops.py\n```python\n{FIXED}```"
AUTO = ModeApprover("auto")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "ops.py").write_text(OPS)
    (tmp_path / "notes.md").write_text("# Notes\n")
    return tmp_path


def execution(text: str = "1 passed", exit_code: int | None = 0) -> Execution:
    return Execution(
        argv=("sh",),
        ending=Ending.TIMEOUT if exit_code is None else Ending.EXITED,
        exit_code=exit_code,
        stdout=Captured(head=text.encode()),
        stderr=Captured(head=b""),
        duration_s=0.1,
        image_id="image",
    )


@dataclass
class Shell:
    """Remembers commands and answers them all in the same way."""

    answer: Execution | Exception = field(default_factory=execution)
    commands: list[str] = field(default_factory=list)

    async def __call__(self, command: str) -> Execution:
        self.commands.append(command)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Person:
    """Answers questions with no, and remembers them."""

    questions: list[Question] = field(default_factory=list)

    async def decide(self, question: Question) -> Decision:
        self.questions.append(question)
        return Decision(allowed=False, reason="not today")


async def turn(
    root: Path,
    model: ScriptedModel,
    text: str = "Repair ops.py",
    *,
    conversation: Conversation | None = None,
    shell: Shell | None = None,
    approver: ModeApprover | Person = AUTO,
    max_replies: int = 6,
) -> list[Event]:
    return [
        event
        async for event in run_turn(
            conversation or Conversation(),
            text,
            root=root,
            files=["ops.py", "notes.md"],
            model=model,
            approver=approver,
            run_command=shell,
            limits=TurnSettings(max_replies=max_replies),
        )
    ]


def of_type(events: Sequence[Event], kind: type[_E]) -> list[_E]:
    return [event for event in events if isinstance(event, kind)]


def ending(events: Sequence[Event]) -> str:
    assert isinstance(events[-1], TurnFinished)
    return events[-1].reason


async def test_a_file_that_is_named_is_shown_whole_and_edited(root: Path) -> None:
    model = ScriptedModel(script=[FIX_REPLY])
    events = await turn(root, model)
    assert model.requests[0].messages[0].content == prompt("system")
    assert model.requests[0].messages[1].content == (
        f"ops.py\n```python\n{OPS}```\n\nRepair ops.py"
    )
    assert "".join(event.text for event in of_type(events, TextDelta)).replace(" ", "") == (
        FIX_REPLY.replace(" ", "")
    )
    assert [event.path for event in of_type(events, EditApplied)] == ["ops.py"]
    assert (root / "ops.py").read_text() == FIXED
    assert ending(events) == "done"


async def test_a_definition_without_its_path_goes_to_the_one_file_that_was_named(
    root: Path,
) -> None:
    bare = "```python\ndef add(a, b):\n    return a + b\n```"
    events = await turn(root, ScriptedModel(script=[bare]))
    assert (root / "ops.py").read_text() == FIXED
    assert ending(events) == "done"
    asked = await turn(root, ScriptedModel(script=[bare]), "How would you repair ops.py?")
    assert ending(asked) == "done"


async def test_without_a_named_file_the_names_of_all_are_shown(root: Path) -> None:
    model = ScriptedModel(script=["It is a calculator."])
    assert ending(await turn(root, model, "What is this?")) == "done"
    assert "files:\nnotes.md\nops.py\n\nWhat is this?" in model.requests[0].messages[1].content


async def test_history_is_append_only_and_begins_with_the_same_bytes(root: Path) -> None:
    conversation = Conversation()
    conversation.add_file("ops.py")
    model = ScriptedModel(script=["Hello.", FIX_REPLY, "Bye."])
    for text in ("Hi", "Repair it", "Thanks"):
        await turn(root, model, text, conversation=conversation)
    first, second, third = (request.messages for request in model.requests)
    assert second[: len(first)] == first
    assert third[: len(second)] == second
    assert [message.role for message in third] == [
        "system", "user", "assistant", "user", "assistant", "user",
    ]  # fmt: skip
    assert OPS in first[1].content
    assert OPS not in second[3].content
    assert third[5].content == "Thanks"


async def test_a_file_that_the_user_changed_is_shown_again(root: Path) -> None:
    conversation = Conversation()
    conversation.add_file("ops.py")
    model = ScriptedModel(script=["Hello.", "I see."])
    await turn(root, model, "Hi", conversation=conversation)
    (root / "ops.py").write_text("changed = True\n")
    await turn(root, model, "And now?", conversation=conversation)
    assert "changed = True" in model.requests[1].messages[-1].content


async def test_an_unseen_file_is_shown_before_it_may_be_rewritten(root: Path) -> None:
    model = ScriptedModel(script=[FIX_REPLY, f"Now I see it.\n\n{FIX_REPLY}"])
    events = await turn(root, model, "Repair the sum")
    assert OPS in model.requests[1].messages[-1].content
    assert ending(events) == "done"
    assert (root / "ops.py").read_text() == FIXED


async def test_a_command_is_run_and_its_output_told(root: Path) -> None:
    shell = Shell(execution("2 passed"))
    model = ScriptedModel(script=["```sh\npytest -q\n```", "All tests pass."])
    events = await turn(root, model, "Do the tests pass?", shell=shell)
    assert shell.commands == ["pytest -q"]
    told = model.requests[1].messages[-1].content
    assert "`pytest -q` ended with exit code 0" in told
    assert "2 passed" in told
    assert ending(events) == "done"


async def test_a_command_after_an_edit_runs_after_it(root: Path) -> None:
    shell = Shell()
    model = ScriptedModel(script=[f"{FIX_REPLY}\n\n```sh\npytest\n```", "Done."])
    await turn(root, model, shell=shell)
    assert (root / "ops.py").read_text() == FIXED
    assert shell.commands == ["pytest"]


async def test_plan_mode_changes_and_runs_nothing(root: Path) -> None:
    shell = Shell()
    for script in (FIX_REPLY, "```sh\nrm -r .\n```"):
        events = await turn(
            root, ScriptedModel(script=[script]), shell=shell, approver=ModeApprover("plan")
        )
        assert ending(events) == "declined"
    assert (root / "ops.py").read_text() == OPS
    assert shell.commands == []


async def test_the_person_is_asked_with_the_exact_diff_and_may_decline(root: Path) -> None:
    person = Person()
    events = await turn(root, ScriptedModel(script=[FIX_REPLY]), approver=person)
    assert [(q.kind, q.subject) for q in person.questions] == [("edit", "ops.py")]
    assert person.questions[0].detail == of_type(events, EditProposed)[0].diff
    assert "+    return a + b" in person.questions[0].detail
    assert (ending(events), (root / "ops.py").read_text()) == ("declined", OPS)
    assert of_type(events, EditApplied) == []


async def test_ask_mode_without_a_person_declines() -> None:
    decision = await ModeApprover("ask").decide(Question(kind="command", subject="ls"))
    assert not decision.allowed


async def test_refused_edits_are_asked_for_again_at_most_twice(root: Path) -> None:
    elided = [f"ops.py\n```python\n# ... existing code ...\nx = {n}\n```" for n in range(5)]
    model = ScriptedModel(script=list(elided))
    events = await turn(root, model)
    assert len(model.requests) == 3
    assert len(of_type(events, ReplyUnusable)) == 3
    assert ending(events) == "no usable reply after two re-asks"
    assert (root / "ops.py").read_text() == OPS


async def test_nothing_is_written_when_one_of_two_edits_is_refused(root: Path) -> None:
    both = f"{FIX_REPLY}\n\n../evil.py\n```python\nx = 1\n```"
    events = await turn(root, ScriptedModel(script=[both, "I give up."]))
    assert of_type(events, EditApplied) == []
    assert (root / "ops.py").read_text() == OPS
    assert not (root.parent / "evil.py").exists()


async def test_a_definition_may_be_renamed_when_the_person_names_it(root: Path) -> None:
    renamed = f"ops.py\n```python\n{FIXED.replace('add', 'plus')}```"
    events = await turn(root, ScriptedModel(script=[renamed]), "In ops.py rename `add` to plus")
    assert ending(events) == "done"
    assert "def plus" in (root / "ops.py").read_text()


async def test_the_same_reply_twice_ends_the_turn(root: Path) -> None:
    model = ScriptedModel(script=["```sh\nmake\n```"] * 3)
    events = await turn(root, model, shell=Shell())
    assert ending(events) == "stuck: the same action gave the same result twice"


async def test_the_number_of_replies_is_limited(root: Path) -> None:
    conversation = Conversation()
    model = ScriptedModel(script=[f"```sh\nmake {n}\n```" for n in range(9)])
    events = await turn(root, model, shell=Shell(), max_replies=3, conversation=conversation)
    assert len(model.requests) == 3
    assert ending(events) == "the limit of 3 replies is reached"
    assert conversation.messages[-1].role == "assistant"


async def test_a_full_context_ends_the_turn_and_changes_nothing(root: Path) -> None:
    conversation = Conversation()
    model = ScriptedModel(script=[], context_length=200)
    events = await turn(root, model, "Hello " * 300, conversation=conversation)
    assert ending(events).startswith("context full: ")
    assert conversation.messages == ()


async def test_a_file_that_does_not_fit_is_named_and_not_cut(root: Path) -> None:
    (root / "ops.py").write_text(OPS + "# filler\n" * 3000)
    model = ScriptedModel(script=["I cannot see it."], context_length=2000)
    events = await turn(root, model)
    assert "ops.py was not shown to the model" in of_type(events, Notice)[0].text
    assert "filler" not in model.requests[0].messages[-1].content


async def test_a_reply_that_is_cut_off_is_said_to_be(root: Path) -> None:
    model = ScriptedModel(script=[Scripted(text="It is a", finish="length")])
    events = await turn(root, model)
    assert "cut off" in of_type(events, Notice)[0].text


async def test_a_sandbox_that_fails_ends_the_turn(root: Path) -> None:
    shell = Shell(EngineUnavailableError("no engine answers"))
    events = await turn(root, ScriptedModel(script=["```sh\nmake\n```"]), shell=shell)
    assert ending(events) == "the sandbox gave no answer: no engine answers"


async def test_a_model_that_goes_away_is_an_error_and_roles_still_alternate(root: Path) -> None:
    conversation = Conversation()
    model = ScriptedModel(script=[ServerUnreachableError("nobody answers"), "Hello."])
    with pytest.raises(ServerUnreachableError):
        await turn(root, model, conversation=conversation)
    await turn(root, model, conversation=conversation)
    roles = [message.role for message in conversation.messages[1:]]
    assert roles == ["user", "assistant"] * 2


async def test_interrupting_keeps_what_was_said(root: Path) -> None:
    conversation = Conversation()
    events = run_turn(
        conversation,
        "Repair ops.py",
        root=root,
        files=["ops.py"],
        model=ScriptedModel(script=[None]),
        approver=AUTO,
    )

    async def consume() -> None:
        async for event in events:
            if isinstance(event, TextDelta):
                heard.set()

    heard = asyncio.Event()
    task = asyncio.create_task(consume())
    await heard.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert conversation.messages[-1].content == "Well(interrupted)"
    assert (root / "ops.py").read_text() == OPS


async def test_every_reply_names_its_model_and_its_cost(root: Path) -> None:
    model = ScriptedModel(script=["Hello."], adapter="round-1")
    reply = of_type(await turn(root, model), ReplyFinished)[0]
    assert (reply.model, reply.adapter, reply.context_length) == ("scripted", "round-1", 32_768)
    assert reply.prompt_tokens > 0


def test_the_digest_of_a_command_keeps_the_end_and_counts_the_rest() -> None:
    text = "\n".join(f"line {n}" for n in range(100)) + "\x1b[31m\x07"
    digest = command_digest("make", execution(text, exit_code=None))
    assert "was stopped at its time limit" in digest
    assert "[60 lines before are not shown]\nline 60\n" in digest
    assert "\x1b" not in digest
    assert "\x07" not in digest


def test_long_lists_of_files_say_how_many_more_there_are() -> None:
    listed = file_names([f"m{n}.py" for n in range(80)])
    assert listed.endswith("and 20 more")


async def test_a_model_that_only_thought_is_told_to_be_brief(root: Path) -> None:
    thought = Scripted(text="", thought="Hm, let me see.", finish="length")
    model = ScriptedModel(script=[thought, FIX_REPLY])
    events = await turn(root, model)
    assert (root / "ops.py").read_text() == FIXED
    assert "Think in one sentence" in model.requests[1].messages[-1].content
    (notice,) = of_type(events, Notice)
    assert "raise turn.max_reply_tokens" in notice.text


async def test_a_model_that_goes_on_thinking_is_named_at_the_end(root: Path) -> None:
    thought = Scripted(text="", thought="Hm.", finish="length")
    events = await turn(root, ScriptedModel(script=[thought, thought]))
    end = events[-1]
    assert isinstance(end, TurnFinished)
    assert end.reason == "stuck: scripted only thinks and gives no answer"


async def test_a_refusal_ends_the_turn_with_its_words(root: Path) -> None:
    refusal = ReplyRefusedError("scripted refuses to answer (No.); ask in other words")
    conversation = Conversation()
    events = await turn(root, ScriptedModel(script=[refusal]), conversation=conversation)
    end = events[-1]
    assert isinstance(end, TurnFinished)
    assert end.reason == str(refusal)
    assert conversation.messages[-1].role == "assistant", "roles go on alternating"
