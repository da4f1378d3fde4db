"""A change that helps is said as what it is: lines put in, left out, or others."""

from __future__ import annotations

import pytest

from agent.candidates.candidate import CandidateChange
from agent.session.looking import change_in_words
from learning.records import Origin

BEFORE = "def f(a):\n    x = 1\n    return a / x\n"


@pytest.mark.parametrize(
    ("after", "said"),
    [
        ("def f(a):\n    x = 2\n    return a / x\n", "f.py:2 is `x = 2` instead of `x = 1`"),
        (
            "def f(a):\n    x = 1\n    if not a:\n        return 0\n    return a / x\n",
            "`if not a: return 0` is put in above f.py:3",
        ),
        ("def f(a):\n    return a / x\n", "f.py:2, `x = 1`, goes"),
        (BEFORE, ""),
    ],
)
def test_a_change_is_said_as_what_it_is(after: str, said: str) -> None:
    change = CandidateChange(path="f.py", line=2, after=after, origin=Origin.TEMPLATE, kind="")
    assert change_in_words(change, BEFORE) == said


def test_a_long_change_is_cut() -> None:
    lines = "".join(f"    value_{n} = {n}\n" for n in range(99))
    change = CandidateChange(
        path="f.py",
        line=2,
        after=BEFORE.replace("    x = 1\n", lines),
        origin=Origin.INFILL,
        kind="",
    )
    assert len(change_in_words(change, BEFORE)) < 220
