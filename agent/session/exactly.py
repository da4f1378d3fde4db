"""Writes what a tool has planned: one question, all files, and one step of `undo`."""

from __future__ import annotations

import asyncio
import re
import stat
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from agent.approval import Approver, Question
from agent.editing.edits import (
    Accepted,
    Applied,
    Refused,
    apply_edit,
    check_edit,
    revert_edit,
    unified_diff,
)
from agent.editing.python_source import definitions
from agent.editing.source_files import (
    SourceFileError,
    read_text_file,
    resolve_inside,
    write_atomically,
)
from agent.events import EditApplied, EditProposed, Notice, StageStarted, TurnEnding, TurnFinished
from agent.fixing.sources import Sources
from agent.refactoring.asked import AskedRefactoring
from agent.refactoring.planned import Refactored, RefactoringError
from agent.refactoring.planning import plan_refactoring
from agent.reply.parsed import FileEdit
from agent.streaming import Emit
from agent.turn.conversation import Conversation
from agent.workspace.workspace import Workspace

_WORD = re.compile(r"[A-Za-z_]\w{2,}")


@dataclass(kw_only=True)
class Exactly:
    """Refactorings of one request, done without the model."""

    sources: Sources
    conversation: Conversation
    workspace: Workspace
    approver: Approver
    emit: Emit

    async def refactor(self, asked: AskedRefactoring) -> TurnFinished | None:
        """Do what was asked for; None where the model has to try.

        Raises:
            SourceFileError: If a file cannot be written; then none is changed.
            WorkspaceError: If its state cannot be recorded.
        """
        self.emit(StageStarted(f"{asked.kind}: {asked.old} {asked.new}".rstrip()))
        try:
            plan = await asyncio.to_thread(plan_refactoring, asked, self.sources)
        except RefactoringError as err:
            if asked.kind not in ("rename", "move") or asked.is_guess:
                return None
            self.emit(Notice(f"{err}. No file was changed."))
            return TurnFinished(str(err), TurnEnding.FAILED)
        edits = [self._checked(path, text, plan) for path, text in sorted(plan.texts.items())]
        if refused := next((edit for edit in edits if isinstance(edit, Refused)), None):
            self.emit(Notice(f"{refused.reason}. No file was changed.", "warning"))
            return TurnFinished(refused.reason, TurnEnding.FAILED)
        return await self._write([e for e in edits if isinstance(e, Accepted)], plan, asked)

    def known_words(self, text: str) -> frozenset[str]:
        """The words of a message that are names of definitions in this project."""
        words = set(_WORD.findall(text))
        known: set[str] = set()
        for path in self.sources.files:
            if path.endswith(".py"):
                names = definitions(self.sources.text(path) or "")
                known |= words & {name.rpartition(".")[2] for name in names}
        return frozenset(known)

    def _checked(self, path: str, text: str, plan: Refactored) -> Accepted | Refused:
        before = plan.before.get(path)
        edit = FileEdit(path=path, content=text, exact=True)
        return check_edit(
            self.sources.root, edit, before, allow_test_edits=True, may_vanish=_names(plan, before)
        )

    async def _write(
        self, edits: list[Accepted], plan: Refactored, asked: AskedRefactoring
    ) -> TurnFinished:
        gone = {path: unified_diff(path, self.sources.stored(path), None) for path in plan.removed}
        diff = "".join([*(edit.diff for edit in edits), *gone.values()])
        paths = (*(edit.path for edit in edits), *gone)
        subject = ", ".join(paths)
        self.emit(EditProposed(subject, diff))
        question = Question(kind="edit", subject=subject, paths=paths, detail=diff)
        decision = await self.approver.decide(question)
        if not decision.allowed or decision.kept is not None:
            why = decision.reason or "a part of it alone would leave the code broken"
            self.emit(Notice(f"nothing was changed: {why}"))
            return TurnFinished("declined", TurnEnding.DECLINED)
        removed = {resolve_inside(self.sources.root, path): plan.before[path] for path in gone}
        for edit in edits:
            await asyncio.to_thread(self.workspace.will_write, edit.target, edit.data)
        for target in removed:
            await asyncio.to_thread(self.workspace.will_write, target)
        _apply_all(edits, removed)  # nothing is awaited from here on: Esc finds all or nothing
        for edit in edits:
            self.sources.include(edit.path)
            self.conversation.changed(edit.path)
            self.emit(EditApplied(edit.path, edit.diff))
        for path, said in gone.items():
            self.emit(EditApplied(path, said))
        if plan.left:
            self.emit(Notice(f"{asked.old} is still written in {', '.join(plan.left)}"))
        done = {
            "rename": "renamed to",
            "move": "moved to",
            "remove": "removed",
            "tidy": "simplified by ruff",
            "property": "made a property",
            "dataclass": "made a data class",
            "constant": "made a constant",
            "log": "made to log what it printed",
        }[asked.kind]
        self.conversation.overhear(
            f"{asked.old} was {done} {asked.new}".rstrip() + f" in {subject}."
        )
        if asked.kind == "tidy":
            self.emit(Notice(f"{asked.old} was {done}; say what else you have in mind for it"))
        return TurnFinished("done")


def _apply_all(edits: Sequence[Accepted], removed: Mapping[Path, str]) -> None:
    """Write all files and remove those that are gone, given the texts that they must still have.

    Raises:
        SourceFileError: If one of them fails; all others are put back.
    """
    with ExitStack() as undo:
        try:
            for edit in edits:
                undo.callback(_put_back, apply_edit(edit))
            for target, text in removed.items():
                if read_text_file(target).text != text:
                    raise SourceFileError(f"{target.name} changed meanwhile")  # noqa: TRY301
                data, mode = target.read_bytes(), target.stat().st_mode
                target.unlink()
                undo.callback(_restore, target, data, mode)
        except (SourceFileError, OSError) as err:
            undo.close()
            raise SourceFileError(f"nothing was changed: {err}") from err
        undo.pop_all()


def _put_back(applied: Applied) -> None:
    if not revert_edit(applied):
        raise SourceFileError(f"{applied.path} was changed by somebody else and stays as it is")


def _restore(target: Path, data: bytes, mode: int) -> None:
    write_atomically(target, data)
    target.chmod(stat.S_IMODE(mode))


def _names(plan: Refactored, before: str | None) -> frozenset[str]:
    """The names that may vanish from a file: those of the plan, and what goes with them."""
    inner = {
        name.rpartition(".")[2]
        for name in definitions(before or "")
        if plan.names & set(name.split("."))
    }
    return plan.names | frozenset(inner)
