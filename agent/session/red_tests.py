"""Runs the red tests that a request is about, and repairs or explains them.

A claim about a test is made by the runner; the model's words come after it, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from agent.events import (
    FixFinished,
    Notice,
    StageStarted,
    TestFinished,
    TestsFinished,
    TurnEnding,
    TurnFinished,
)
from agent.fixing.options import FixOptions
from agent.fixing.sources import Sources
from agent.model.protocol import GapFiller, Model
from agent.session.looking import failure_facts, pasted_failure
from agent.session.related import all_passed, related_red, those
from agent.streaming import Emit
from agent.testing.project import ProjectTests
from agent.turn.checking import counts, named
from agent.turn.conversation import Conversation
from agent.turn.running import named_tests
from agent.turn.tools import tests_digest
from agent.words import COMMON, words_of
from sandbox.box.contract import SandboxError
from sandbox.host.children import in_thread
from sandbox.verdict.report import TestReport, TestResult

_ABOUT_TESTS = ("test", "suite", "green", "pytest", "build", "ci")
_SEARCH_S = 45.0
_DRAWS_S = 20.0
_TOTAL_S = 80.0
"""Somebody waits for the answer: `run-tests --fix` and `/fix` take as long as the settings say."""
_NAMES_OF_TESTS = re.compile(r"\btest_\w+|\S+\.py\b")
_OF_ORDERS = frozenset(
    [
        "again",
        "all",
        "assume",
        "broke",
        "broken",
        "bug",
        "bugs",
        "build",
        "can",
        "certain",
        "change",
        "code",
        "correct",
        "correctly",
        "could",
        "dont",
        "fail",
        "failed",
        "failing",
        "fails",
        "failure",
        "failures",
        "fault",
        "fine",
        "fix",
        "green",
        "itself",
        "just",
        "make",
        "me",
        "my",
        "need",
        "nothing",
        "okay",
        "one",
        "ones",
        "only",
        "pass",
        "passing",
        "please",
        "pls",
        "red",
        "repair",
        "right",
        "run",
        "solve",
        "somehow",
        "something",
        "still",
        "suite",
        "sure",
        "test",
        "tests",
        "thanks",
        "there",
        "they",
        "touch",
        "tried",
        "trust",
        "work",
        "working",
        "works",
        "wrong",
        "you",
    ]
)
"""Words that say that something is to be repaired, and not what."""
_FEWEST_WORDS = 4
_LONGEST_SAID = 600
_TRACEBACK = "Traceback (most recent call last)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """The outcome of a look at a failure."""

    facts: str = ""
    """Told to the model before it answers."""
    closing: str = ""
    """The outcome, said behind the model's answer: its own claims are not believed."""
    end: TurnFinished | None = None
    """The end of the turn, where what was seen is the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedTests:
    """The red tests that one message may be about."""

    text: str
    attached: str
    conversation: Conversation
    sources: Sources
    known_words: Callable[[str], frozenset[str]]
    """Gives the words of a message that are names of definitions in this project."""
    project: Callable[[], Awaitable[ProjectTests]]
    model: Callable[[], Awaitable[Model]]
    fix: Callable[[FixOptions], Awaitable[FixFinished | None]]
    emit: Emit
    search_s: float
    rewrite_s: float

    async def run(self) -> TestReport:
        """Run all tests, each result shown. Raises SandboxError."""
        project = await self.project()
        self.emit(StageStarted("running all tests"))
        report = await project.run(on_result=lambda result: self.emit(TestFinished(result)))
        self.emit(TestsFinished(report))
        return report

    async def look(self) -> Seen:
        """Run what is said to fail before anything is said about it.

        Raises:
            ModelError: If the model that fills in lines gives no answer.
        """
        wanted = named_tests(self.text, self.sources)
        raised = pasted_failure(f"{self.text}\n{self.attached}", self.sources)
        if raised:
            self.emit(Notice(raised))
        if not wanted and (_TRACEBACK in self.text or not self._is_about_tests):
            return Seen(facts=raised)
        try:
            report = await self.run()
            red = those(report, wanted)
            seen = await self._failure(report, red) if red else self._nothing_red(report, wanted)
        except SandboxError as err:
            self.emit(Notice(f"the tests could not be run, so nothing is known: {err}", "warning"))
            return Seen(facts=raised)
        return replace(seen, facts=f"{seen.facts}\n\n{raised}".strip())

    async def repair(self) -> Seen:
        """Repair the red tests that the message is about; no end if it is about none.

        Raises:
            ModelError, SandboxError: If the repair gets no answer.
        """
        try:
            report = await self.run()
        except SandboxError as err:
            self.emit(Notice(f"the tests could not be run: {err}", "warning"))
            return Seen()
        wanted = named_tests(self.text, self.sources)
        is_named = bool(wanted) or self._is_about_tests
        red = those(report, wanted) if is_named else await self._related(report)
        if not red:
            return self._nothing_red(report, wanted) if is_named else Seen()
        return Seen(end=await self._repaired(frozenset(result.id for result in red)))

    async def _failure(self, report: TestReport, red: Sequence[TestResult]) -> Seen:
        project = await self.project()
        model = await self.model()
        filler = model if isinstance(model, GapFiller) else None
        facts = await failure_facts(report, red, self.sources, project, self.emit, filler=filler)
        still = named([result.id for result in red])
        helps = f" It passes when {facts.helps} (tried in the sandbox)." if facts.helps else ""
        closing = f"Nothing was changed, so {still} still fails.{helps}"
        if not facts.helps:
            return Seen(facts=facts.told, closing=closing)
        self.emit(
            Notice(facts.failure)
        )  # seen, and so better than what a small model would say of it
        self.emit(Notice(closing))
        self.conversation.overhear(f"{facts.told}\n{closing}")
        return Seen(end=TurnFinished("done"))

    def _nothing_red(self, report: TestReport, wanted: Sequence[str]) -> Seen:
        """Say that there is no failure; no end where the run does not prove it."""
        seen = bool(wanted) and all_passed(report, wanted)
        digest = tests_digest(report, self.sources)
        if not report.all_green and not seen:
            return Seen(facts=digest)
        what = ", ".join(wanted) if seen else "every test that ran" if wanted else "every test"
        verb = "pass" if seen and len(wanted) > 1 else "passes"
        self.emit(Notice(f"{what} {verb}: {counts(report)}. There is no failure to look at."))
        self.conversation.overhear(digest)
        return Seen(end=TurnFinished("done"))

    async def _related(self, report: TestReport) -> Sequence[TestResult]:
        """The red tests that a message which names none is probably about."""
        words = await in_thread(self.known_words, self.text)
        red = await in_thread(related_red, self.text, report, self.sources, words)
        if red:
            self.emit(Notice(f"taken to be about {named([result.id for result in red])}"))
        return red

    async def _repaired(self, only: frozenset[str]) -> TurnFinished:
        finished = await self.fix(
            FixOptions(
                only=only,
                search_s=min(self.search_s, _SEARCH_S),
                draws_s=min(self.rewrite_s / 2, _DRAWS_S),
                rewrite_s=self.rewrite_s,
                total_s=_TOTAL_S,
                said=of_the_fault(self.text),
            )
        )
        if finished is None or not only.isdisjoint(finished.red_after):
            return TurnFinished("not repaired: some tests stay red", TurnEnding.FAILED)
        self.conversation.overhear(f"The user asked: {self.text}\nThe repair:\n{finished.diff}")
        return TurnFinished("done")

    @property
    def _is_about_tests(self) -> bool:
        said = self.text.lower()
        return any(
            word in said.replace("_", " ").split() or f"{word}s" in said for word in _ABOUT_TESTS
        )


def of_the_fault(text: str) -> str:
    """The message, if it says more of a fault than that something is to be repaired; else empty."""
    words = {word for word in words_of(_NAMES_OF_TESTS.sub(" ", text)) if word not in COMMON}
    return text.strip()[:_LONGEST_SAID] if len(words - _OF_ORDERS) >= _FEWEST_WORDS else ""
