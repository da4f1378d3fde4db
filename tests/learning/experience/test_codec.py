"""Experiences survive their JSON form exactly, and foreign data is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from learning.experience.codec import ExperienceFormatError, decode, encode
from learning.records import (
    Action,
    Evidence,
    EvidenceKind,
    Experience,
    Message,
    Sampling,
    Tier,
    Verdict,
)
from tests.fakes.experiences import make_experience

_TEXT = st.text(max_size=30)
_IDS = st.lists(st.integers(min_value=0, max_value=2**31), max_size=5).map(tuple)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_ACTIONS = st.builds(
    Action,
    text=_TEXT,
    model=_TEXT,
    adapter=st.none() | _TEXT,
    prompt_ids=_IDS,
    token_ids=_IDS,
    logprobs=st.none() | st.lists(_NUMBERS, max_size=4).map(tuple),
    sampling=st.builds(Sampling, temperature=_NUMBERS, seed=st.integers()),
    finish=st.sampled_from(["stop", "length", "cancelled"]),
)
_EXPERIENCES = st.builds(
    Experience,
    id=_TEXT,
    session=_TEXT,
    created_at=_NUMBERS,
    repository=_TEXT,
    model=_TEXT,
    messages=st.lists(
        st.builds(Message, role=st.sampled_from(["system", "user", "assistant"]), content=_TEXT),
        max_size=3,
    ).map(tuple),
    action=_ACTIONS,
    verdict=st.sampled_from(list(Verdict)),
    evidence=st.lists(
        st.builds(
            Evidence,
            kind=st.sampled_from(list(EvidenceKind)),
            tier=st.sampled_from(list(Tier)),
            subject=_TEXT,
            message=_TEXT,
            line=st.integers(),
        ),
        max_size=2,
    ).map(tuple),
    targets=st.lists(_TEXT, max_size=2).map(tuple),
    before=_TEXT,
    fixes=_TEXT,
)


@given(_EXPERIENCES)
def test_every_experience_survives_the_round_trip(experience: Experience) -> None:
    line = encode(experience)
    assert "\n" not in line
    assert decode(line) == experience


@pytest.mark.parametrize(
    "line", ["", "[]", "null", "{}", '{"v": 1}', "{not json", '{"v": 1, "messages": 3}']
)
def test_what_is_not_an_experience_is_refused(line: str) -> None:
    with pytest.raises(ExperienceFormatError, match="not an experience"):
        decode(line)


def test_a_newer_format_is_refused_by_its_number() -> None:
    record = json.loads(encode(make_experience())) | {"v": 99}
    with pytest.raises(ExperienceFormatError, match="99"):
        decode(json.dumps(record))


@pytest.mark.parametrize(
    ("field", "value"),
    [("verdict", "maybe"), ("targets", "t"), ("messages", [{"role": "tool", "content": ""}])],
)
def test_a_field_of_the_wrong_kind_is_refused(field: str, value: object) -> None:
    record = json.loads(encode(make_experience())) | {field: value}
    with pytest.raises(ExperienceFormatError):
        decode(json.dumps(record))
