"""The model's own replies stay as they are, but for the names that failed."""

from __future__ import annotations

import pytest

from benchmarks.own_replies import gone_places, reply_row
from learning.contexts.change import ApiChange, ChangeKind, Grounds
from learning.records import Message
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


def test_a_reply_becomes_a_row_on_which_nothing_should_change() -> None:
    message = Message(role="user", content="Write table with polars.")
    said = "'DataFrame' object has no attribute 'sort_up'"
    row = reply_row([message], REPLY, [change("groupby", "group_by")], said=said, model="m")
    assert row.kind is ExampleKind.OWN_REPLY
    assert ExampleKind.OWN_REPLY in MIX
    assert row.chosen == REPLY
    assert row.use is not None
    assert [REPLY[a:b] for a, b in row.use.names] == ["groupby", "sort_up"]
