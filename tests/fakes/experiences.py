"""Experiences as the recorder would write them, with what a test cares about as arguments."""

from __future__ import annotations

import dataclasses

from learning.records import (
    Action,
    Evidence,
    EvidenceKind,
    Experience,
    Message,
    Sampling,
    Tier,
    Trust,
    Verdict,
)


def make_evidence(**changes: object) -> Evidence:
    evidence = Evidence(
        kind=EvidenceKind.TEST_FAILURE,
        tier=Tier.HARNESS,
        subject="tests/test_shop.py::test_total",
        exception="AssertionError",
        message="assert 9 == 6",
        file="tests/test_shop.py",
        line=7,
        function="test_total",
    )
    return dataclasses.replace(evidence, **changes)  # type: ignore[arg-type]


def make_action(text: str = "x = 1\n", **changes: object) -> Action:
    action = Action(
        text=text,
        model="tiny",
        adapter=None,
        prompt_ids=(1, 2, 3),
        token_ids=(4, 5),
        logprobs=(-0.1, -2.5),
        sampling=Sampling(temperature=0.6, top_p=0.9, seed=3, max_tokens=64),
    )
    return dataclasses.replace(action, **changes)  # type: ignore[arg-type]


def make_experience(id_: str = "e1", **changes: object) -> Experience:
    experience = Experience(
        id=id_,
        session="s1",
        created_at=1_700_000_000.25,
        repository="shop",
        model="tiny",
        messages=(
            Message(role="system", content="You repair code."),
            Message(role="user", content="Make the test pass."),
        ),
        action=make_action(),
        verdict=Verdict.FAIL,
        evidence=(make_evidence(),),
        targets=("tests/test_shop.py::test_total",),
        path="shop.py",
        before="x = 0\n",
        after="x = 1\n",
        trust=Trust.PINNED,
    )
    return dataclasses.replace(experience, **changes)  # type: ignore[arg-type]
