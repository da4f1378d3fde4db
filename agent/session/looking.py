"""Facts about a failure, from the run itself: its output, the likely places, the code, a change that helps."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

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
_LONGEST_SAID = 160
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
    change = passing[0] if passing else None
    helps = change_in_words(change, sources.text(change.path) or "") if change else ""
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


def change_in_words(change: CandidateChange, text: str) -> str:
    """A change of a file with this text, in words: lines that are put in, left out, or others than they are."""
    before, after = text.split("\n"), change.after.split("\n")
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    spans = [span for span in matcher.get_opcodes() if span[0] != "equal"]
    if not spans:
        return ""
    _, old, old_end, new, new_end = spans[0]
    was, now = _said(before[old:old_end]), _said(after[new:new_end])
    if not was:
        return f"`{now}` is put in above {change.path}:{old + 1}"
    return (
        f"{change.path}:{old + 1} is `{now}` instead of `{was}`"
        if now
        else f"{change.path}:{old + 1}, `{was}`, goes"
    )


def _said(lines: Sequence[str]) -> str:
    """Lines as one, without their indent; cut where they are many."""
    said = " ".join(line.strip() for line in lines if line.strip())
    return said if len(said) <= _LONGEST_SAID else f"{said[:_LONGEST_SAID]} …"


def _with_code(sources: Sources, place: RankedPlace) -> str:
    """A place with the text of its line."""
    lines = (sources.text(place.path) or "").split("\n")
    code = lines[place.line - 1].strip() if 0 < place.line <= len(lines) else ""
    return f"{place.path}:{place.line}: {code}"
