"""Reads a reply as what it asks for, in the light of the request: a question is never a change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from agent.editing.source_files import is_test_path
from agent.events import Notice
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.reply.parse import parse_reply
from agent.reply.parsed import FileEdits, ParsedReply, PlainAnswer, ShellCommand, Unusable
from agent.streaming import Emit
from agent.turn.conversation import NOT_USABLE, Conversation
from agent.turn.only_asked import asks_for_hints, with_bodies
from agent.turn.opening import forbids_code
from agent.turn.placing import BlockPlacer
from agent.turn.unplaced import has_definitions, unplaced_change
from learning.records import Action

_NO_PATH = (
    "Nothing was written: the reply changes code of {path} without saying so. To change it, write "
    "{path} on a line of its own, then the whole file in a fenced block. If nothing is to be "
    "changed, answer without code."
)
_WHERE = (
    "Nothing was written: it is not clear for which file the code is. Write the path of its file on a "
    "line of its own above the fenced block."
)
_TESTS_ALONE = (
    "Nothing was written: the request asks for tests alone. Write the test functions, with their imports, "
    "in one fenced block."
)
_QUESTION = re.compile(r"\?|^\W*(?:explain|describe|why|what|how|tell|show)\b", re.IGNORECASE)
"""A request that code may answer without being meant for a file, where nobody said what it is."""


def read_reply(
    action: Action,
    *,
    user_text: str,
    conversation: Conversation,
    sources: Sources,
    wanted: Wanted | None,
    emit: Emit,
) -> ParsedReply:
    """The actions of a reply. A changed definition that fits no file answers no request."""
    text = with_bodies(action.text) if asks_for_hints(user_text) else action.text
    reading = parse_reply(
        text,
        known_paths=sources.files,
        finish=action.finish,
        take_patches=True,
        request="\n".join(conversation.requests),
    )
    if action.text.strip() == NOT_USABLE:  # copied from the history
        return Unusable(kind="empty", reason="Answer the request itself.")
    if wanted is not None and not wanted.may_write:
        return _without_changes(reading, action.text, wanted, emit)
    is_question = wanted is None and _QUESTION.search(user_text) is not None
    if not is_question:
        placer = BlockPlacer(conversation=conversation, user_text=user_text, sources=sources)
        reading = placer.placed(text, reading)
    if isinstance(reading, FileEdits) and forbids_code(wanted, user_text):
        return _tests_alone(reading)
    if not isinstance(reading, PlainAnswer) or _QUESTION.search(user_text):
        return reading
    shown = conversation.shown_files
    return _unplaced(action.text, shown, is_read=wanted is not None) or (
        Unusable(kind="label", reason=reading.notes[0]) if reading.notes else reading
    )


def _unplaced(text: str, shown: Mapping[str, str], *, is_read: bool) -> Unusable | None:
    """The reason why code of an answer was not written; None for one that only explains."""
    if path := unplaced_change(text, shown):
        return Unusable(kind="no_path", reason=_NO_PATH.format(path=path))
    if is_read and has_definitions(text, shown):
        return Unusable(kind="no_path", reason=_WHERE)
    return None


def _tests_alone(reading: FileEdits) -> ParsedReply:
    """Keep the edits of test files in a reply to a request for tests: the code that is tested stays as it is."""
    edits = tuple(edit for edit in reading.edits if is_test_path(edit.path))
    if not edits:
        return Unusable(kind="no_path", reason=_TESTS_ALONE)
    return replace(reading, edits=edits)


def _without_changes(reading: ParsedReply, text: str, wanted: Wanted, emit: Emit) -> ParsedReply:
    """A reply to a request that changes no file: its blocks are part of the answer."""
    match reading:
        case FileEdits():
            emit(Notice(f"no file was changed, since this was read as {wanted.words}"))
            return PlainAnswer(text=text)
        case ShellCommand(prose=prose) if prose.strip():
            return PlainAnswer(text=text)
        case Unusable(kind=kind) if kind not in ("empty", "cut_off"):
            return PlainAnswer(text=text)
        case _:
            return reading
