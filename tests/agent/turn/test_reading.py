"""A request for tests alone writes tests, whatever the reply holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.events import Event
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.reply.parsed import FileEdits, ParsedReply, Unusable
from agent.turn.conversation import Conversation
from agent.turn.opening import forbids_code, is_for_tests
from agent.turn.reading import read_reply
from learning.records import Action

FEES = "def late_fee(days):\n    return days * 2\n"
NEW_FEES = "```python\ndef late_fee(days):\n    return 0\n```\n"
NEW_TEST = "```python\ndef test_late_fee():\n    assert late_fee(1) == 2\n```\n"
FOR_TESTS = [
    "write a test for late_fee",
    "Hi! Nobody ever wrote tests for late_fee. Could you add some? They should cover the free days. Thanks",
    "late_fee() isn't tested at all. write some tests for it please: a normal case, and 0 days",
    "late_fee is untested, please write a few tests",
]
FOR_MORE = [
    "add a function median with a test",
    "refactor late_fee, and add tests",
    "late_fee has no tests and is too long, split it and add some",
    "the tests are slow, can you add a --fast option",
    "parse should accept bytes, add tests",
    "save must not overwrite. Add a test.",
    "Buffer should have reset(). write tests for it.",
    "It would be great if load took a Path. add a test",
    "Our test suite is slow; add some caching to load",
    "The tests are flaky - add some retries to fetch()",
    "The tests need a slugify helper, please add one",
    "add tests for load and make it return a list",
    "Add tests for load, it should also accept bytes",
    "add a test for load and handle None there",
    "Add a test that load raises ValueError on empty input, and implement it",
    "add tests, docstrings and type hints for load",
    "Add a test option to the cli",
    "add a test mode to server.py",
    "Write a test server",
    "the tests print this\n" + ("test " + "-" * 75 + "\n") * 100,
]


def read(root: Path, reply: str, request: str, wanted: Wanted = Wanted.NEW) -> ParsedReply:
    (root / "tests").mkdir()
    (root / "fees.py").write_text(FEES)
    (root / "tests/test_fees.py").write_text("from fees import late_fee\n")
    talk = Conversation()
    talk.asked(request)
    talk.mark_shown("fees.py", FEES)
    said: list[Event] = []
    return read_reply(
        Action(text=reply, model="m", adapter=None),
        user_text=request,
        conversation=talk,
        sources=Sources(root, ["fees.py", "tests/test_fees.py"]),
        wanted=wanted,
        emit=said.append,
    )


@pytest.mark.parametrize("request_", FOR_TESTS)
def test_code_in_a_reply_to_a_request_for_tests_is_not_written(
    tmp_path: Path, request_: str
) -> None:
    reading = read(tmp_path, NEW_FEES, request_)
    assert isinstance(reading, Unusable)
    assert "asks for tests alone" in reading.reason


def test_the_tests_beside_it_are_written(tmp_path: Path) -> None:
    reply = f"fees.py\n{NEW_FEES}\ntests/test_fees.py\n{NEW_TEST}"
    reading = read(tmp_path, reply, FOR_TESTS[0])
    assert isinstance(reading, FileEdits)
    assert [edit.path for edit in reading.edits] == ["tests/test_fees.py"]
    assert "test_late_fee" in reading.edits[0].content


@pytest.mark.parametrize("request_", FOR_TESTS)
def test_tests_alone_are_asked_for(request_: str) -> None:
    assert is_for_tests(Wanted.NEW, request_)
    assert forbids_code(Wanted.NEW, request_)
    assert not forbids_code(Wanted.QUESTION, request_)


@pytest.mark.parametrize("request_", FOR_MORE)
@pytest.mark.parametrize("wanted", [Wanted.NEW, Wanted.EDIT, Wanted.REPAIR])
def test_code_may_be_written_where_more_than_tests_is_asked_for(
    request_: str, wanted: Wanted
) -> None:
    assert not forbids_code(wanted, request_)
