"""What the gates said of a round, in words and as plots; whatever a manifest holds is shown."""

from __future__ import annotations

from typing import Any

import pytest
from textual.app import App, ComposeResult

from agent.library.rounds import GateResult, JudgedRound, round_of, version_of
from learning.evaluation.statistics import TaskScores
from learning.promotion.gate import Trial, as_record, decide
from tui.app.learner.plots import Plots

NAME = "el-warehouse-v0007-3f9c21aa"


def scores(wins: int, losses: int, ties: int) -> TaskScores:
    names = tuple(f"t{n}" for n in range(wins + losses + ties))
    a = (0.0,) * wins + (1.0,) * losses + (1.0,) * ties
    b = (1.0,) * wins + (0.0,) * losses + (1.0,) * ties
    return TaskScores(tasks=names, a=a, b=b)


def judged(trial: Trial) -> JudgedRound:
    """The round as it is read back from what a real decision writes."""
    found = round_of(NAME, as_record(decide(trial), incumbent=None, at=0.0))
    assert found is not None
    return found


def test_a_verdict_is_one_sentence_with_its_figures() -> None:
    better = Trial(
        held_out=scores(9, 1, 30), regression=scores(0, 0, 60), confirming=scores(6, 0, 8)
    )
    assert judged(better).words == (
        "v7 promoted: 9 wins, 1 losses on your repository, regression suite 60/60"
    )
    forgets = Trial(held_out=scores(9, 0, 31), regression=scores(0, 4, 56))
    assert judged(forgets).words == (
        "v7 rejected: 9 wins, 0 losses on your repository, regression suite 56/60"
    )
    assert judged(Trial(held_out=scores(1, 0, 4))).words == (
        "v7 saved, not in use: not enough held-out evidence (5 of 30)"
    )


def test_each_gate_says_its_outcome_in_words() -> None:
    *_, last = judged(Trial(held_out=scores(9, 0, 31), regression=scores(0, 4, 56))).gates
    assert last.line.startswith("NOT PASSED: general tasks (it forgets: 4 losses on 60")


def test_a_gate_of_an_older_manifest_has_words_and_no_figures() -> None:
    gate = {"name": "tasks of this repository", "outcome": "passed", "words": "9 wins"}
    found = round_of(NAME, {"kind": "promoted", "reason": "better", "gates": [gate]})
    assert found is not None
    assert (found.gates[0].line, found.words) == (
        "passed: tasks of this repository (9 wins)",
        "v7 promoted: better",
    )


@pytest.mark.parametrize(
    "record", [{}, {"gates": None}, {"gates": [{"name": "x"}], "kind": "promoted", "reason": ""}]
)
def test_a_damaged_or_missing_decision_is_no_round(record: dict[str, Any]) -> None:
    assert round_of(NAME, record) is None


def test_versions_are_short_where_the_name_has_one() -> None:
    assert version_of(NAME) == "v7"
    assert version_of("mine") == "mine"


class Shows(App[None]):
    CSS = "PlotextPlot { height: 9; } Plots, Static { height: auto; }"

    def compose(self) -> ComposeResult:
        yield Plots()


def text_of(app: App[None], selector: str) -> str:
    widget = app.query_one(selector)
    return "\n".join(widget.render_line(y).text for y in range(widget.size.height))


async def test_plots_can_be_read_without_colours() -> None:
    gates = (
        GateResult(name="tasks of this repository", outcome="passed", words="", wins=9, losses=2,
                   tasks=41),
        GateResult(name="general tasks", outcome="passed", words="", losses=1, tasks=60),
    )  # fmt: skip
    app = Shows()
    async with app.run_test(size=(44, 40)) as pilot:
        plots = app.query_one(Plots)
        plots.draw(
            [2.4, 1.9, 1.2, 0.8],
            [JudgedRound(adapter=NAME, kind="promoted", reason="", gates=gates)],
        )
        await pilot.pause()
        wins, kept = text_of(app, "#wins"), text_of(app, "#gates")
        assert "2.40" in text_of(app, "#loss")
        assert "+9" in wins
        assert "-2" in wins
        assert "v7" in wins
        assert "#####" in wins
        assert "-----" in wins
        assert "tasks" in kept
        assert "general" in kept
        assert "100" in kept
        plots.draw([], [])
        await pilot.pause()
        assert not any(app.query_one(name).display for name in ("#loss", "#wins", "#gates"))
