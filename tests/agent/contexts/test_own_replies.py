"""The model's own replies stay as they are, but for the names that failed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.contexts.own_replies import gone_places, reply_rows
from learning.contexts.change import ApiChange, ChangeKind, Grounds
from learning.records import (
    Action,
    Evidence,
    EvidenceKind,
    Experience,
    Message,
    Tier,
    Verdict,
)
from learning.training.job import MIX, ExampleKind

REPLY = """Here it is:
```python
import polars as pl

def table(rows):
    frame = pl.DataFrame(rows, columns=["a"]).groupby("a").sum()
    print(frame.columns, columns == 1)
    return frame.join(rows, how="outer").sort_up()
```"""


def change(old: str, new: str, kind: ChangeKind = ChangeKind.NAME) -> ApiChange:
    return ApiChange(
        library="polars",
        version="2.1.0",
        holder="DataFrame",
        old=old,
        new=new,
        kind=kind,
        grounds=Grounds.DOCUMENTED,
    )


def left_out(said: str, *changes: ApiChange, reply: str = REPLY) -> list[str]:
    return [reply[start:end] for start, end in gone_places(reply, changes, said)]


def failed(text: str = REPLY, verdict: Verdict = Verdict.FAIL) -> Experience:
    message = Message(role="user", content="Write table with polars.")
    step = Experience.draft([message], Action(text=text, model="m", adapter=None), verdict)
    fact = Evidence(
        kind=EvidenceKind.TRACEBACK,
        exception="AttributeError",
        message="'DataFrame' object has no attribute 'sort_up'",
        tier=Tier.HARNESS,
        subject="t",
    )
    return replace(step, evidence=(fact,))


def test_an_argument_is_left_out_and_the_attribute_of_that_name_is_not() -> None:
    assert left_out("", change("columns", "schema", ChangeKind.KEYWORD)) == ["columns"]
    place = gone_places(REPLY, [change("columns", "schema", ChangeKind.KEYWORD)], "")[0]
    assert REPLY[place[1]] == "="


def test_old_names_and_texts_are_left_out() -> None:
    assert left_out("", change("DataFrame.groupby", "group_by")) == ["groupby"]
    assert left_out("", change("outer", "full", ChangeKind.VALUE)) == ["outer"]


def test_a_reply_without_the_library_keeps_its_names() -> None:
    assert left_out("", change("append", "concat"), reply="```python\nx.append(1)\n```") == []


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("'DataFrame' object has no attribute 'sort_up'", "sort_up"),
        ("join() got an unexpected keyword argument 'how'", "how"),
        ("name 'rows' is not defined", "rows"),
    ],
)
def test_the_name_that_the_error_gives_is_left_out_and_not_its_holder(said: str, name: str) -> None:
    assert set(left_out(said)) == {name}


def test_failing_replies_of_this_model_become_rows_that_should_not_change() -> None:
    steps = [failed(), failed("No code."), failed(verdict=Verdict.PASS), failed()]
    other = replace(failed(), model="other")
    rows = reply_rows([other, *steps], [change("groupby", "group_by")], model="m", most=9)
    assert [row.kind for row in rows] == [ExampleKind.OWN_REPLY] * 2
    assert ExampleKind.OWN_REPLY in MIX
    assert rows[0].chosen == REPLY
    assert rows[0].use is not None
    assert [REPLY[a:b] for a, b in rows[0].use.names] == ["groupby", "sort_up"]
    assert rows[0].experience_ids == (steps[0].id,), "forgetting the step taints what it made"
    assert len(reply_rows([*steps, *steps], [], model="m", most=1)) == 1
