"""A turn may take back its own edits only, writes as the mode says, and claims what was seen."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent.approval import Decision, ModeApprover, Question
from agent.events import EditApplied, Event, Notice, TurnEnding, TurnFinished
from agent.model.protocol import Model, ModelError
from agent.session import baseline
from agent.session.baseline import AfterBaseline
from agent.settings.schema import TurnSettings
from agent.streaming import Emit
from tests.agent.test_assistant import all_of, opened
from tests.fakes.openai_server import FakeServer, serve, text

SUM = "def add(a, b):\n    return a + b\n"
WRONG = SUM.replace("+", "-")
TEST = "from ops import add\n\n\ndef test_add():\n    assert add(2, 3) == 5\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "ops.py").write_text(SUM)
    (folder / "notes.py").write_text("NOTES = 1\n")
    (folder / "test_ops.py").write_text(TEST)
    return folder


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with serve(FakeServer(script=[])) as running:
        yield running


@dataclass
class Asked:
    """An approver that gives one answer, and remembers the questions."""

    allows: bool
    questions: list[Question] = field(default_factory=list)

    async def decide(self, question: Question) -> Decision:
        self.questions.append(question)
        return Decision(allowed=self.allows, reason="" if self.allows else "the user said no")


def said(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Notice))


def ending(events: list[Event]) -> TurnEnding:
    assert isinstance(events[-1], TurnFinished)
    return events[-1].ending


@pytest.mark.docker
async def test_what_others_saved_meanwhile_is_neither_taken_back_nor_claimed(
    root: Path, server: FakeServer
) -> None:
    worse = SUM.replace("a + b", "str(a) + str(b)")
    server.script.append(text(f"ops.py\n```python\n{worse}```"))
    events: list[Event] = []
    async with opened(root, server) as assistant:
        async for event in assistant.turn("let add in ops.py join texts"):
            events.append(event)
            if isinstance(event, EditApplied):
                (root / "notes.py").write_text("NOTES = 2\n")
    assert (root / "ops.py").read_text() == SUM
    assert (root / "notes.py").read_text() == "NOTES = 2\n"
    assert "notes.py: changed by others meanwhile and left" in said(events)
    assert "Changed notes.py" not in said(events)
    assert ending(events) is TurnEnding.FAILED


@pytest.mark.docker
@pytest.mark.parametrize(
    ("mode", "allows", "repaired", "asked"),
    [("auto", True, True, 0), ("plan", True, False, 0), ("ask", False, False, 1),
     ("ask", True, True, 1)],
)  # fmt: skip
async def test_a_repair_writes_only_as_the_mode_says(
    root: Path, server: FakeServer, mode: str, *, allows: bool, repaired: bool, asked: int
) -> None:
    (root / "ops.py").write_text(WRONG)
    person = Asked(allows)
    approver = ModeApprover(mode, person.decide)  # type: ignore[arg-type]
    server.script.append(text("I cannot tell."))
    async with opened(root, server, approver) as assistant:
        events = await all_of(assistant.turn("fix the failing test"))
    assert (root / "ops.py").read_text() == (SUM if repaired else WRONG)
    assert (ending(events) is TurnEnding.DONE) is repaired
    assert bool(person.questions) is bool(asked)


@pytest.mark.docker
@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"test_ops.py": "import unittest\nfrom ops import add\n\n\nclass Test(unittest.TestCase):\n"
             "    def test_add(self):\n        self.assertEqual(add(2, 3), 5)\n\n"
             "    def test_zero(self):\n        self.assertEqual(add(0, 0), 0)\n"},
            "why does test_add fail?",
        ),
        (
            {"test_ops.py": TEST.replace("add\n", "add, gone\n", 1),
             "test_notes.py": "def test_notes():\n    pass\n"},
            "why does test_add fail?",
        ),
    ],
    ids=["unittest", "the file cannot be imported"],
)  # fmt: skip
async def test_a_red_test_is_never_said_to_pass(
    root: Path, server: FakeServer, files: dict[str, str], message: str
) -> None:
    (root / "ops.py").write_text(WRONG)
    for name, content in files.items():
        (root / name).write_text(content)
    server.script.append(text("The sign is wrong."))
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn(message))
    assert "passes:" not in said(events)
    assert "There is no failure to look at" not in said(events)
    assert "still fails" in said(events)


@pytest.mark.docker
async def test_a_rename_that_makes_tests_red_is_taken_back_where_no_model_answers(
    root: Path, server: FakeServer
) -> None:
    (root / "test_ops.py").write_text(
        "import ops\n\n\ndef test_add():\n    assert getattr(ops, 'add')(2, 3) == 5\n"
    )

    async def no_model(_emit: Emit) -> Model:
        raise ModelError("no model answers")

    async with opened(root, server) as assistant:
        assistant._resources.model = no_model  # type: ignore[assignment, method-assign]
        events = await all_of(assistant.turn("rename add to plus"))
    assert (root / "ops.py").read_text() == SUM
    assert "no small repair was tried: no model answers" in said(events)
    assert ending(events) is TurnEnding.FAILED


async def test_tests_that_began_too_late_say_nothing_of_the_time_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(baseline, "_PREPARING_S", 0.01)
    person, late = Asked(allows=True), asyncio.Event()
    waits = AfterBaseline(approver=person, may_write=asyncio.Event(), late=late)
    assert (await waits.decide(Question(kind="edit", subject="ops.py"))).allowed
    assert late.is_set()


TWICE = SUM + "\n\ndef twice(a):\n    return 2 * a\n"
NEW_TEST = "from ops import twice\n\n\ndef test_twice():\n    assert twice(4) == 9\n    assert twice(0) == 0\n"


@pytest.mark.docker
@pytest.mark.parametrize(
    ("tests", "request_"), [(TEST, "add tests of twice"), ("", "write tests for twice")]
)
async def test_a_new_test_that_expects_a_wrong_value_takes_the_codes_and_says_so(
    root: Path, server: FakeServer, tests: str, request_: str
) -> None:
    (root / "ops.py").write_text(TWICE)
    (root / "test_ops.py").write_text(tests)
    server.script.append(text(f"test_ops.py\n```python\n{NEW_TEST}```"))
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn(f"{request_} in ops.py"))
    now = (root / "test_ops.py").read_text()
    assert "assert twice(4) == 8\n" in now
    assert "def test_add" in now or not tests
    assert "test_ops.py" in said(events)
    assert "expected 9 where the code gives 8" in said(events)
    assert (root / "ops.py").read_text() == TWICE
    assert ending(events) is TurnEnding.DONE


@pytest.mark.docker
async def test_a_new_test_of_code_that_gives_nothing_is_taken_back_and_the_code_stays(
    root: Path, server: FakeServer
) -> None:
    broken = TWICE.replace("return 2 * a", "2 * a")
    (root / "ops.py").write_text(broken)
    server.script.append(text(f"test_ops.py\n```python\n{NEW_TEST}```"))
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn("add tests of twice in ops.py"))
    assert (root / "test_ops.py").read_text() == TEST
    assert (root / "ops.py").read_text() == broken
    assert "became red, so it was taken back" in said(events)


@pytest.mark.docker
async def test_another_expected_value_is_asked_about_where_every_edit_is(
    root: Path, server: FakeServer
) -> None:
    (root / "ops.py").write_text(TWICE)
    person = Asked(allows=True)
    server.script.append(text(f"test_ops.py\n```python\n{NEW_TEST}```"))
    async with opened(root, server, ModeApprover("ask", person.decide)) as assistant:
        await all_of(assistant.turn("add tests of twice in ops.py"))
    assert [question.subject for question in person.questions] == ["test_ops.py", "test_ops.py"]
    assert "twice(4) == 8" in person.questions[1].detail


@pytest.mark.docker
async def test_an_expected_value_of_the_person_stays_even_where_its_file_could_not_be_loaded(
    root: Path, server: FakeServer
) -> None:
    old = "from ops import twice\n\n\ndef test_old():\n    assert twice(2) == 5\n"
    (root / "test_twice.py").write_text(old)
    both = f"{old}\n\ndef test_new():\n    assert twice(4) == 9\n"
    server.script.append(
        text(f"ops.py\n```python\n{TWICE}```\n\ntest_twice.py\n```python\n{both}```")
    )
    server.script.extend([text("I cannot tell.")] * 3)
    async with opened(root, server) as assistant:
        await all_of(assistant.turn("add twice to ops.py and a test_new to test_twice.py"))
    assert "twice(2) == 5" in (root / "test_twice.py").read_text()


@pytest.mark.docker
async def test_an_expected_value_that_was_mended_is_no_correction_of_the_person(
    root: Path, server: FakeServer
) -> None:
    (root / "ops.py").write_text(TWICE)
    server.script.append(text(f"test_ops.py\n```python\n{NEW_TEST}```"))
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn("add tests of twice in ops.py"))
        assert "expected 9 where the code gives 8" in said(events)
        recorder = await assistant._resources.recorder(lambda _: None)
        assert recorder is not None
        assert recorder.files_are(lambda path: (root / path).read_text()) == ()


BROKEN = "def add(a, b):\n    digits = [str(a), str(b)]\n    return ''.join(sorted(digits, key=len)) * 2\n"
OTHER = "def add(a, b):\n    total = b\n    return total + a\n"


@pytest.mark.docker
async def test_a_change_that_made_a_test_red_is_mended_by_the_model_that_sees_the_failure(
    root: Path, server: FakeServer
) -> None:
    server.script += [
        text(f"ops.py\n```python\n{BROKEN}```"),
        text("I cannot."),  # asked by the search for the one function
        text(f"ops.py\n```python\n{OTHER}```"),
    ]
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn("let add in ops.py use a total"))
    assert (root / "ops.py").read_text() == OTHER
    assert ending(events) is TurnEnding.DONE
    asked = str(server.requests[-1]["messages"])
    assert "test_add" in asked
    assert "passed before" in asked


@pytest.mark.docker
@pytest.mark.parametrize(
    "again",
    [
        "I cannot.",
        f"ops.py\n```python\n{BROKEN.replace('* 2', '* 3')}```",
        "test_ops.py\n```python\nfrom ops import add\n\n\ndef test_add():\n    assert add\n```",
    ],
)
async def test_a_change_that_the_model_cannot_mend_is_taken_back(
    root: Path, server: FakeServer, again: str
) -> None:
    server.script += [text(f"ops.py\n```python\n{BROKEN}```"), text(again)]
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn("let add in ops.py use a total"))
    assert (root / "ops.py").read_text() == SUM
    assert (root / "test_ops.py").read_text() == TEST
    assert "became red, so it was taken back" in said(events)
    assert ending(events) is TurnEnding.FAILED


@pytest.mark.docker
async def test_a_model_that_has_answered_for_long_is_not_asked_to_mend_its_change(
    root: Path, server: FakeServer
) -> None:
    server.script += [text(f"ops.py\n```python\n{BROKEN}```"), text("I cannot.")]
    async with opened(root, server, limits=TurnSettings(again_s=0.0)) as assistant:
        events = await all_of(assistant.turn("let add in ops.py use a total"))
    assert (root / "ops.py").read_text() == SUM
    assert "not asked once more after 0 s (turn.again_s)" in said(events)
    assert not any("passed before" in str(request["messages"]) for request in server.requests)


@pytest.mark.docker
async def test_a_new_test_that_fails_is_left_out_and_the_others_stay(
    root: Path, server: FakeServer
) -> None:
    (root / "ops.py").write_text(TWICE)
    good = "def test_twice():\n    assert twice(4) == 8\n"
    bad = "def test_nothing():\n    assert twice(None) is True\n"
    reply = f"test_ops.py\n```python\nfrom ops import twice\n\n\n{good}\n\n{bad}```"
    server.script += [text(reply), text("I cannot.")]
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn("add tests of twice in ops.py"))
    now = (root / "test_ops.py").read_text()
    assert "def test_twice" in now
    assert "def test_add" in now
    assert "def test_nothing" not in now
    assert (root / "ops.py").read_text() == TWICE
    assert "test_nothing failed and was left out" in said(events)
    assert ending(events) is TurnEnding.DONE


@pytest.mark.docker
async def test_a_new_test_that_fails_beside_changed_code_is_no_success(
    root: Path, server: FakeServer
) -> None:
    code = "def half(a):\n    return None\n"
    tests = "def test_half():\n    assert half(4) is not 3\n\n\ndef test_value():\n    assert half(4) + 1\n"
    reply = f"ops.py\n```python\n{SUM}\n\n{code}```\ntest_ops.py\n```python\nfrom ops import half\n\n\n{tests}```"
    server.script += [text(reply), text("I cannot.")]
    async with opened(root, server) as assistant:
        events = await all_of(assistant.turn("add a function half to ops.py with a test"))
    assert "failed and was left out" not in said(events)
    assert (root / "test_ops.py").read_text() == TEST
    assert ending(events) is TurnEnding.FAILED
