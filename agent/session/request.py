"""Carries out one request of a conversation in the way that its kind asks for.

What a tool does exactly, a tool does: runs, renames, deletions and the repair of red tests need no
reply of the model. What the model writes is judged by the tests, before and after.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.events import (
    FixFinished,
    Notice,
    OutputChunk,
    RequestRead,
    StageStarted,
    TurnEnding,
    TurnFinished,
)
from agent.fixing.context import fenced
from agent.fixing.options import FixOptions
from agent.fixing.sources import Sources
from agent.intent.asking import RequestReading, model_reading, rules_reading
from agent.intent.wanted import Wanted
from agent.model.protocol import Model
from agent.planner.command_line import command_line_steps
from agent.planner.hinting import hint_steps
from agent.planner.needed import needs_steps
from agent.planner.planner import Planner
from agent.planner.said_text import said_text_steps
from agent.planner.step import PlanStep
from agent.refactoring.asked import asked_refactoring
from agent.refactoring.compound import RefactoringFirst, refactoring_first
from agent.session.after import AfterCheck
from agent.session.commands import ending_in_words, exit_code_of
from agent.session.constructing import called_so
from agent.session.exactly import Exactly
from agent.session.looking import unseen_exceptions
from agent.session.planned import Step, do_steps
from agent.session.red_tests import RedTests, Seen
from agent.session.there_already import docstring_there
from agent.session.trying import asked_call, seen_outcome
from agent.session.using import seen_uses
from agent.session.values import named_values
from agent.streaming import Emit
from agent.testing.project import ProjectTests
from agent.turn.conversation import Conversation
from agent.turn.opening import is_for_tests
from agent.turn.running import asked_command
from agent.turn.tools import command_digest, tests_digest
from sandbox.box.contract import SandboxError
from sandbox.host.children import in_thread

_MOST_ATTACHED = 12_000
_ASKS_MORE = re.compile(r"\b(?:why|how|should|explain|better|and|also)\b", re.IGNORECASE)


class Inside(Protocol):
    """The parts of a session that a request uses."""

    async def model(self) -> Model:
        """The model; opened when it is first needed."""
        ...

    async def project(self) -> ProjectTests:
        """The project in the sandbox. Raises SandboxError."""
        ...

    async def converse(self, wanted: Wanted, facts: str) -> TurnFinished:
        """Let the model answer; every event but the last one is shown."""
        ...

    async def carry_out(self, step: Step) -> TurnFinished:
        """Let the model do one step of a plan; every event but the last one is shown."""
        ...

    async def go_on(self, text: str, facts: str) -> TurnFinished:
        """Let the model mend its own change, as this text says; `facts` are no order."""
        ...

    async def fix(self, options: FixOptions, *, quiet: bool = False) -> FixFinished | None:
        """Repair red tests; None if that did not come to its end. `quiet` keeps the end unsaid."""
        ...


@dataclass(kw_only=True)
class Request:
    """One message of the person, and what is done for it."""

    text: str
    conversation: Conversation
    sources: Sources
    inside: Inside
    exactly: Exactly
    after: AfterCheck
    emit: Emit
    planner: Planner | None = None
    """Gives the steps of a request that needs some; None: the model does all at once."""
    search_s: float = 60.0
    rewrite_s: float = 60.0
    attached: str = ""
    """Text that came with the request; it is data, and never says what is wanted."""
    facts: str = field(default="", init=False)
    closing: str = field(default="", init=False)
    """The outcome that was seen, for the end of an answer: the model's own claims are not believed."""

    def __post_init__(self) -> None:
        if self.attached.strip():
            text, more = self.attached.strip(), len(self.attached) - _MOST_ATTACHED
            cut = f"\n[{more} characters are not shown]" if more > 0 else ""
            self.facts = f"Given with the request:\n{fenced(text[:_MOST_ATTACHED] + cut, '')}"

    async def answer(self, wanted: Wanted | None = None) -> TurnFinished:
        """Carry it out as what it is, or as what the person says it is; the turn's last event.

        Raises:
            ModelError: If the model gives no answer.
            SandboxError: If something is to run and the sandbox gives no answer.
            WorkspaceError: If a state of the files cannot be recorded.
        """
        reading = await self._reading(wanted)
        kind = reading.wanted
        self.emit(RequestRead(kind.value, kind.words, reading.by_model))
        return await self._by_tools(kind) or await self._by_model(kind)

    async def _reading(self, wanted: Wanted | None) -> RequestReading:
        if wanted is not None:
            return RequestReading(wanted=wanted)
        known = rules_reading(self.text)
        return known or await model_reading(self.text, await self.inside.model())

    async def _by_tools(self, kind: Wanted) -> TurnFinished | None:
        """Do what needs no reply of the model; None if the model has to answer."""
        if kind is Wanted.RUN:
            return await self._run()
        if kind is Wanted.EXPLAIN:
            return self._take(await self._red_tests.look())
        if kind is Wanted.QUESTION:
            return await self._try()
        if kind is Wanted.REPAIR:
            return self._take(await self._red_tests.repair())
        return await self._exactly() if kind.may_write else None

    async def _exactly(self) -> TurnFinished | None:
        """Do what a tool does, or say that it is there already; None if the model has to write something."""
        if said := await in_thread(docstring_there, self.text, self.sources):
            self.emit(Notice(said))
            return TurnFinished("done")
        if asked := asked_refactoring(self.text):
            return await self.after.checked(lambda: self.exactly.refactor(asked))
        both = refactoring_first(self.text)
        return await self._both(both) if both else None

    @property
    def _red_tests(self) -> RedTests:
        return RedTests(
            text=self.text,
            attached=self.attached,
            conversation=self.conversation,
            sources=self.sources,
            known_words=self.exactly.known_words,
            project=self.inside.project,
            model=self.inside.model,
            fix=self.inside.fix,
            emit=self.emit,
            search_s=self.search_s,
            rewrite_s=self.rewrite_s,
        )

    def _take(self, seen: Seen) -> TurnFinished | None:
        """Keep what was seen for the model, and for the end of its answer; the end, if that was all."""
        self.facts = f"{seen.facts}\n\n{self.facts}".strip()
        self.closing = seen.closing
        return seen.end

    async def _both(self, both: RefactoringFirst) -> TurnFinished | None:
        """Do the refactoring that a request begins with, then let the model do the rest; None if it does not begin."""
        end = await self.after.checked(lambda: self.exactly.refactor(both.asked))
        if end is None or end.ending is not TurnEnding.DONE:
            return end
        after = self.after.since(await self.after.change.snapshot("before the rest of the request"))
        if asked := asked_refactoring(both.rest):
            return await after.checked(lambda: self.exactly.refactor(asked))
        return await do_steps(
            [PlanStep(text=both.rest)],
            *(self.text, self.facts),
            after=after,
            carry_out=self.inside.carry_out,
            again=self.inside.go_on,
            emit=self.emit,
        )

    async def _by_model(self, kind: Wanted) -> TurnFinished:
        if not kind.may_write:
            end = await self.inside.converse(kind, self.facts)
            if kind is Wanted.EXPLAIN:
                self._correct()
            if self.closing:
                self.emit(Notice(self.closing))
            return end
        if steps := await self._planned(kind):
            return await do_steps(
                steps,
                self.text,
                self.facts,
                after=self.after,
                carry_out=self.inside.carry_out,
                again=self.inside.go_on,
                emit=self.emit,
            )
        if is_for_tests(kind, self.text):
            await self._look_how_called()
        checked = await self.after.checked(
            lambda: self.inside.converse(kind, self.facts), again=self.inside.go_on
        )
        return checked or TurnFinished("done")

    async def _look_how_called(self) -> None:
        """Show how that is called which new tests need."""
        try:
            called = await called_so(self.text, self.sources, await self.inside.project())
        except SandboxError:
            return
        if called:
            self.facts = "\n".join(["Called so:", *called, "", self.facts]).strip()

    def _correct(self) -> None:
        """Say where an explanation names an exception that nobody has seen."""
        talk = self.conversation
        reply = talk.messages[-1].content if talk.messages else ""
        seen = "\n".join([self.text, self.facts, *talk.shown_files.values()])
        if unseen := unseen_exceptions(reply, seen):
            one = "is" if len(unseen) == 1 else "are"
            self.emit(
                Notice(
                    f"{' and '.join(unseen)} {one} named above, but not in the failure or the code",
                    "warning",
                )
            )

    async def _planned(self, kind: Wanted) -> Sequence[PlanStep]:
        """The steps that the code itself or a planner gives; none where the request needs none."""
        for steps_of in (command_line_steps, said_text_steps, hint_steps):
            if steps := await in_thread(steps_of, self.text, kind, self.sources):
                return steps
        if self.planner is None or not await in_thread(needs_steps, self.text, kind, self.sources):
            return ()
        return [PlanStep(text=text) for text in await self.planner.steps(self.text, self.sources)]

    async def _run(self) -> TurnFinished | None:
        """Run what the message asks for; None where that is not clear."""
        command = asked_command(self.text, self.sources)
        if command is None:
            return None
        if not command:
            report = await self._red_tests.run()
            self.conversation.overhear(tests_digest(report, self.sources))
            return TurnFinished("done", exit_code=0 if report.all_green else 1)
        project = await self.inside.project()
        self.emit(StageStarted(f"running {command}"))
        execution = await project.run_command(
            command, on_output=lambda data: self.emit(OutputChunk(data.decode("utf-8", "replace")))
        )
        self.conversation.overhear(command_digest(command, execution))
        ending = TurnEnding.DONE if execution.succeeded else TurnEnding.FAILED
        return TurnFinished(ending_in_words(execution), ending, exit_code_of(execution))

    async def _try(self) -> TurnFinished | None:
        """Look at what a question is about: what is seen need not be guessed.

        Where the question asks for nothing else, that is the answer: a small model contradicts it.
        """
        uses = await in_thread(seen_uses, self.text, self.sources)
        seen = uses.said if uses else await self._called()
        if not seen:
            if values := await in_thread(named_values, self.text, self.sources):
                listed = "\n".join(values)
                self.facts = f"Values in the code:\n{listed}\n\n{self.facts}".strip()
            return None
        self.emit(Notice(seen))
        if _ASKS_MORE.search(self.text) or (uses is not None and not uses.answers):
            self.facts = f"{seen}\n\n{self.facts}".strip()
            return None
        self.conversation.overhear(f"The user asked: {self.text}\n{seen}")
        return TurnFinished("done")

    async def _called(self) -> str:
        """The outcome of the call that a question is about; empty if it is about none, or nothing can run."""
        call = asked_call(self.text, self.sources)
        if call is None:
            return ""
        try:
            return await seen_outcome(call, await self.inside.project())
        except SandboxError:
            return ""
