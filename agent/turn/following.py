"""Asks once more for what a turn was to write and did not: what the request names, and a test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from agent.editing.edits import Accepted
from agent.editing.python_source import definitions
from agent.editing.source_files import is_test_path
from agent.events import Notice
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.prompt_files import filled
from agent.streaming import Emit
from agent.turn.demanded import unmet
from agent.turn.imports import newly_undefined
from agent.turn.needed import subject_files
from agent.turn.only_asked import asks_for_whole_file
from agent.turn.opening import asks_for_test
from agent.turn.outcome import DONE, Outcome
from agent.turn.unchanged import about_left_out, begun_with
from agent.turn.unknown_methods import unknown_methods
from sandbox.host.children import in_thread


@dataclass(kw_only=True)
class FollowUp:
    """The files that one turn has written, and the wishes that were repeated to the model already."""

    user_text: str
    wanted: Wanted | None
    sources: Sources
    emit: Emit
    before: dict[str, str | None] = field(default_factory=dict)
    """The texts of the files that this turn wrote, as they were; None for a new file."""
    asked_for_rest: bool = False
    asked_for_test: bool = False

    async def after(
        self, outcome: Outcome, edits: Sequence[Accepted], kept_parts: Mapping[str, str]
    ) -> Outcome:
        """The outcome; or, once each, the request for what the written code lacks, and for a test alone.

        `edits` were written for it; what the person kept a part of, `kept_parts`, is not asked for again.
        """
        for edit in edits:
            self.before.setdefault(edit.path, edit.before)
        if outcome.end is not DONE or not self.before:
            return outcome
        missing = "" if kept_parts else "; ".join(await in_thread(self._unmet))
        if missing and not self.asked_for_rest:
            self.asked_for_rest = True
            self.emit(Notice(f"not there yet: {missing}; asking once more"))
            told = filled("then_complete", missing=missing, request=self.user_text)
            return replace(outcome, end=None, observation=told)
        if missing:
            self.emit(Notice(f"not there yet: {missing}", "warning"))
        for path, told in () if kept_parts or self.asked_for_rest else self._left_out():
            self.asked_for_rest = True
            self.emit(Notice("some definitions were left out; asking for them"))
            return replace(outcome, end=None, observation=told, begun=begun_with(told, path))
        wants = self.wanted is Wanted.NEW and asks_for_test(self.user_text)
        if self.asked_for_test or not wants or any(map(is_test_path, self.before)):
            return outcome
        self.asked_for_test = True
        told = filled("then_test", what=", ".join(self._new_names()) or "it")
        return replace(outcome, end=None, observation=told)

    def _left_out(self) -> Iterator[tuple[str, str]]:
        """The files whose hints or docstrings a reply left out in part, each with the request for the rest."""
        why = "That is written, but it is a part of what was asked"
        for path in subject_files(self.user_text, self.sources):
            text = self.sources.text(path) or ""
            if path not in self.before or is_test_path(path):
                continue
            if asks_for_whole_file(self.user_text, path, text):
                told = about_left_out(path, self.user_text, self.sources, why=why)
                if told:
                    yield path, told

    def _new_names(self) -> list[str]:
        """The definitions that this turn added to Python code."""
        return [
            name
            for path, before in self.before.items()
            if path.endswith(".py")
            for name in definitions(self.sources.text(path) or "")
            if name not in definitions(before or "")
        ]

    def _unmet(self) -> tuple[str, ...]:
        """The demands of the request, by name, that the files of this turn do not meet, and undefined names."""
        if self.wanted not in (Wanted.NEW, Wanted.EDIT):
            return ()
        now = {path: self.sources.text(path) or "" for path in self.before}
        undefined = (
            said
            for path, text in now.items()
            if path.endswith(".py") and not is_test_path(path)
            for said in self._undefined(path, text)
        )
        return (*unmet(self.user_text, now), *undefined)

    def _undefined(self, path: str, text: str) -> Iterator[str]:
        """Sentences on names and methods that a file uses now and nobody defines."""
        before = self.before[path] or ""
        for name in newly_undefined(before, text):
            yield f"{path} uses {name}, which is defined nowhere"
        for name in unknown_methods(path, before, text, self.sources):
            yield f"{path} calls .{name}(), and nothing in the project defines {name}"
