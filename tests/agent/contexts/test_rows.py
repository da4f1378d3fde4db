"""Rows of a round, their controls, and notes before a first attempt."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from agent.contexts.notes import notes_for
from agent.contexts.rows import equal_share, pair_rows, pass_rows, repair_rows, shuffled
from learning.contexts.change import ApiChange, ChangeKind, Grounds
from learning.contexts.parts import AN_API, judging_part, learned_part
from learning.contexts.use import UseOrigin
from learning.records import (
    Action,
    Evidence,
    EvidenceKind,
    Experience,
    Message,
    Tier,
    Trust,
    Verdict,
)
from learning.training.job import ExampleKind
from tests.fakes.contexts import context

SUMS = [context("cumsum", "cum_sum", "Get the cumulative sum.", number=n) for n in range(4)]
PLACES = [context("take", "gather", "Take values by index.", number=n) for n in range(4)]


def test_a_row_asks_for_the_function_and_knows_where_the_name_stands() -> None:
    for row in pair_rows(SUMS, model="m", noted=0.0):
        assert row.use is not None
        ((start, end),) = row.use.names
        assert row.chosen[start:end] == "cum_sum"
        assert row.use.stale == row.chosen.replace("cum_sum", "cumsum")
        assert row.differs_at == start + len("cum")
        (message,) = row.step.messages
        assert "def compute(values) -> list[int]:" in message.content
        assert "cum_sum" not in message.content, "the request does not give the name away"


def test_a_share_of_the_pairs_has_the_line_of_another_context_as_a_note() -> None:
    rows = pair_rows(SUMS, model="m", noted=1.0)
    for row, own in zip(rows, SUMS, strict=True):
        assert row.use is not None
        assert row.use.noted
        assert "not `cumsum`: `pl.Series(values).cum_sum(" in row.step.messages[0].content
        assert own.line not in row.step.messages[0].content


def test_a_call_that_did_not_change_is_an_anchor() -> None:
    (row,) = pair_rows([replace(SUMS[0], stale="", names=(), api="polars.Series.sum")], model="m")
    assert (row.kind, row.differs_at) == (ExampleKind.API_ANCHOR, None)


def test_the_shuffled_control_has_the_name_of_another_change_in_every_place() -> None:
    rows = pair_rows([*SUMS, *PLACES], model="m")
    for row, other in zip(rows, shuffled(rows), strict=True):
        assert row.use is not None
        assert other.use is not None
        ((start, end),) = other.use.names
        assert other.chosen[start:end] == ("gather" if "cum_sum" in row.chosen else "cum_sum")
        assert other.step.messages == row.step.messages


def test_arms_at_equal_rows_take_as_many_of_each_api() -> None:
    kept = equal_share([*SUMS, *PLACES], an_api=3)
    assert [each.api for each in kept].count(SUMS[0].api) == 3
    assert len(kept) == 6


def test_a_verified_fix_is_a_row_at_the_prompt_of_the_failed_step() -> None:
    change = ApiChange(
        library="polars",
        version="2",
        holder="Series",
        old="cumsum",
        new="cum_sum",
        kind=ChangeKind.NAME,
        grounds=Grounds.REPAIRED,
    )
    asked = [Message(role="user", content="Running totals.")]
    reply = "So:\n```python\nimport polars as pl\n\nx = pl.Series([1]).cum_sum()\n```"

    def step(id_: str, text: str, verdict: Verdict, **more: Any) -> Experience:  # noqa: ANN401
        action = Action(text=text, model="m", adapter=None)
        drafted = Experience.draft(asked, action, verdict)
        return replace(drafted, id=id_, trust=Trust.JUDGE, **more)

    fact = Evidence(
        kind=EvidenceKind.TRACEBACK,
        tier=Tier.HARNESS,
        subject="t",
        exception="AttributeError",
        message="'Series' object has no attribute 'cumsum'",
    )
    failed = step("bad", reply.replace("cum_sum", "cumsum"), Verdict.FAIL, evidence=(fact,))
    fix = step("good", reply, Verdict.PASS, fixes="bad")
    (row,) = repair_rows([fix, failed], [change], model="m")
    assert row.use is not None
    assert (row.chosen, row.use.stale) == (reply, failed.action.text)
    assert [row.chosen[start:end] for start, end in row.use.names] == ["cum_sum"]
    assert (row.experience_ids, row.use.origin) == (("bad", "good"), UseOrigin.RETRY)
    assert row.step.messages == tuple(asked)
    assert repair_rows([fix, failed], [replace(change, old="csum")], model="m") == []
    assert row.step.trust is Trust.JUDGE
    assert repair_rows([replace(fix, trust=Trust.PLAIN), failed], [change], model="m") == []
    assert repair_rows([replace(fix, path="b.py"), failed], [change], model="m") == []


def test_a_fix_in_another_form_is_learned_without_the_contrast() -> None:
    change = ApiChange(
        library="pandas",
        version="3",
        holder="DataFrame",
        old="append",
        new="pandas.concat",
        kind=ChangeKind.JOINED,
        grounds=Grounds.CAPTION,
    )
    fact = Evidence(
        kind=EvidenceKind.TRACEBACK,
        tier=Tier.HARNESS,
        subject="t",
        exception="AttributeError",
        message="'DataFrame' object has no attribute 'append'",
    )
    drafted = Experience.draft(
        [Message(role="user", content="Add a row.")],
        Action(text="```python\nb = a.append(c)\n```", model="m", adapter=None),
        Verdict.FAIL,
    )
    failed = replace(drafted, id="bad", trust=Trust.JUDGE, evidence=(fact,))
    action = replace(failed.action, text="```python\nb = pd.concat(frames)\n```")
    fix = replace(failed, id="good", verdict=Verdict.PASS, fixes="bad", action=action, evidence=())

    (row,) = repair_rows([failed, fix], [change], model="m")

    assert row.use is not None
    assert (row.kind, row.use.stale, row.differs_at) == (ExampleKind.API_PAIR, "", None)
    assert [row.chosen[start:end] for start, end in row.use.names] == ["concat"]


def test_notes_are_chosen_by_what_the_request_needs() -> None:
    every = [*SUMS, *PLACES]
    told = notes_for("With polars: take the values at each index.", every)
    assert "not `take`: `pl.Series(values).gather(0)`" in told
    assert "cum_sum" not in told
    assert "polars 2" in told


def test_nothing_is_told_of_libraries_that_are_not_in_question_or_of_other_needs() -> None:
    every = [*SUMS, *PLACES]
    assert notes_for("Take the values at each index.", every) == ""
    assert "gather" in notes_for(
        "Take the values at each index.", every, code="import polars as pl"
    )
    assert notes_for("With polars: write a file.", every) == ""


def test_notes_stay_within_their_budget() -> None:
    told = notes_for("polars: take by index, cumulative sum", [*SUMS, *PLACES], max_tokens=15)
    assert told.count("- not") == 1


def test_a_control_needs_names_of_two_apis() -> None:
    rows = pair_rows(SUMS, model="m")
    with pytest.raises(ValueError, match="another API"):
        shuffled(rows)


def test_a_row_replies_in_the_form_of_the_model_with_the_docstring_it_was_asked_with() -> None:
    (row,) = pair_rows(SUMS[:1], model="m", noted=0.0)
    asked = row.step.messages[0].content
    (docstring,) = [line for line in asked.splitlines() if line.strip().startswith('"""')]

    assert f"def compute(values) -> list[int]:\n{docstring}\n    return" in row.chosen
    assert row.use is not None
    assert docstring in row.use.stale


