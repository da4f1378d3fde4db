from __future__ import annotations

from dataclasses import replace

import pytest

from lab.article.published import PUBLISHED
from lab.article.results import ArmRow, ExperimentResult, paired_row
from lab.article.summary import FigureClaim, claims_of, headline

TASKS = [f"q/{number}" for number in range(20)]


def spread(mean: float, *, width: float = 0.02) -> dict[str, float]:
    return {task: mean + width * (n % 5 - 2) for n, task in enumerate(TASKS)}


def row(
    measure: str, gain: float, *, control: float | None, arm: str = "answer", width: float = 0.02
) -> ArmRow:
    before = dict.fromkeys(TASKS, 0.2)
    return paired_row(
        *(arm, measure, before, spread(0.2 + gain, width=width)),
        of_tasks=20,
        control=None if control is None else dict.fromkeys(TASKS, 0.2 + control),
    )


def result(*rows: ArmRow) -> ExperimentResult:
    return ExperimentResult(experiment="mmlu", model="m", settings={"seed": 3}, rows=rows)


def claim(*rows: ArmRow) -> FigureClaim:
    return next(each for each in claims_of([result(*rows)]) if each.arm == "answer")


def test_every_figure_of_the_article_has_a_line_run_or_not() -> None:
    claims = claims_of([], {"gsm8k": "not run: no file"})
    assert [(each.experiment, each.arm) for each in claims] == list(PUBLISHED)
    assert {each.verdict for each in claims} == {"not run"}
    assert claims[-1].why == "not run: no file"
    assert (
        headline(claims) == "The article's 9 figures: 0 holds, 0 not shown, 0 opposite, 9 not run."
    )


def test_two_results_give_a_figure_two_verdicts_and_are_not_more_figures() -> None:
    more = result(row("p(correct)", 0.4, control=0.0), row("share(correct)", 0.4, control=0.0))
    assert headline(claims_of([more, more])) == (
        "The article's 9 figures, 13 verdicts: 2 holds, 0 not shown, 0 opposite, 11 not run."
    )


def test_an_earlier_result_does_not_stand_where_the_experiment_was_not_run_this_time() -> None:
    earlier = ExperimentResult(
        experiment="gsm8k", model="m", settings={}, rows=(row("accuracy", 0.2, control=0.0),)
    )
    claims = claims_of([earlier], {"gsm8k": "not run: no file"})
    assert {each.why for each in claims if each.experiment == "gsm8k"} == {"not run: no file"}
    assert not any(each.row for each in claims)


def test_p_that_grows_with_the_habit_of_letters_does_not_hold() -> None:
    found = claim(
        row("p(correct)", 0.4, control=0.1), row("share(correct)", 0.0, control=0.0, width=0.05)
    )
    assert found.verdict == "not shown"
    assert "share(correct)" in found.why
    assert found.row is not None
    assert found.row.measure == "p(correct)"


@pytest.mark.parametrize(
    ("gain", "control", "verdict"),
    [
        (0.3, 0.1, "holds"),
        (0.3, 0.3, "not shown"),
        (0.1, 0.3, "opposite"),
        (-0.2, -0.4, "not shown"),
        (0.3, None, "no control"),
    ],
)
def test_a_figure_holds_only_beyond_a_note_without_content(
    gain: float, control: float | None, verdict: str
) -> None:
    rows = (row("p(correct)", 0.4, control=0.0), row("share(correct)", gain, control=control))
    assert claim(*rows).verdict == verdict


def test_a_few_tasks_decide_nothing() -> None:
    two = dict.fromkeys(TASKS[:2], 0.2)
    more = paired_row(
        *("answer", "p(correct)", two, dict.fromkeys(two, 0.9)), of_tasks=20, control=two
    )
    found = claim(more, replace(more, measure="share(correct)"))
    assert found.verdict == "too few"
    assert found.why.endswith("on 2 tasks only")


def test_an_arm_that_was_not_reached_says_why() -> None:
    waiting = ArmRow(arm="answer", measure="p(correct)", of_tasks=40, note="not run yet")
    assert (claim(waiting).verdict, claim(waiting).why) == ("not run", "not run yet")
    assert claim().why == "not run: not among the arms of the settings"


def test_rewards_are_compared_with_the_bare_model() -> None:
    grpo = row("accuracy", 0.2, control=0.2, arm="grpo")
    own = ExperimentResult(experiment="gsm8k", model="m", settings={}, rows=(grpo,))
    found = next(each for each in claims_of([own]) if each.arm == "grpo")
    assert (found.verdict, found.seed) == ("holds", None)
