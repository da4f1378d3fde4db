"""Decides how far the verdict of a run is trusted. Pure: nothing runs here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.box.status import VerdictTrust
from sandbox.verdict.canaries import Canaries
from sandbox.verdict.pristine import Footing
from sandbox.verdict.records import RecordReader
from sandbox.verdict.report import TestOutcome

_NAMES_SHOWN = 3
_MUST_END = (TestOutcome.FAILED, TestOutcome.ERROR)
_PASSES = (TestOutcome.PASSED, TestOutcome.XPASSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEvidence:
    """Records, canaries and expected tests of one run, from which its trust follows."""

    reader: RecordReader
    canaries: Canaries
    expected: frozenset[str] | None
    """Tests that must have an outcome; None if nobody knows."""


def interference(footing: Footing, evidence: RunEvidence, *, ended: bool) -> tuple[str, ...]:
    """Return signs that something forged or bent the verdict, one sentence each; empty if none.

    `ended` tells whether the runner reported its own end.
    """
    reader = evidence.reader
    found = list(dict.fromkeys(reader.swapped))[:_NAMES_SHOWN]
    if reader.forged:
        found.append(f"{reader.forged} records did not come from the test reporter")
    if reader.lost and ended:
        found.append(f"{reader.lost} records of the test reporter are missing")
    passed = [name for name, outcome in reader.canary_outcomes.items() if outcome in _PASSES]
    if passed:
        found.append(f"{len(passed)} of {len(evidence.canaries.ids)} tests that must fail passed")
    if ended and footing.trust is VerdictTrust.HARDENED:
        if _silent(evidence):
            found.append("tests that must fail vanished, and no configuration could have done that")
        if avoided := _avoided(evidence):
            found.append(f"tests that must fail were {avoided}, and nothing of the tests does that")
    return tuple(found)


def trust_of(footing: Footing, evidence: RunEvidence) -> tuple[VerdictTrust, tuple[str, ...]]:
    """Return how hard the verdict is to forge, and the reasons why it is no harder."""
    if not footing.trust.may_train:
        return VerdictTrust.PLAIN, footing.notes
    notes = (*_doubtful_canaries(evidence), *_doubtful_results(footing, evidence))
    return (VerdictTrust.PLAIN, notes) if notes else (footing.trust, ())


def _doubtful_results(footing: Footing, evidence: RunEvidence) -> Iterator[str]:
    reader = evidence.reader
    files = {result.id.partition("::")[0] for result in reader.results}
    if touched := footing.changed & files:
        yield f"tests that differ from the last commit: {_few(touched)}"
    if reader.told_twice:
        yield f"reported twice, with different outcomes: {_few(reader.told_twice)}"
    if evidence.expected is None:
        yield "it is not known which tests the last commit has"
    elif missing := evidence.expected - {result.id for result in reader.results}:
        yield f"tests of the last commit without an outcome: {_few(missing)}"


def _doubtful_canaries(evidence: RunEvidence) -> Iterator[str]:
    if not evidence.canaries.plain:
        yield "no test that must fail could be put among the tests"
    elif _silent(evidence):
        yield "tests that must fail did not run"
    if avoided := _avoided(evidence):
        yield f"tests that must fail were {avoided}"


def _silent(evidence: RunEvidence) -> frozenset[str]:
    return evidence.canaries.plain - evidence.reader.canary_outcomes.keys()


def _avoided(evidence: RunEvidence) -> str:
    """Name the outcomes of canaries that neither failed nor passed."""
    ends = {outcome.value for outcome in evidence.reader.canary_outcomes.values()}
    others = ends.difference(_MUST_END, _PASSES)
    return " or ".join(sorted(others))


def _few(names: frozenset[str] | set[str]) -> str:
    shown = ", ".join(sorted(names)[:_NAMES_SHOWN])
    rest = len(names) - _NAMES_SHOWN
    return f"{shown} and {rest} more" if rest > 0 else shown
