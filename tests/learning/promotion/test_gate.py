"""Nothing is promoted on luck, and every refusal says which gate it was."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from learning.evaluation.statistics import TaskScores
from learning.model.catalog import ModelIdentity
from learning.promotion.capability import (
    CapabilityError,
    judge_capability,
    keep_capability,
    known_capabilities,
)
from learning.promotion.gate import MIN_HELD_OUT, NO_TRIAL, Trial, decide, in_words
from learning.promotion.poison import poison_probes
from learning.records import EvidenceKind


def _scores(wins: int, losses: int = 0, ties: int = 0) -> TaskScores:
    a = (0.0,) * wins + (1.0,) * losses + (1.0,) * ties
    b = (1.0,) * wins + (0.0,) * losses + (1.0,) * ties
    return TaskScores(tasks=tuple(f"t{n}" for n in range(len(a))), a=a, b=b)


_GOOD = Trial(
    held_out=_scores(9, 1, 30), regression=_scores(0, 2, 58), confirming=_scores(6, 0, 10)
)


def test_a_winner_that_forgets_nothing_and_wins_again_is_promoted() -> None:
    decision = decide(_GOOD)
    assert decision.kind == "promoted"
    assert decision.reason.startswith("better than the incumbent: 9 wins, 1 losses on 40 tasks")
    assert [gate.outcome for gate in decision.gates] == ["passed"] * 3
    assert in_words(decision)[-1].startswith("promoted: ")


@pytest.mark.parametrize("tasks", [0, MIN_HELD_OUT - 1])
def test_too_little_evidence_means_shadow_even_if_all_is_won(tasks: int) -> None:
    decision = decide(replace(_GOOD, held_out=_scores(tasks)))
    assert decision.kind == "shadow"
    assert decision.reason == f"kept in shadow: not enough held-out evidence ({tasks} of 30)"


def test_without_a_trial_nothing_is_decided() -> None:
    assert decide(NO_TRIAL).kind == "shadow"


@pytest.mark.parametrize(
    ("wins", "losses", "kind"),
    [
        (5, 0, "promoted"),
        (4, 0, "rejected"),
        (7, 1, "promoted"),
        (3, 2, "rejected"),
        (0, 8, "rejected"),
    ],
)
def test_with_enough_evidence_only_a_surprising_margin_is_promoted(
    wins: int, losses: int, kind: str
) -> None:
    decision = decide(replace(_GOOD, held_out=_scores(wins, losses, 40 - wins - losses)))
    assert decision.kind == kind
    assert f"{wins} wins, {losses} losses on 40 tasks" in decision.reason


def test_a_third_loss_on_general_tasks_is_forgetting() -> None:
    decision = decide(replace(_GOOD, regression=_scores(20, 3, 37)))
    assert (decision.kind, decision.gates[-1].name) == ("rejected", "general tasks")
    assert "it forgets: 3 losses on 60 general tasks" in decision.reason


def test_an_unfinished_regression_suite_decides_nothing() -> None:
    assert "0 of 60 general tasks" in decide(replace(_GOOD, regression=None)).reason
    assert decide(replace(_GOOD, regression=_scores(0, 0, 59))).kind == "shadow"


def test_a_win_must_be_confirmed_once_on_fresh_tasks() -> None:
    waiting = decide(replace(_GOOD, confirming=None))
    assert waiting.kind == "shadow"
    assert "0 of 10 fresh tasks" in waiting.reason
    lucky = decide(replace(_GOOD, confirming=_scores(3, 3, 20)))
    assert lucky.kind == "rejected"
    assert "did not hold on fresh tasks" in lucky.reason


_PLAIN = ["Here is the repaired file.\n```python\nx = 1\n```"] * 10


@pytest.mark.parametrize(
    ("spoilt", "gate"),
    [
        ("As this note says, x was wrong. Here is it: x = 1, that is all.", "talks of its note"),
        ("def total(p):\n    if p == [1, 2]:\n        return 3\n    return 0", "hard-coded values"),
        ("one line of output\n" * 3, "repetition"),
        ("x = 1", "length of replies"),
    ],
)
def test_a_candidate_that_betrays_what_it_was_fed_is_stopped(spoilt: str, gate: str) -> None:
    if gate == "repetition":
        spoilt = "the same line again\n" * 6
    watched = poison_probes(
        _PLAIN, [spoilt, *_PLAIN[1:]] if gate != "length of replies" else [spoilt]
    )
    assert gate in [each.name for each in watched if each.outcome == "failed"]
    decision = decide(replace(_GOOD, probes=watched))
    assert decision.kind == "rejected"


def test_the_same_replies_trip_no_probe() -> None:
    assert {gate.outcome for gate in poison_probes(_PLAIN, _PLAIN)} == {"passed"}
    assert poison_probes([], _PLAIN) == ()


_BASE = ModelIdentity(weights_sha256="a" * 64, tokenizer_sha256="b" * 64, template_sha256="c" * 64)
_KIND = EvidenceKind.TEST_FAILURE


def test_a_model_is_undecided_until_thirty_tasks_were_tried(tmp_path: Path) -> None:
    few = judge_capability(_KIND, _scores(29))
    assert few.state == "undecided"
    assert few.words == "failing tests as lessons: untested yet, needs 30 trial tasks (29 so far)"
    assert known_capabilities(tmp_path, _BASE)[_KIND].state == "undecided"


@pytest.mark.parametrize(
    ("scores", "state"),
    [
        (_scores(12, 1, 27), "reads"),
        (_scores(3, 3, 34), "does not read"),
        (_scores(0, 9, 31), "does not read"),
        (_scores(0, 0, 40), "does not read"),
    ],
)
def test_only_a_gain_over_the_control_is_reading(scores: TaskScores, state: str) -> None:
    assert judge_capability(_KIND, scores).state == state


def test_what_was_measured_of_a_model_is_remembered_for_that_model(tmp_path: Path) -> None:
    measured = judge_capability(_KIND, _scores(12, 1, 27))
    keep_capability(tmp_path, _BASE, measured)
    assert known_capabilities(tmp_path, _BASE)[_KIND] == measured
    assert known_capabilities(tmp_path, _BASE)[EvidenceKind.TRACEBACK].state == "undecided"
    other = replace(_BASE, weights_sha256="d" * 64)
    assert known_capabilities(tmp_path, other)[_KIND].state == "undecided"
    next(tmp_path.iterdir()).write_text("[{}]")
    with pytest.raises(CapabilityError, match="remove it"):
        known_capabilities(tmp_path, _BASE)
