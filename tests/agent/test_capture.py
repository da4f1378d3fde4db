"""What the agent did becomes experiences that are linked and can be learned from."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.capture import Recorder, evidence_of
from agent.events import ExperienceRecorded
from learning.experience.store import ExperienceStore
from learning.records import Evidence, EvidenceKind, Message, Tier, Verdict
from sandbox.report import Frame, TestOutcome, TestResult
from tests.fakes.experiences import make_action, make_evidence

_ASKED = (Message(role="user", content="Repair it."),)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ExperienceStore]:
    with ExperienceStore.open(tmp_path / "e.sqlite3") as opened:
        yield opened


def _recorder(store: ExperienceStore, seen: list[ExperienceRecorded] | None = None) -> Recorder:
    numbers = itertools.count(1)
    return Recorder(
        store,
        repository="shop",
        session="s1",
        on_recorded=lambda event: seen.append(event) if seen is not None else None,
        clock=lambda: 12.5,
        new_id=lambda: f"e{next(numbers)}",
    )


def _record(recorder: Recorder, verdict: Verdict, *targets: str) -> ExperienceRecorded | None:
    return recorder.record(
        messages=_ASKED,
        action=make_action(),
        verdict=verdict,
        evidence=(make_evidence(),) if verdict is Verdict.FAIL else (),
        targets=targets,
        path="shop.py",
        before="x = 0\n",
        after="x = 1\n",
    )


def test_an_action_is_stored_as_it_was(store: ExperienceStore) -> None:
    seen: list[ExperienceRecorded] = []
    event = _record(_recorder(store, seen), Verdict.FAIL, "t1")
    assert event == ExperienceRecorded(id="e1", verdict="fail", subject="t1")
    assert seen == [event]
    (stored,) = store.list()
    assert (stored.id, stored.session, stored.created_at, stored.repository) == (
        "e1",
        "s1",
        12.5,
        "shop",
    )
    assert stored.messages == _ASKED
    assert stored.action == make_action()
    assert stored.model == "tiny"
    assert stored.evidence == (make_evidence(),)
    assert (stored.before, stored.after) == ("x = 0\n", "x = 1\n")


def test_a_pass_fixes_the_first_failing_action_of_its_target(store: ExperienceStore) -> None:
    recorder = _recorder(store)
    for verdict, target in [
        (Verdict.FAIL, "t1"),
        (Verdict.FAIL, "t2"),
        (Verdict.FAIL, "t1"),
        (Verdict.PASS, "t1"),
        (Verdict.PASS, "t1"),
        (Verdict.PASS, "t3"),
        (Verdict.PASS, "t2"),
    ]:
        _record(recorder, verdict, target)
    fixes = {experience.id: experience.fixes for experience in store.list()}
    assert fixes == {"e1": "", "e2": "", "e3": "", "e4": "e1", "e5": "", "e6": "", "e7": "e2"}


def test_a_failure_of_an_earlier_session_is_not_linked(store: ExperienceStore) -> None:
    _record(_recorder(store), Verdict.FAIL, "t1")
    later = Recorder(store, repository="shop", session="s2", new_id=lambda: "later")
    _record(later, Verdict.PASS, "t1")
    assert store.list(session="s2")[0].fixes == ""


def test_nothing_is_recorded_while_capture_is_off(store: ExperienceStore) -> None:
    store.set_capturing(on=False)
    seen: list[ExperienceRecorded] = []
    recorder = _recorder(store, seen)
    assert _record(recorder, Verdict.FAIL, "t1") is None
    store.set_capturing(on=True)
    _record(recorder, Verdict.PASS, "t1")
    (stored,) = store.list()
    assert stored.fixes == "", "it would name an experience that was not kept"
    assert len(seen) == 1


def test_a_red_test_becomes_evidence_of_the_harness() -> None:
    result = TestResult(
        id="tests/test_shop.py::test_total",
        outcome=TestOutcome.FAILED,
        message="assert 9 == 6\n +  where 9 = total([1, 2, 3])",
        exception="AssertionError",
        file="tests/test_shop.py",
        line=7,
        frames=(Frame(file="tests/test_shop.py", line=7, function="test_total"),),
        detail="a long report with source lines",
    )
    assert evidence_of(result) == Evidence(
        kind=EvidenceKind.TEST_FAILURE,
        tier=Tier.HARNESS,
        subject="tests/test_shop.py::test_total",
        exception="AssertionError",
        message="assert 9 == 6\n +  where 9 = total([1, 2, 3])",
        file="tests/test_shop.py",
        line=7,
        function="test_total",
        got="9",
        expected="6",
    )


def test_a_plain_command_is_read_by_its_last_traceback() -> None:
    detail = (
        "starting\nTraceback (most recent call last):\n"
        "  File \"run.py\", line 3, in main\n    go()\nKeyError: 'sku'\n"
    )
    result = TestResult(id="make check", outcome=TestOutcome.FAILED, detail=detail)
    evidence = evidence_of(result)
    assert (evidence.kind, evidence.exception, evidence.file, evidence.line) == (
        EvidenceKind.TRACEBACK,
        "KeyError",
        "run.py",
        3,
    )
    assert evidence.subject == "make check"


def test_a_failure_that_says_nothing_is_still_evidence_of_its_test() -> None:
    evidence = evidence_of(TestResult(id="make check", outcome=TestOutcome.ERROR))
    assert (evidence.subject, evidence.message) == ("make check", "")


def test_a_long_message_is_capped() -> None:
    result = TestResult(
        id="t", outcome=TestOutcome.FAILED, exception="ValueError", message="x" * 100_000
    )
    assert len(evidence_of(result).message) <= 600
