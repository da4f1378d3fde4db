"""How far a run is believed once its records are in."""

from __future__ import annotations

import pytest

from sandbox.box.status import VerdictTrust
from sandbox.verdict.canaries import Canaries
from sandbox.verdict.pristine import Footing
from sandbox.verdict.records import RecordReader
from sandbox.verdict.trusting import RunEvidence, interference, trust_of
from tests.fakes.wire import Wire

CANARIES = Canaries(ids=frozenset({"c::x", "c::y"}), plain=frozenset({"c::x"}))
TESTS = ("check_shop.py::verify_total", "lib/spec.py::Shop::verify_sum")


def evidence(*passed: str, canary: str = "failed", tests: tuple[str, ...] = TESTS) -> RunEvidence:
    line = Wire()
    reader = RecordReader("n", "/box", canaries=CANARIES.ids)
    reader.feed(line(kind="collected", ids=[*passed, "c::x"]))
    for name in passed:
        reader.feed(line(kind="result", id=name, outcome="passed"))
    if canary:
        reader.feed(line(kind="result", id="c::x", outcome=canary))
    reader.feed(line(kind="end", exit_code=1))
    return RunEvidence(reader=reader, canaries=CANARIES, expected=frozenset(tests))


def footing(*changed: str) -> Footing:
    return Footing(trust=VerdictTrust.PINNED, changed=frozenset(changed))


def test_untouched_tests_that_all_answered_are_believed() -> None:
    assert trust_of(footing("shop.py"), evidence(*TESTS)) == (VerdictTrust.PINNED, ())


@pytest.mark.parametrize("changed", ["check_shop.py", "lib/spec.py"])
def test_an_edit_of_a_test_file_by_any_name_is_seen_by_what_ran(changed: str) -> None:
    trust, notes = trust_of(footing(changed, "shop.py"), evidence(*TESTS))
    assert trust is VerdictTrust.PLAIN
    assert notes == (f"tests that differ from the last commit: {changed}",)


def test_a_test_of_the_commit_that_says_nothing_is_missed() -> None:
    trust, notes = trust_of(footing(), evidence(TESTS[0]))
    assert trust is VerdictTrust.PLAIN
    assert notes == (f"tests of the last commit without an outcome: {TESTS[1]}",)


@pytest.mark.parametrize(
    ("canary", "note"),
    [("", "tests that must fail did not run"), ("skipped", "tests that must fail were skipped")],
)
def test_tests_that_must_fail_must_have_failed(canary: str, note: str) -> None:
    trust, notes = trust_of(footing(), evidence(*TESTS, canary=canary))
    assert (trust, notes) == (VerdictTrust.PLAIN, (note,))


def test_a_test_that_must_fail_and_passes_is_interference() -> None:
    found = interference(footing(), evidence(*TESTS, canary="passed"), ended=True)
    assert found == ("1 of 2 tests that must fail passed",)
    assert interference(footing(), evidence(*TESTS), ended=True) == ()
