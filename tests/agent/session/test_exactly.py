"""A refactoring of several files is written as a whole or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from agent.approval import Decision, ModeApprover, Question
from agent.editing import edits
from agent.editing.source_files import SourceFileError, write_atomically
from agent.events import TurnEnding
from agent.fixing.sources import Sources
from agent.refactoring.asked import AskedRefactoring
from agent.refactoring.planning import plan_refactoring
from agent.session.exactly import Exactly
from agent.turn.conversation import Conversation
from agent.workspace.host_files import HostAware, HostFiles
from agent.workspace.workspace import Workspace

STATS = "def mean(values):\n    return sum(values) / len(values)\n"
USE = "from stats import mean\n\n\ndef line(values):\n    return str(mean(values))\n"
RENAME = AskedRefactoring(kind="rename", old="mean", new="average")
RENAME_MODULE = AskedRefactoring(kind="rename", old="stats.py", new="figures.py")


class Journal:
    """A workspace that only notes what will be written, and may do something at each note."""

    def __init__(self, then: Callable[[int], object] = lambda _: None) -> None:
        self.noted: list[str] = []
        self._then = then

    def will_write(self, target: Path, content: bytes | None = None) -> None:
        self.noted.append(target.name)
        self._then(len(self.noted))


class Yes:
    """An approver that allows everything, after it has done something else."""

    def __init__(self, first: Callable[[], object] = lambda: None) -> None:
        self.questions: list[Question] = []
        self._first = first

    async def decide(self, question: Question) -> Decision:
        self.questions.append(question)
        self._first()
        return Decision(allowed=True)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {"stats.py": STATS, "report.py": USE, "table.py": USE}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def texts(root: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in root.glob("*.py")}


def exactly(root: Path, approver: Yes | HostAware, journal: Journal | None = None) -> Exactly:
    return Exactly(
        sources=Sources(root, [path.name for path in root.glob("*.py")]),
        conversation=Conversation(),
        workspace=cast(Workspace, journal or Journal()),
        approver=approver,
        emit=lambda _: None,
    )


async def test_all_files_are_held_before_the_first_is_written(root: Path) -> None:
    seen: list[dict[str, str]] = []
    journal = Journal(lambda _: seen.append(texts(root)))
    before = texts(root)
    end = await exactly(root, Yes(), journal).refactor(RENAME_MODULE)
    assert end is not None
    assert end.ending is TurnEnding.DONE
    assert sorted(journal.noted) == ["figures.py", "report.py", "stats.py", "table.py"]
    assert all(state == before for state in seen)
    assert "stats.py" not in texts(root)


@pytest.mark.parametrize("asked", [RENAME, RENAME_MODULE])
async def test_a_file_that_cannot_be_written_leaves_all_as_they_were(
    root: Path, monkeypatch: pytest.MonkeyPatch, asked: AskedRefactoring
) -> None:
    def write(target: Path, data: bytes) -> None:
        if target.name == "table.py":
            raise SourceFileError("table.py cannot be written: no space is left")
        write_atomically(target, data)

    before = texts(root)
    monkeypatch.setattr(edits, "write_atomically", write)
    with pytest.raises(SourceFileError, match=r"nothing was changed: table\.py cannot be written"):
        await exactly(root, Yes()).refactor(asked)
    assert texts(root) == before


async def test_a_module_that_cannot_be_removed_leaves_all_as_they_were(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unlink = Path.unlink

    def refuse(path: Path, missing_ok: bool = False) -> None:
        if path.name == "stats.py":
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok=missing_ok)

    before = texts(root)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(SourceFileError, match="nothing was changed"):
        await exactly(root, Yes()).refactor(RENAME_MODULE)
    assert texts(root) == before


@pytest.mark.parametrize(("asked", "name"), [(RENAME, "table.py"), (RENAME_MODULE, "stats.py")])
async def test_a_file_that_changes_during_the_question_is_kept_with_all_others(
    root: Path, asked: AskedRefactoring, name: str
) -> None:
    before = texts(root) | {name: "mine = 1\n"}
    approver = Yes(lambda: (root / name).write_text("mine = 1\n"))
    with pytest.raises(SourceFileError, match=f"nothing was changed: {name} changed meanwhile"):
        await exactly(root, approver).refactor(asked)
    assert texts(root) == before


async def test_a_file_that_changes_after_the_planning_is_refused(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(asked: AskedRefactoring, sources: Sources) -> object:
        planned = plan_refactoring(asked, sources)
        (root / "report.py").write_text(USE + "mine = 1\n")
        return planned

    monkeypatch.setattr("agent.session.exactly.plan_refactoring", slow)
    approver = Yes()
    end = await exactly(root, approver).refactor(RENAME)
    assert end is not None
    assert end.ending is TurnEnding.FAILED
    assert approver.questions == []
    assert texts(root) == {"stats.py": STATS, "report.py": USE + "mine = 1\n", "table.py": USE}


async def test_a_turn_that_is_stopped_while_files_are_held_changes_none(root: Path) -> None:
    before = texts(root)
    loop = asyncio.get_running_loop()
    journal = Journal(lambda n: n == 2 and loop.call_soon_threadsafe(task.cancel))
    task = asyncio.ensure_future(exactly(root, Yes(), journal).refactor(RENAME))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert texts(root) == before


async def test_a_program_of_the_host_among_several_files_is_asked_about_in_mode_auto(
    root: Path,
) -> None:
    (root / "report.py").chmod(0o755)
    before = texts(root)
    files = HostFiles(root=root, environ={})
    aware = HostAware(approver=ModeApprover("auto"), files=files)
    end = await exactly(root, aware).refactor(RENAME)
    assert end is not None
    assert end.ending is TurnEnding.DECLINED
    assert texts(root) == before
