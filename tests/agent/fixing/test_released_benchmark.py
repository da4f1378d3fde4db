"""The faults in released packages: 25 different ones, of packages that are pinned."""

from __future__ import annotations

from benchmarks.released import claim
from benchmarks.released_tasks import HAND_MADE, load_faults, load_releases

FAULTS = load_faults()


def test_there_are_five_faults_of_the_claim_and_twenty_more() -> None:
    assert len({fault.id for fault in FAULTS}) == 25
    assert [fault.kind for fault in FAULTS[:HAND_MADE]] == [
        *("missing return", "missing import", "wrong constant"),
        *("wrong operator", "dropped tuple item"),
    ]
    assert len({fault.package for fault in FAULTS[:HAND_MADE]}) == HAND_MADE


def test_every_package_is_pinned_by_a_digest() -> None:
    releases = load_releases()
    assert {fault.package for fault in FAULTS} == set(releases)
    assert all(len(release.sha256) == 64 for release in releases.values())


def test_only_what_was_solved_in_time_counts() -> None:
    rows = [
        {"task": FAULTS[0].id, "arm": "search", "solved": True, "repair_s": 59.0},
        {"task": FAULTS[1].id, "arm": "search", "solved": True, "repair_s": 61.0},
        {"task": FAULTS[9].id, "arm": "search", "solved": False, "repair_s": 9.0},
    ]
    assert claim(rows, FAULTS).endswith("1 of 5, and of the others 0 of 20")
