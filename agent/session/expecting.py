"""Writes new tests anew that the code does not pass: with its values, or without them; and says so."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from agent.approval import Approver, Question
from agent.editing.edits import Accepted, apply_edit, check_edit
from agent.editing.python_parts import without_definitions
from agent.editing.python_source import definitions
from agent.editing.source_files import SourceFileError, is_test_path
from agent.events import EditApplied, EditProposed, Notice
from agent.fixing.sources import Sources
from agent.reply.parsed import FileEdit
from agent.session.change import TurnChange
from agent.session.expected import Mended, mended_expectations
from sandbox.box.contract import SandboxError
from sandbox.host.children import in_thread

_OF_FUNCTION = 2
"""Parts of the node id of a test that stands in no class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewExpectations:
    """The change that holds new tests, and the person who may allow other values in them."""

    change: TurnChange
    approver: Approver

    async def written(self, tests: Sequence[str], own: Sequence[str]) -> bool:
        """Let red tests that are new expect what the code gives; True if a file was written.

        `tests` are node ids, `own` the files that this turn wrote. An assertion that stood in any
        test file before the turn stays.
        """
        old = await self._texts_before()
        written, tests_alone = False, all(map(is_test_path, own))
        for path in own:
            ids = [name for name in tests if file_of(name) == path]
            if not ids or not path.endswith(".py"):
                continue
            text = await in_thread(Sources(self.change.root, [path]).text, path) or ""
            try:
                mended = await mended_expectations(
                    *(path, text, ids, await self.change.project()), old=old, leave_out=tests_alone
                )
            except SandboxError:
                return written
            written |= mended is not None and await self._write(path, text, mended)
        return written

    async def left_out(self, tests: Sequence[str], own: Sequence[str]) -> bool:
        """Take red tests that are new out of files that keep other new ones; True if a file was written.

        Only where the turn wrote tests alone: beside code that it changed, a red test may be right.
        """
        written = False
        if not all(map(is_test_path, own)):
            return False
        held = await in_thread(self.change.workspace.held, self.change.before, own)
        for path in own:
            ids = (name.partition("[")[0].split("::") for name in tests)
            names = frozenset(id_[1] for id_ in ids if id_[0] == path and len(id_) == _OF_FUNCTION)
            if not names or not path.endswith(".py") or not is_test_path(path):
                continue
            text = await in_thread(Sources(self.change.root, [path]).text, path) or ""
            old = definitions((held.get(path) or b"").decode("utf-8", "replace"))
            rest = without_definitions(text, names - old.keys())
            if not any(name.startswith("test_") for name in definitions(rest).keys() - old.keys()):
                continue
            told = f"{path}: {', '.join(sorted(names))} failed and was left out; the other new tests stay"
            mended = Mended(text=rest, told=(told,))
            written |= rest != text and await self._write(path, text, mended, may_vanish=names)
        return written

    async def _texts_before(self) -> list[str]:
        """Read the changed test files as they were before the turn."""
        tests = [path for path in await self.change.all() if is_test_path(path)]
        held = await in_thread(self.change.workspace.held, self.change.before, tests)
        return [data.decode("utf-8", "replace") for data in held.values() if data is not None]

    async def _write(
        self, path: str, before: str, mended: Mended, *, may_vanish: Collection[str] = ()
    ) -> bool:
        """Write a test file that was mended, if that is allowed, and say what was done."""
        edit = FileEdit(path=path, content=mended.text, exact=True)
        checked = check_edit(
            self.change.root, edit, before, allow_test_edits=True, may_vanish=frozenset(may_vanish)
        )
        if not isinstance(checked, Accepted):
            return False
        self.change.emit(EditProposed(path, checked.diff))
        question = Question(kind="edit", subject=path, detail=checked.diff)
        decision = await self.approver.decide(question)
        if not decision.allowed or decision.kept is not None:
            return False
        await in_thread(self.change.workspace.will_write, checked.target, checked.data)
        try:
            apply_edit(checked)
        except SourceFileError as err:
            self.change.emit(Notice(str(err), "warning"))
            return False
        self.change.conversation.mark_shown(path, mended.text)
        self.change.conversation.overhear("\n".join(mended.told))
        await (
            self.change.put_back()
        )  # what the model wrote is no longer there, and nobody corrected it
        self.change.emit(EditApplied(path, checked.diff))
        for told in mended.told:
            self.change.emit(Notice(told, "warning"))
        return True


def file_of(test_id: str) -> str:
    """Return the file of a test's node id, as pytest and unittest reports name it."""
    return test_id.partition("::")[0]
