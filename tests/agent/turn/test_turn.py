"""A turn beyond one reply: tests, limits, getting stuck, the best state, and compaction."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pytest

from agent.approval import Decision, ModeApprover, Question
from agent.events import (
    ContextCompacted,
    EditApplied,
    Event,
    Notice,
    ReplyUnusable,
    TestsFinished,
    TurnEnding,
    TurnFinished,
)
from agent.prompt_files import prompt
from agent.settings.schema import TurnSettings
from agent.turn.conversation import Conversation
from agent.turn.loop import Background, run_turn
from sandbox.box.status import VerdictTrust
from sandbox.verdict.report import Frame, RunStatus, TestOutcome, TestReport, TestResult
from tests.fakes.model import Scripted, ScriptedModel

_E = TypeVar("_E")
OPS = "def add(a, b):\n    return a - b\n"
RUN = "```sh\npytest\n```"


def rewrite(body: str, *, then: str = RUN) -> str:
    return f"ops.py\n```python\ndef add(a, b):\n    return {body}\n```\n\n{then}"


def report(passed: int, *red: str) -> TestReport:
    results = [TestResult(id=f"t.py::ok{n}", outcome=TestOutcome.PASSED) for n in range(passed)]
    results += [
        TestResult(
            id=f"t.py::{name}",
            outcome=TestOutcome.FAILED,
            message="assert 1 == 2",
            exception="AssertionError",
            frames=(Frame(file="ops.py", line=2, function="add"),),
        )
        for name in red
    ]
    return TestReport(
        status=RunStatus.COMPLETE,
        results=tuple(results),
        runner="pytest",
        trust=VerdictTrust.PLAIN,
        duration_s=0.1,
    )


@dataclass
class Suite:
    """Gives its reports in order; the last one repeats."""

    reports: list[TestReport]
    runs: int = 0

    async def __call__(self) -> TestReport:
        self.runs += 1
        return self.reports.pop(0) if len(self.reports) > 1 else self.reports[0]


@dataclass
class Files:
    """States of one file, kept in memory."""

    path: Path
    states: list[str] = field(default_factory=list)

    def snapshot(self, label: str) -> str:
        self.states.append(self.path.read_text())
        return str(len(self.states) - 1)

    def will_write(self, target: Path, content: bytes | None = None) -> None:
        pass

    def restore(self, state: str, *, only: Collection[str]) -> None:
        assert list(only) == [self.path.name]
        self.path.write_text(self.states[int(state)])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "ops.py").write_text(OPS)
    (tmp_path / "other.py").write_text("def helper(value):\n    return value\n")
    return tmp_path


async def turn(
    root: Path,
    model: ScriptedModel,
    text: str = "Repair ops.py",
    *,
    conversation: Conversation | None = None,
    suite: Suite | None = None,
    files: Files | None = None,
    limits: TurnSettings | None = None,
    background: Background | None = None,
    approver: object = None,
) -> list[Event]:
    return [
        event
        async for event in run_turn(
            conversation or Conversation(),
            text,
            root=root,
            files=["ops.py", "other.py"],
            model=model,
            approver=approver or ModeApprover("auto"),  # type: ignore[arg-type]
            run_tests=suite,
            checkpoints=files,
            limits=limits or TurnSettings(),
            background=background,
        )
    ]


def of_type(events: Sequence[Event], kind: type[_E]) -> list[_E]:
    return [event for event in events if isinstance(event, kind)]


def end(events: Sequence[Event]) -> TurnFinished:
    assert isinstance(events[-1], TurnFinished)
    return events[-1]


async def test_pytest_runs_the_tests_and_their_digest_is_told(root: Path) -> None:
    model = ScriptedModel(script=[RUN, "The sum is wrong."])
    suite = Suite([report(2, "test_add")])
    events = await turn(root, model, suite=suite)
    assert len(of_type(events, TestsFinished)) == 1
    told = model.requests[1].messages[-1].content
    assert "2 passed, 1 failed" in told
    assert "Failing test: t.py::test_add" in told
    assert "At ops.py:2 in add: return a - b" in told


async def test_looking_at_files_needs_no_sandbox_and_counts_as_shown(root: Path) -> None:
    model = ScriptedModel(script=["```sh\ncat ops.py\n```", rewrite("a + b", then="")])
    events = await turn(root, model, "Repair the sum")
    assert OPS in model.requests[1].messages[-1].content
    assert len(of_type(events, EditApplied)) == 1
    assert end(events).ending is TurnEnding.DONE


async def test_plan_mode_may_look_but_not_run(root: Path) -> None:
    suite = Suite([report(1)])
    model = ScriptedModel(script=["```sh\ncat ops.py\n```", RUN])
    events = await turn(root, model, suite=suite, approver=ModeApprover("plan"))
    assert (end(events).ending, suite.runs) == (TurnEnding.DECLINED, 0)


async def test_a_search_replace_block_is_put_in_and_checked_like_a_whole_file(root: Path) -> None:
    block = "ops.py\n```\n<<<<<<< SEARCH\n{}\n=======\n{}\n>>>>>>> REPLACE\n```"
    missing = block.format("    return a * b * c", "    return 0")
    breaking = block.format("    return a - b", "    return (")
    right = block.format("return a - b", "return a + b")
    model = ScriptedModel(script=[missing, breaking, right])
    events = await turn(root, model)
    told = [event.reason for event in of_type(events, ReplyUnusable)]
    assert "does not occur" in told[0]
    assert "would not parse" in told[1]
    assert "but for white space" in of_type(events, Notice)[-1].text
    assert (root / "ops.py").read_text() == "def add(a, b):\n    return a + b\n"


async def test_a_block_for_a_file_that_was_not_shown_shows_it_first(root: Path) -> None:
    block = "other.py\n<<<<<<< SEARCH\n    return value\n=======\n    return 1\n>>>>>>> REPLACE\n"
    model = ScriptedModel(script=[block, f"Again.\n\n{block}"])
    events = await turn(root, model, "Let helper return 1")
    assert "def helper(value)" in model.requests[1].messages[-1].content
    assert [event.path for event in of_type(events, EditApplied)] == ["other.py"]


async def test_a_stuck_turn_ends_in_the_best_state_and_says_why(root: Path) -> None:
    files = Files(root / "ops.py")
    suite = Suite([report(2, "x"), report(3), report(1, "x", "y"), report(1, "x", "y")])
    suite.reports[1] = report(3, "z")
    model = ScriptedModel(script=[rewrite(str(n)) for n in (1, 2, 3, 4)])
    events = await turn(root, model, suite=suite, files=files)
    assert end(events).ending is TurnEnding.STUCK
    assert "two changes in a row left the same tests failing" in end(events).reason
    assert "back in the best state of this turn (3 tests pass)" in end(events).reason
    assert (root / "ops.py").read_text() == "def add(a, b):\n    return 2\n"


async def test_what_the_user_changed_meanwhile_is_never_put_back(root: Path) -> None:
    class Meddler(Suite):
        async def __call__(self) -> TestReport:
            if self.runs == 1:
                (root / "ops.py").write_text("mine = 1\n")
            return await super().__call__()

    suite = Meddler([report(3), report(1, "x")])
    model = ScriptedModel(script=[rewrite("1"), rewrite("2")])
    limits = TurnSettings(max_replies=2)
    events = await turn(root, model, suite=suite, files=Files(root / "ops.py"), limits=limits)
    assert "ops.py was changed meanwhile, so nothing was put back" in end(events).reason
    assert (root / "ops.py").read_text() == "mine = 1\n"


async def test_a_turn_that_is_done_keeps_what_it_wrote(root: Path) -> None:
    files = Files(root / "ops.py")
    suite = Suite([report(3), report(1, "x")])
    model = ScriptedModel(script=[rewrite("1"), rewrite("2"), "I leave it so."])
    events = await turn(root, model, suite=suite, files=files)
    assert end(events) == TurnFinished("done", TurnEnding.DONE)
    assert (root / "ops.py").read_text() == "def add(a, b):\n    return 2\n"


async def test_the_limit_of_replies_restores_the_best_state_too(root: Path) -> None:
    files = Files(root / "ops.py")
    suite = Suite([report(3), report(1, "x")])
    model = ScriptedModel(script=[rewrite("1"), rewrite("2")])
    limits = TurnSettings(max_replies=2)
    events = await turn(root, model, suite=suite, files=files, limits=limits)
    assert end(events).ending is TurnEnding.LIMIT
    assert "limit of 2 replies" in end(events).reason
    assert (root / "ops.py").read_text() == "def add(a, b):\n    return 1\n"


async def test_the_tokens_of_a_turn_are_limited(root: Path) -> None:
    model = ScriptedModel(script=["```sh\nls\n```", "```sh\ncat ops.py\n```", "Done."])
    events = await turn(root, model, limits=TurnSettings(max_tokens=100))
    assert end(events).ending is TurnEnding.LIMIT
    assert len(model.requests) == 1


async def test_the_time_of_a_turn_is_limited_and_roles_still_alternate(root: Path) -> None:
    conversation = Conversation()
    model = ScriptedModel(script=[None])
    limits = TurnSettings(max_seconds=0.05)
    events = await turn(root, model, conversation=conversation, limits=limits)
    assert end(events) == TurnFinished("the time limit of 0.05 s is reached", TurnEnding.LIMIT)
    assert conversation.messages[-1].role == "assistant"


@pytest.mark.parametrize(("seconds", "requests"), [(40.0, 2), (70.0, 1)])
async def test_a_model_that_answered_for_long_is_not_asked_once_more(
    root: Path, seconds: float, requests: int
) -> None:
    slow = Scripted(text="```python\ndef add(a, b):\n", finish="length", duration_s=seconds)
    model = ScriptedModel(script=[slow, rewrite("a + b", then="")])
    events = await turn(root, model)
    assert len(model.requests) == requests
    assert end(events).ending is (TurnEnding.DONE if requests > 1 else TurnEnding.UNUSABLE)
    assert ("turn.again_s" in end(events).reason) is (requests == 1)


async def test_the_time_in_which_the_person_thinks_does_not_count(root: Path) -> None:
    class Slow:
        async def decide(self, question: Question) -> Decision:
            await asyncio.sleep(0.4)
            return Decision(allowed=True)

    model = ScriptedModel(script=[rewrite("a + b", then="")])
    events = await turn(root, model, approver=Slow(), limits=TurnSettings(max_seconds=0.3))
    assert end(events).ending is TurnEnding.DONE


async def test_a_full_history_is_replaced_by_a_summary_and_that_is_said(root: Path) -> None:
    conversation = Conversation()
    model = ScriptedModel(
        script=[" ".join(f"Yes {n}." for n in range(700)), "Fine."], context_length=2000
    )
    await turn(root, model, "Is it good?", conversation=conversation)
    events = await turn(root, model, "And now?", conversation=conversation)
    (compacted,) = of_type(events, ContextCompacted)
    assert "the user asked: Is it good?" in compacted.summary
    system, asked = model.requests[1].messages
    assert system.content == prompt("system")
    assert asked.content.startswith(compacted.summary)
    assert asked.content.endswith("And now?")
    assert end(events).ending is TurnEnding.DONE


async def test_a_turn_goes_on_in_a_new_history_when_its_own_is_full(root: Path) -> None:
    (root / "other.py").write_text("x = 1\n" * 50)
    script = [
        f"{' '.join(f'Thinking {n}.' for n in range(270))}\n```sh\ncat other.py\n```",
        rewrite("a + b", then=""),
    ]
    model = ScriptedModel(script=list(script), context_length=1500)
    conversation = Conversation()
    events = await turn(root, model, conversation=conversation)
    assert len(of_type(events, ContextCompacted)) == 1
    asked = model.requests[1].messages[-1].content
    assert [message.role for message in model.requests[1].messages] == ["system", "user"]
    assert "Repair ops.py" in asked
    assert "What came of your last step:" in asked
    assert end(events).ending is TurnEnding.DONE
    assert conversation.requests == ("Repair ops.py",)


async def test_a_failure_in_other_files_brings_a_new_map(root: Path) -> None:
    conversation = Conversation()
    suite = Suite([report(0, "test_add")])
    model = ScriptedModel(script=[RUN, "It fails.", "Now I see."])
    background = Background()
    await turn(
        root, model, "Do they pass?", conversation=conversation, suite=suite, background=background
    )
    assert "Signatures of the repository:" in model.requests[0].messages[1].content
    await turn(root, model, "Why?", conversation=conversation, background=background)
    assert (
        model.requests[2]
        .messages[-1]
        .content.startswith("Signatures of the repository:\nops.py\n  def add(a, b)")
    )


async def test_the_projects_instructions_are_shown_once(root: Path) -> None:
    conversation = Conversation()
    background = Background(instructions="AGENTS.md:\nUse tabs.")
    model = ScriptedModel(script=["Yes.", "Yes."])
    for text in ("One?", "Two?"):
        await turn(root, model, text, conversation=conversation, background=background)
    contents = [message.content for message in model.requests[1].messages]
    assert sum("Use tabs." in content for content in contents) == 1
    assert "Use tabs." not in contents[0]


@pytest.mark.parametrize("name", ["system", "system_search_replace"])
def test_the_system_prompt_is_short(name: str) -> None:
    # No tokenizer makes more tokens of English than one for three bytes, on average.
    assert len(prompt(name).encode()) / 3 <= 500  # type: ignore[arg-type]
