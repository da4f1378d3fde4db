"""Drafts follow what the prompt says, and rest where they do not pay."""

from __future__ import annotations

from hypothesis import given, strategies as st

from learning.model.llama.prompt_lookup import LONGEST_DRAFT, PromptLookup


def copied(lookup: PromptLookup, source: list[int], limit: int = 1000) -> tuple[int, int]:
    """Make a reply that is exactly `source`: steps that it took, and tokens drafted in vain."""
    steps = wasted = made = 0
    while made < len(source):
        draft = lookup.draft(min(limit, len(source) - made - 1))
        right = next((n for n, t in enumerate(draft) if t != source[made + n]), len(draft))
        for token in source[made : made + right + 1]:
            lookup.push(token)
        if draft:
            lookup.judge(len(draft), right)
        made += right + 1
        steps += 1
        wasted += len(draft) - right
    return steps, wasted


def test_a_reply_that_copies_its_prompt_takes_few_steps() -> None:
    file = list(range(400))
    steps, wasted = copied(PromptLookup(file), file)
    assert steps < 20
    assert wasted <= LONGEST_DRAFT


def test_a_copy_goes_on_behind_a_change() -> None:
    file = list(range(400))
    steps, _ = copied(PromptLookup(file), [*file[:200], 9001, 9002, *file[203:]])
    assert steps < 30


def test_of_two_places_that_read_the_same_the_one_ahead_is_copied() -> None:
    lookup = PromptLookup([1, 2, 3, 50, *range(100, 140), 1, 2, 3, 60, 61])
    copied(lookup, list(range(100, 140)))
    for token in (1, 2, 3):
        lookup.push(token)
    assert lookup.draft(2)[:1] == (60,)


def test_drafts_that_are_always_wrong_come_ever_more_rarely() -> None:
    prompt = [token for n in range(200) for token in (1, 2, 3, 1000 + n)]
    steps, wasted = copied(
        PromptLookup(prompt), [t for n in range(500) for t in (1, 2, 3, 5000 + n)]
    )
    assert steps > 800
    assert wasted < 0.25 * 2000


def test_nothing_is_drafted_where_nothing_was_said_before() -> None:
    assert PromptLookup(list(range(50))).draft(10) == ()
    assert PromptLookup([]).draft(10) == ()


@given(st.lists(st.integers(0, 3), max_size=60), st.lists(st.integers(0, 3), max_size=60))
def test_a_draft_stood_in_the_prompt_or_the_reply_and_is_never_too_long(
    prompt: list[int], reply: list[int]
) -> None:
    lookup = PromptLookup(prompt)
    for token in reply:
        draft = lookup.draft(5)
        assert len(draft) <= 5
        lookup.push(token)
        if draft:
            lookup.judge(len(draft), int(draft[0] == token))
