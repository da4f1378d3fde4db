"""Which experiences are learned from, in which order, and why others are not."""

from __future__ import annotations

from dataclasses import replace

from learning.records import Experience, Origin, Tier, Trust, Verdict
from learning.training.job import ExampleKind
from learning.training.selection import Selection, select
from tests.fakes.experiences import make_action, make_evidence, make_experience


def _failed(id_: str, **changes: object) -> Experience:
    return make_experience(id_, **changes)


def _passed(id_: str, fixes: str = "", **changes: object) -> Experience:
    return make_experience(
        id_, **{"verdict": Verdict.PASS, "fixes": fixes, "evidence": (), **changes}
    )


def _select(*experiences: Experience, max_examples: int = 8) -> Selection:
    return select(experiences, model="tiny", max_examples=max_examples)


def test_fixes_come_before_failures_and_first_tries_last() -> None:
    chosen = _select(_passed("first"), _passed("fix", fixes="bad"), _failed("bad"))
    assert [(e.kind, e.experience_ids) for e in chosen.examples] == [
        (ExampleKind.HINDSIGHT, ("bad", "fix")),
        (ExampleKind.EVIDENCE, ("bad",)),
        (ExampleKind.FIRST_TRY, ("first",)),
    ]
    assert chosen.experience_ids == ("bad", "fix", "first")
    assert chosen.skipped == {}


def test_a_full_round_leaves_out_first_tries_and_counts_them() -> None:
    chosen = _select(_passed("first"), _passed("fix", fixes="bad"), _failed("bad"), max_examples=2)
    assert [e.kind for e in chosen.examples] == [ExampleKind.HINDSIGHT, ExampleKind.EVIDENCE]
    assert chosen.skipped == {"beyond the size of one round": 1}


def test_the_newest_come_first() -> None:
    newest_first = (_failed("new", evidence=(make_evidence(file="a"),)), _failed("old"))
    assert _select(*newest_first, max_examples=1).experience_ids == ("new",)


def test_equal_failures_share_one_weight() -> None:
    same = [_failed(id_, evidence=(make_evidence(line=n),)) for n, id_ in enumerate("abcd")]
    other = _failed("e", evidence=(make_evidence(exception="KeyError"),))
    weights = [example.weight for example in _select(*same, other).examples]
    assert weights == [0.25, 0.25, 0.25, 0.25, 1.0]


def test_what_cannot_be_trained_is_left_out_and_counted() -> None:
    chosen = _select(
        _failed("text only", action=make_action(token_ids=(), prompt_ids=(), logprobs=None)),
        _failed("foreign", evidence=(make_evidence(tier=Tier.FOREIGN),)),
        _failed("silent", evidence=()),
        _failed("other", model="another"),
        _failed("open", verdict=Verdict.UNKNOWN),
    )
    assert chosen.examples == ()
    assert chosen.skipped == {
        "recorded without token ids": 1,
        "made by another model": 1,
        "without a verdict": 1,
        "a failure without evidence that may be learned from": 2,
    }


def test_a_fix_whose_failing_step_is_gone_is_left_out() -> None:
    chosen = _select(_passed("fix", fixes="forgotten"))
    assert chosen.examples == ()
    assert chosen.skipped == {"a fix whose failing step cannot be used": 1}


def test_a_fix_of_another_file_would_teach_guessing() -> None:
    chosen = _select(_passed("fix", fixes="bad", path="other.py"), _failed("bad"))
    assert [example.kind for example in chosen.examples] == [ExampleKind.EVIDENCE]
    assert chosen.skipped == {"a fix of another file than the failing step's": 1}


def test_a_fix_may_be_much_longer_than_the_attempt() -> None:
    long = make_action(token_ids=tuple(range(100)), logprobs=None)
    chosen = _select(_passed("fix", fixes="bad", action=long), _failed("bad"))
    assert chosen.examples[0].kind is ExampleKind.HINDSIGHT
    assert chosen.skipped == {}


def test_a_pass_that_could_have_been_forged_is_not_learned_but_its_failure_is() -> None:
    chosen = _select(
        _passed("first", trust=Trust.PLAIN),
        _passed("fix", fixes="bad", trust=Trust.PLAIN),
        _failed("bad", trust=Trust.PLAIN),
    )
    assert [example.experience_ids for example in chosen.examples] == [("bad",)]
    assert chosen.skipped == {"a pass whose verdict the code could have forged": 2}


def test_fixes_that_are_not_learned_are_measured_once_for_each_failure() -> None:
    long = make_action(token_ids=tuple(range(500)))
    chosen = _select(
        _passed("fix", fixes="bad", after="a"),
        _passed("again", fixes="bad", after="b"),
        _passed("other", fixes="worse", after="c"),
        _passed("long", fixes="worst", after="d", action=long),
        _passed("same", fixes="alike", after="a"),
        *(_failed(id_) for id_ in ("bad", "worse", "worst", "alike")),
        max_examples=1,
    )
    assert chosen.experience_ids == ("bad", "fix")
    assert [each.experience_ids for each in chosen.unseen] == [
        ("worse", "other"),
        ("worst", "long"),
    ]


def test_an_origin_can_be_left_out_and_is_counted() -> None:
    spliced = replace(_passed("spliced"), origin=Origin.SPLICE)
    chosen = select(
        [spliced, _passed("own")],
        model="tiny",
        max_examples=8,
        leave_out=frozenset({Origin.SPLICE}),
    )
    assert [example.step.id for example in chosen.examples] == ["own"]
    assert chosen.skipped == {"of an origin that is left out": 1}


def test_a_change_that_a_search_found_is_learned_from_without_token_ids() -> None:
    bare = replace(make_action(), token_ids=(), prompt_ids=())
    found = replace(_passed("found"), action=bare, origin=Origin.TEMPLATE)
    chosen = _select(found, replace(_passed("other"), action=bare))
    assert [example.step.id for example in chosen.examples] == ["found"]
