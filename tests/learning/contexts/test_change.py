"""The grounds on which one name is taken for the successor of another."""

from __future__ import annotations

from dataclasses import replace

from learning.contexts.change import ApiChange, ChangeKind, Grounds, surest


def _change(new: str, grounds: Grounds) -> ApiChange:
    return ApiChange(
        library="polars",
        version="2",
        holder="DataFrame",
        old="groupby",
        new=new,
        kind=ChangeKind.NAME,
        grounds=grounds,
    )


def test_the_same_letters_are_surer_than_what_else_was_renamed() -> None:
    renamed = _change("group_by_dynamic", Grounds.DOCUMENTED)
    repaired = _change("partition_by", Grounds.REPAIRED)
    spelled = _change("group_by", Grounds.SPELLING)

    assert surest([renamed, repaired, spelled]) == spelled


def test_nothing_is_surer_than_what_an_error_says() -> None:
    said = _change("partition_by", Grounds.SAID)

    assert surest([_change("group_by", Grounds.SPELLING), said]) == said


def test_grounds_decide_where_letters_do_not() -> None:
    documented, moved = _change("agg", Grounds.DOCUMENTED), _change("over", Grounds.MOVED)

    assert surest([moved, documented]) == documented
    assert surest([]) is None


def test_an_error_about_a_call_names_its_keyword_and_about_a_name_the_name() -> None:
    call = replace(_change("f", Grounds.REPAIRED), kind=ChangeKind.VARIANT, old="f(a='b=c')")
    assert call.gone == ("a",)
    name = replace(_change("f", Grounds.REPAIRED), old="str.len")
    assert name.gone == ("str", "len")
