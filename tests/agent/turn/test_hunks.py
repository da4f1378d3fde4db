"""A person keeps some hunks of an edit: what is written, checked, told and recorded then."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from agent.approval import Decision, Question
from agent.editing.edits import unified_diff
from agent.editing.hunks import keep_hunks
from agent.events import EditApplied, Event, Notice
from agent.session.capture import Recorder
from agent.turn.conversation import OUTSIDE, Conversation
from agent.turn.loop import run_turn
from learning.experience.store import ExperienceStore
from learning.records import Origin, Verdict
from sandbox.box.status import VerdictTrust
from sandbox.verdict.report import RunStatus, TestOutcome, TestReport, TestResult
from tests.fakes.model import ScriptedModel
from tui.show.diffs import parse_diff

FILLER = "".join(f"line_{n} = {n}\n" for n in range(12))
OLD = f"def add(a, b):\n    return a - b\n\n\n{FILLER}\n\ndef half(a):\n    return a\n"
NEW = OLD.replace("a - b", "a + b").replace("    return a\n", "    return a / 2\n")
FIRST = OLD.replace("a - b", "a + b")
REPLY = f"ops.py\n```python\n{NEW}```\n"
LINES = st.lists(st.sampled_from(["a\n", "b\n", "c\n", "\n", "d"]), max_size=30).map("".join)


@dataclass
class Chooses:
    """Answers with these choices of hunks, one after the other, and remembers the questions."""

    choices: list[frozenset[int] | None]
    questions: list[Question] = field(default_factory=list)

    async def decide(self, question: Question) -> Decision:
        self.questions.append(question)
        return Decision(allowed=True, kept=self.choices.pop(0))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "ops.py").write_text(OLD)
    return folder


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[ExperienceStore]:
    with ExperienceStore.open(tmp_path / "experiences.sqlite3") as opened:
        yield opened


def report(outcome: TestOutcome) -> TestReport:
    return TestReport(
        status=RunStatus.COMPLETE, results=(TestResult(id="t.py::test_add", outcome=outcome),),
        runner="pytest", trust=VerdictTrust.PINNED, duration_s=0.1,
    )  # fmt: skip


async def turn(
    root: Path,
    approver: Chooses,
    *replies: str,
    recorder: Recorder | None = None,
    model: ScriptedModel | None = None,
    conversation: Conversation | None = None,
) -> Sequence[Event]:
    async def run_tests() -> TestReport:
        return report(TestOutcome.PASSED)

    events = run_turn(
        conversation or Conversation(),
        "Repair ops.py",
        root=root,
        files=["ops.py"],
        model=model or ScriptedModel(script=list(replies) or [REPLY]),
        approver=approver,
        run_tests=run_tests,
        recorder=recorder,
    )
    return [event async for event in events]


async def test_only_the_kept_hunk_is_written_and_shown_as_changed(root: Path) -> None:
    approver = Chooses([frozenset({0})])
    events = await turn(root, approver)
    assert (root / "ops.py").read_text() == FIRST
    (applied,) = (event for event in events if isinstance(event, EditApplied))
    assert applied.diff == unified_diff("ops.py", OLD, FIRST)
    assert approver.questions[0].detail.count("@@ -") == 2


async def test_a_part_that_does_not_parse_is_not_written_but_asked_about_again(root: Path) -> None:
    quoted = OLD.replace("line_0 = 0\n", 'text = """\n').replace("line_9 = 9\n", '"""\n')
    approver = Chooses([frozenset({0}), None])
    await turn(root, approver, f"ops.py\n```python\n{quoted}```\n")
    first, second = approver.questions
    assert first.problem == ""
    assert "would not parse" in second.problem
    assert second.detail == first.detail
    assert (root / "ops.py").read_text() == quoted


async def test_the_model_reads_what_was_kept_before_it_goes_on(root: Path) -> None:
    model = ScriptedModel(script=[f"{REPLY}\n```sh\npytest\n```", "Done."])
    await turn(root, Chooses([frozenset({0}), None]), model=model)
    told = model.requests[1].messages[-1].content
    assert told.startswith(
        f"The user kept only a part of your change. This is ops.py now:\n```\n{FIRST}"
    )


async def test_what_was_kept_is_the_users_edit_and_earns_the_verdict(
    root: Path, store: ExperienceStore
) -> None:
    recorder = Recorder(store, repository="r", session="s")
    recorder.tests_ran(report(TestOutcome.FAILED))
    replies = (f"{REPLY}\n```sh\npytest\n```", "Done.")
    await turn(root, Chooses([frozenset({0}), None]), *replies, recorder=recorder)
    by_origin = {each.origin: each for each in store.list() if each.path}
    assert by_origin[Origin.TURN].verdict is Verdict.UNKNOWN
    assert by_origin[Origin.TURN].after == NEW
    assert by_origin[Origin.USER].verdict is Verdict.PASS
    assert by_origin[Origin.USER].after == FIRST
    assert by_origin[Origin.USER].fixes == by_origin[Origin.TURN].id


@given(before=LINES, after=LINES)
def test_all_hunks_make_the_new_text_and_none_leave_the_old(before: str, after: str) -> None:
    hunks = [hunk for file in parse_diff(unified_diff("f", before, after)) for hunk in file.hunks]
    assert keep_hunks(before, after, range(len(hunks))) == after
    assert keep_hunks(before, after, ()) == before
    for number in range(len(hunks)):
        left_out = [other for other in range(len(hunks)) if other != number]
        kept = keep_hunks(before, after, left_out)
        assert sum(len(f.hunks) for f in parse_diff(unified_diff("f", before, kept))) <= len(hunks)


async def test_nothing_is_kept_of_a_turn_that_saw_an_outside_tools_output(
    root: Path, store: ExperienceStore
) -> None:
    conversation = Conversation()
    conversation.overhear(f"{OUTSIDE} add of s")
    recorder = Recorder(store, repository="r", session="s")
    events = await turn(root, Chooses([None]), recorder=recorder, conversation=conversation)
    assert list(store.export()) == []
    assert any(isinstance(event, Notice) and "kept to learn" in event.text for event in events)