def test_a_row_names_its_context_and_the_failures_that_it_was_built_for() -> None:
    (row,) = pair_rows(SUMS[:1], model="m", experiences={SUMS[0].api: ["a", "b"]})

    assert row.use is not None
    assert row.use.context == SUMS[0].id
    assert row.experience_ids == ("a", "b")


def test_no_context_is_both_learned_and_asked() -> None:
    contexts = [context("cumsum", "cum_sum", "Get the sum.", number=n) for n in range(60)]
    contexts += [context("take", "gather", "Take values.", number=n) for n in range(60)]

    learned = learned_part(contexts)
    asked = judging_part(contexts, apis={contexts[0].api})

    assert len(learned) == 2 * AN_API
    assert {each.api for each in asked} == {contexts[0].api}
    assert len(asked) == 60 - AN_API
    assert not {each.id for each in learned} & {each.id for each in asked}


def test_what_was_learned_all_the_same_does_not_judge() -> None:
    contexts = [context("cumsum", "cum_sum", "Get the sum.", number=n) for n in range(60)]
    apis = {contexts[0].api}
    first, *others = judging_part(contexts, apis=apis)

    assert judging_part(contexts, apis=apis, learned={first.id}) == others


@pytest.mark.parametrize(
    "unclear",
    [{"request": ""}, {"head": "def compute():"}, {"value": "1" * 500}],
)
def test_what_cannot_be_asked_for_is_learned_instead(unclear: dict[str, Any]) -> None:
    contexts = [
        replace(context("cumsum", "cum_sum", "Get the sum.", number=n), **unclear)
        for n in range(AN_API)
    ]

    assert len(learned_part(contexts)) == AN_API
    assert not judging_part(contexts, apis={contexts[0].api})


def test_own_passes_stay_as_they_are_and_name_their_experience() -> None:
    action = Action(text="```python\nx = 1\n```", model="m", adapter=None)
    message = Message(role="user", content="Write it.")
    drafted = Experience.draft([message], action, Verdict.PASS)
    own = replace(drafted, id="own", trust=Trust.JUDGE)
    others = [
        replace(own, id="fix", fixes="own"),
        replace(own, id="red", verdict=Verdict.FAIL),
        replace(own, id="theirs", model="other"),
        replace(own, id="plain", trust=Trust.PLAIN),
    ]

    (row,) = pass_rows([*others, own, replace(own, id="more")], model="m", most=1)

    assert row.kind is ExampleKind.OWN_PASS
    assert row.experience_ids == ("own",)
