"""Facts about a failure, from the run itself: its output, the likely places, the code, a change that helps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from agent.candidates.candidate import CandidateChange
from agent.events import Event, PlacesRanked, RankedPlace
from agent.fixing.context import failure_digest, fenced
from agent.fixing.search import Search, SearchOptions
from agent.fixing.sources import Sources
from agent.fixing.targets import locate_test
from agent.model.protocol import GapFiller
from agent.streaming import Emit
from agent.testing.failures import evidence_of
from agent.testing.project import ProjectTests
from learning.evidence.facts import ReportedFact
from learning.evidence.python import tracebacks
from sandbox.verdict.report import TestReport, TestResult

_SEARCH_S = 40.0
"""Less than the time of a repair: somebody waits for words."""
_PLACES_TOLD = 3
_FAILURES_TOLD = 2
_EXCEPTION = re.compile(r"\b[A-Z]\w*(?:Error|Exception|Warning|Interrupt|Exit)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureFacts:
    """A failure as the sandbox showed it."""

    told: str
    """For the model: the failures, their tests, the likely lines, and what helps."""
    failure: str = ""
    """For the person: the first failure, where it was seen."""
    helps: str = ""
    """For the person: a small change with which the first test passes; empty if none was found."""


@dataclass
class _Places:
    """Takes the ranked places from the events of a search, and shows them."""

    emit: Emit
    ranked: tuple[RankedPlace, ...] = ()

    def __call__(self, event: Event) -> None:
        if isinstance(event, PlacesRanked):
            self.ranked = event.places
        self.emit(event)


async def failure_facts(
    report: TestReport,
    red: Sequence[TestResult],
    sources: Sources,
    project: ProjectTests,
    emit: Emit,
    *,
    filler: GapFiller | None = None,
) -> FailureFacts:
    """The failures as the run showed them, each with its test, and the lines most likely at fault.

    Small changes are tried in the sandbox on the first of them; none is written.

    Raises:
        SandboxError: If the sandbox gives no answer.
    """
    parts = ["The tests were run just now."]
    for result in red[:_FAILURES_TOLD]:
        parts.append(failure_digest(result, evidence_of(result), sources))
        if source := locate_test(result, sources).source:
            parts.append(f"The test:\n{fenced(source, 'python')}")
    places = _Places(emit)
    passing = await Search(
        red=red[:1],
        known_red=report.red,
        sources=sources,
        tester=project,
        filler=filler,
        emit=places,
        options=SearchOptions(budget_s=_SEARCH_S, infill=filler is not None),
    ).passing()
    if places.ranked:
        lines = "\n".join(_with_code(sources, place) for place in places.ranked[:_PLACES_TOLD])
        parts.append(f"Lines of the code that are most likely at fault:\n{lines}")
    helps = _helps(passing[0], sources) if passing else ""
    if helps:
        parts.append(f"Tried in the sandbox: {red[0].id} passes when {helps}.")
    more = len(red) - _FAILURES_TOLD
    parts += [f"{more} more tests fail."] if more > 0 else []
    first = failure_digest(red[0], evidence_of(red[0]), sources)
    return FailureFacts(told="\n\n".join(parts), failure=first, helps=helps)


def pasted_failure(text: str, sources: Sources) -> str:
    """One sentence on the last exception of a pasted traceback and the project's line that raised it.

    Empty if there is no traceback, or none of its lines is one of the project.
    """
    raised = list(tracebacks(text.splitlines()))
    path = _own_file(raised[-1], sources) if raised else ""
    if not path:
        return ""
    fact = raised[-1]
    what = f"{fact.exception}: {fact.message}".rstrip(": ").split("\n")[0]
    where = f"{path}:{fact.line}" + (f" in {fact.function}" if fact.function else "")
    lines = (sources.text(path) or "").split("\n")
    code = lines[fact.line - 1].strip() if 0 < fact.line <= len(lines) else ""
    # a file that was edited since has something else at that line
    shown = f", by `{code}`" if code and code in text else ""
    return f"{what} was raised at {where}{shown}."


def _own_file(fact: ReportedFact, sources: Sources) -> str:
    """The project's file that a traceback names, whatever folder it ran in; empty if it is not clear."""
    fits = [path for path in sources.files if f"/{fact.file}".endswith(f"/{path}")]
    return max(fits, key=len, default="")


def unseen_exceptions(reply: str, seen: str) -> tuple[str, ...]:
    """The exceptions that a reply names and that stand nowhere in what was seen."""
    return tuple(dict.fromkeys(name for name in _EXCEPTION.findall(reply) if name not in seen))


def _helps(change: CandidateChange, sources: Sources) -> str:
    """The change in words: the line as it is, and as it would have to be."""
    before = (sources.text(change.path) or "").split("\n")
    after = change.after.split("\n")
    at = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), None)
    if at is None:
        return ""
    return f"{change.path}:{at + 1} is `{after[at].strip()}` instead of `{before[at].strip()}`"


def _with_code(sources: Sources, place: RankedPlace) -> str:
    """A place with the text of its line."""
    lines = (sources.text(place.path) or "").split("\n")
    code = lines[place.line - 1].strip() if 0 < place.line <= len(lines) else ""
    return f"{place.path}:{place.line}: {code}"
