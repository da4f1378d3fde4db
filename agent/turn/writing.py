"""Writes the files that a reply gives, after checks and a question; all of them, or none."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace

from agent.approval import Decision, Question
from agent.editing.edits import Accepted, Refused, apply_edit, check_edit
from agent.editing.hunks import keep_hunks
from agent.editing.replacing import NotReplaced, Replaced, replace_hunks
from agent.editing.source_files import SourceFileError
from agent.events import EditApplied, EditProposed, Notice, TurnEnding
from agent.fixing.context import fenced
from agent.fixing.sources import Sources
from agent.reply.named import Names
from agent.reply.parsed import FileEdit, FileEdits
from agent.reply.search_replace import Patch
from agent.streaming import Emit
from agent.turn.best import BestState
from agent.turn.conversation import Conversation
from agent.turn.imports import Completed, completed
from agent.turn.needed import why_unasked
from agent.turn.only_asked import only_asked
from agent.turn.outcome import DECLINED, End, Outcome
from agent.turn.unchanged import about_unasked, about_unchanged, may_vanish
from agent.turn.unplaced import repeated_file


@dataclass(kw_only=True)
class Writing:
    """The edits of one turn, and those of its present action."""

    conversation: Conversation
    user_text: str
    sources: Sources
    decide: Callable[[Question], Awaitable[Decision]]
    emit: Emit
    best: BestState
    allow_test_edits: bool = True
    edits: list[Accepted] = field(default_factory=list)
    """The edits of the present action as the model meant them; the person may have kept only a part."""
    kept_parts: dict[str, str] = field(default_factory=dict)
    """The texts of the files where the person did so, which the model does not know yet."""
    written: set[str] = field(default_factory=set)
    """The paths of all edits of the turn."""
    completed: dict[str, Completed] = field(default_factory=dict)
    """The edits with the imports that a reply had left out, by path."""

    @property
    def in_part(self) -> bool:
        """True if the files of this action are not as the model wrote them."""
        return bool(self.kept_parts) or any(
            each.added or each.is_part or each.has_factories for each in self.completed.values()
        )

    def begin(self) -> None:
        """Begin another action: what the last one wrote is no part of it."""
        self.edits.clear()
        self.kept_parts.clear()
        self.completed.clear()

    async def write(self, reading: FileEdits) -> Outcome | str | None:
        """Check all edits, then ask for and write each; None when all are written.

        Gives the reasons in words where one is refused, and nothing is written then.
        """
        for note in reading.notes:
            self.emit(Notice(note))
        replaced = [self._replaced(patch) for patch in reading.patches]
        checked = [
            self._checked(edit) if isinstance(edit, FileEdit) else edit
            for edit in (*reading.edits, *replaced)
        ]
        written = any(isinstance(item, Accepted) for item in checked)
        if refused := [
            item
            for item in checked
            if isinstance(item, Refused) and not (written and item.kind == "identical")
        ]:
            return "\n\n".join(self._told(item) for item in refused)
        for edit in checked:
            if isinstance(edit, Accepted) and (ends := await self._apply(edit)):
                return ends
        return None

    def _checked(self, edit: FileEdit, *, complete: bool = True) -> Accepted | Refused:
        """Check an edit; with `complete`, it is made what was asked for first."""
        before = self.conversation.shown_text(edit.path)
        if before is None and (other := self._repeated(edit)):
            reason = f"{edit.path} would be a new file with the text of {other}; write {other}"
            return Refused(
                path=edit.path, kind="namesake", reason=f"{reason} above the block to change that"
            )
        edit = edit.beside(before)
        return check_edit(
            self.sources.root,
            self._adapted(edit, before) if complete else edit,
            before,
            allow_test_edits=self.allow_test_edits,
            may_vanish=may_vanish(self.conversation.request),
        )

    def _adapted(self, edit: FileEdit, before: str | None) -> FileEdit:
        """The edit with nothing that was not asked for, where that can be told, and with its imports."""
        asked = only_asked(edit, before, self.user_text)
        whole = completed(asked, before, self.sources)
        self.completed[edit.path] = replace(whole, is_part=asked is not edit)
        return whole.edit

    def _repeated(self, edit: FileEdit) -> str:
        shown, request = self.conversation.shown_files, "\n".join(self.conversation.requests)
        return repeated_file(edit.path, edit.content, shown, request)

    def _replaced(self, patch: Patch) -> FileEdit | Refused:
        """The whole file that SEARCH/REPLACE blocks make of the text that the model has seen."""
        before = self.conversation.shown_text(patch.path)
        if before is None and self.sources.text(patch.path) is not None:
            reason = f"{patch.path} was not shown to the model; nothing was written"
            return Refused(path=patch.path, kind="stale", reason=reason)
        match replace_hunks(before or "", patch.hunks, path=patch.path):
            case NotReplaced(reason=reason):
                return Refused(path=patch.path, kind="no_match", reason=f"{patch.path}: {reason}")
            case Replaced(text=text, notes=notes):
                for note in notes:
                    self.emit(Notice(f"{patch.path}: {note}"))
                return FileEdit(path=patch.path, content=text, exact=True)

    def _told(self, refused: Refused) -> str:
        """The reason to refuse an edit; with the code that the model has to look at."""
        if refused.kind == "identical" and (
            again := about_unchanged(
                refused.path, self.user_text, self.sources, written=self.written
            )
        ):
            return again
        text = self.sources.text(refused.path) if refused.kind == "stale" else None
        if text is None:
            return f"Not written: {refused.reason}."
        self.conversation.mark_shown(refused.path, text)
        return f"Not written: {refused.reason}. This is {refused.path} now:\n{fenced(text, '')}"

    async def _apply(self, edit: Accepted) -> Outcome | None:
        """Ask and write; None when it is written, else what comes of it."""
        if edit.before is None and (other := Names(self.sources.files).in_other_case(edit.path)):
            note = (
                f"{edit.path} is a new file; {other}, which differs in case alone, stays as it is"
            )
            self.emit(Notice(note, "warning"))
        if whole := self.completed.get(edit.path):
            for notice in whole.notices():
                self.emit(notice)
        self.emit(EditProposed(edit.path, edit.diff))
        question = Question(
            kind="edit", subject=edit.path, detail=edit.diff, unasked=self._unasked(edit)
        )
        kept = await self._allowed(edit, question)
        if isinstance(kept, Decision):
            return self._declined(edit.path, kept)
        await self.best.will_write(kept.target, kept.data)
        try:
            apply_edit(kept)
        except SourceFileError as err:
            self.emit(Notice(str(err), "warning"))
            return Outcome(end=End(ending=TurnEnding.FAILED, reason=str(err)))
        self.edits.append(edit)
        self.written.add(edit.path)
        self.best.edited(edit.path, kept.after)
        # What the model knows is its own text: one that differs is shown to it when it matters.
        self.conversation.mark_shown(edit.path, edit.after)
        self.conversation.changed(edit.path)
        self.sources.include(edit.path)
        if kept is not edit:
            self.kept_parts[edit.path] = kept.after
        self.emit(EditApplied(edit.path, kept.diff))
        return None

    def _unasked(self, edit: Accepted) -> str:
        conversation = self.conversation
        return why_unasked(
            edit.path,
            is_new=edit.before is None,
            requests=conversation.requests,
            sources=self.sources,
            also=(*conversation.added_files, *conversation.changed_files, *conversation.focus),
        )

    def _declined(self, path: str, decision: Decision) -> Outcome:
        """The end of the turn; or it goes on with what to do instead."""
        self.emit(Notice(f"{path} was not written: {decision.reason or DECLINED.reason}"))
        if not decision.instead:
            return Outcome(end=DECLINED)
        told = f"This change of {path} is not wanted. Instead: {decision.instead}"
        if not decision.ours:
            self.conversation.asked(decision.instead)
            return Outcome(observation=told)
        code = about_unasked(path, self.user_text, self.sources)
        return Outcome(observation=code or told, again=True)

    async def _allowed(self, edit: Accepted, question: Question) -> Accepted | Decision:
        """The part of an edit that may be written, checked anew; else the refusal."""
        while (decision := await self.decide(question)).allowed:
            if decision.kept is None:
                return edit
            part = keep_hunks(edit.stored_before or "", edit.stored_after, decision.kept)
            if part == edit.stored_after:
                return edit
            text = part.replace("\r\n", "\n")
            checked = self._checked(
                FileEdit(path=edit.path, content=text, exact=True), complete=False
            )
            if isinstance(checked, Accepted):
                return checked
            question = replace(question, problem=f"This part cannot be written: {checked.reason}")
        return decision

    def with_kept_parts(self, outcome: Outcome) -> Outcome:
        """Tell the model, too, what the person left of its change."""
        told = []
        for path, text in self.kept_parts.items():
            self.conversation.mark_shown(path, text)
            said = f"The user kept only a part of your change. This is {path} now:"
            told.append(f"{said}\n{fenced(text, '')}")
        return replace(outcome, observation="\n\n".join([*told, outcome.observation]))
