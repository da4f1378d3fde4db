"""Only declared files come out of the sandbox, each after a question, and none over later work."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.approval import Decision, Question
from agent.editing.source_files import SourceFileError
from agent.events import Event
from agent.workspace.bringing import bring_back, declare
from sandbox.box.contract import TransferError


class Person:
    """Says yes to some files, and remembers every question."""

    def __init__(self, *yes: str) -> None:
        self._yes = yes
        self.asked: list[Question] = []

    async def decide(self, question: Question) -> Decision:
        self.asked.append(question)
        return Decision(allowed=question.subject in self._yes, reason="no")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "a.py").write_bytes(b"x = 1\r\n")
    (root / "ignored.bin").write_bytes(b"\0")
    (root / "link").symlink_to(tmp_path)
    return root


async def brought(
    root: Path, person: Person, collected: dict[str, bytes], *paths: str
) -> tuple[tuple[str, ...], list[Event]]:
    events: list[Event] = []
    declared = declare(root, ["a.py"], paths)
    left = await bring_back(declared, collected, decide=person.decide, emit=events.append)
    return left, events


async def test_a_file_is_shown_asked_about_and_written_as_it_is(root: Path) -> None:
    person = Person("a.py", "made/new.bin")
    found = {"a.py": b"x = 2\r\n", "made/new.bin": b"\xff\0"}
    assert (await brought(root, person, found, *found))[0] == ()
    assert {path: (root / path).read_bytes() for path in found} == found
    assert "-x = 1\r\n+x = 2\r\n" in person.asked[0].detail
    assert person.asked[1].detail == "made/new.bin: binary, 2 bytes (new)\n"
    assert {question.kind for question in person.asked} == {"edit"}


async def test_what_is_refused_or_unchanged_is_not_written(root: Path) -> None:
    person = Person()
    assert (await brought(root, person, {"a.py": b"evil"}, "a.py"))[0] == ("a.py",)
    assert (root / "a.py").read_bytes() == b"x = 1\r\n"
    assert (await brought(root, person, {"a.py": b"x = 1\r\n"}, "a.py"))[0] == ()
    assert len(person.asked) == 1


async def test_a_file_that_changed_meanwhile_is_left_alone(root: Path) -> None:
    class Slow(Person):
        async def decide(self, question: Question) -> Decision:
            (root / "a.py").write_text("mine")
            return await super().decide(question)

    left, events = await brought(root, Slow("a.py"), {"a.py": b"theirs"}, "a.py")
    assert (left, (root / "a.py").read_text()) == (("a.py",), "mine")
    assert "changed here meanwhile" in str(events[-1])


async def test_a_file_that_never_came_is_named(root: Path) -> None:
    left, events = await brought(root, Person(), {}, "made.py")
    assert left == ("made.py",)
    assert "made.py is not a regular file in the sandbox" in str(events[0])


@pytest.mark.parametrize(
    "path", ["../x", "/etc/passwd", ".git/config", ".envrc", "link/x", "link", "ignored.bin", ""]
)
def test_what_may_not_come_back_is_refused_before_anything_runs(root: Path, path: str) -> None:
    with pytest.raises((SourceFileError, TransferError)):
        declare(root, ["a.py"], [path])
