"""Every arm learns from the same attempts, each in its own way."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from lab.article.settings import read_settings
from lab.rows.rollouts import Rollout
from lab.training.arms import (
    ARMS,
    examples_for,
    experience_of,
)
from lab.training.suites import BaselineSettings, split
from lab.training.train import TrainingLimits
from learning.records import Experience, Message
from learning.training.job import Example, ExampleKind

_EXAMPLES = Path(__file__).resolve().parents[3] / "lab" / "data" / "baselines"


def _tried(task: str, index: int, said: str = "") -> Experience:
    attempt = Rollout(
        task_id=task,
        index=index,
        text=f"```python\ndef f():\n    return {index}\n```",
        prompt_ids=(1, 2),
        token_ids=(3, 4),
        passed=not said,
        said=said,
    )
    return experience_of(attempt, [Message(role="user", content=task)], model="tiny")


TRIED = (
    _tried("a", 0, "AssertionError: assert 3 == 4"),
    _tried("a", 1),
    _tried("b", 0, "TypeError: f() takes 0 positional arguments but 1 was given"),
    _tried("b", 1, "AssertionError: assert [] == [1]"),
    _tried("c", 0),
)


def _made(arm: str) -> tuple[Example, ...]:
    return examples_for(ARMS[arm], TRIED, seed=0)


def _told(arm: str) -> list[tuple[str, str]]:
    return [
        (fact.exception, fact.message) for example in _made(arm) for fact in example.step.evidence
    ]


def test_every_arm_but_the_base_learns_from_these_attempts_and_is_explained() -> None:
    assert {arm for arm in ARMS if not _made(arm)} == {"base"}
    assert all(arm.about for arm in ARMS.values())


def test_rejection_keeps_the_passes_and_sharpening_keeps_all() -> None:
    assert [example.step.id for example in _made("rft")] == ["a#1", "c#0"]
    assert len(_made("ssd")) == len(TRIED)
    assert {example.kind for example in (*_made("rft"), *_made("ssd"))} == {ExampleKind.FIRST_TRY}


def test_the_trainers_of_trl_get_replies_that_say_something_to_them() -> None:
    used = {arm: [e.step.id for e in _made(arm)] for arm in ARMS if ARMS[arm].needs_trl}
    assert used == {
        "trl-grpo": ["a#0", "a#1"],  # equal rewards have no advantage
        "trl-sdpo": [each.id for each in TRIED],
        "trl-sdft": ["a#0", "a#1", "c#0"],  # their teacher is shown a pass
    }


def test_only_a_failure_with_a_repair_of_its_own_task_makes_a_pair() -> None:
    pairs = [example for example in _made("el") if example.kind is ExampleKind.HINDSIGHT]
    assert [(pair.step.id, pair.fix and pair.fix.id) for pair in pairs] == [("a#0", "a#1")]


def test_the_controls_learn_at_the_same_prompts_by_the_same_rule_and_are_told_something_else() -> (
    None
):
    true = _told("evidence")
    for control in ("shuffled", "random", "wrong"):
        assert [e.step.id for e in _made(control)] == [e.step.id for e in _made("evidence")]
        assert ARMS[control].rule == ARMS["evidence"].rule
        assert all(false != said for false, said in zip(_told(control), true, strict=True)), control
        assert _told(control) == _told(control), "not reproducible"
    assert set(_told("shuffled")) <= set(true)
    assert _told("neutral") == true
    assert (ARMS["neutral"].rule.target.gamma_c, ARMS["neutral"].rule.target.gamma_s) == (0.0, 1.0)


def test_a_false_account_has_other_numbers_and_another_exception() -> None:
    exception, message = _told("wrong")[0]
    assert exception not in ("", "AssertionError")
    assert "10 == 11" in message


def test_what_the_judge_says_is_read_as_exception_and_message_and_so_can_be_falsified() -> None:
    said = "the function raised AttributeError: module 'numpy' has no attribute 'trapz'"
    tried = _tried("a", 0, said)
    (fact,) = tried.evidence
    told = "module 'numpy' has no attribute 'trapz'"
    assert (fact.exception, fact.message) == ("AttributeError", told)
    (false,) = examples_for(ARMS["wrong"], [tried], seed=0)[0].step.evidence
    assert false.exception not in ("", "AttributeError")
    (plain,) = _tried("a", 0, "gave no value: a value of type coroutine cannot be sent").evidence
    assert (plain.exception, plain.message[:14]) == ("", "gave no value:")


def test_no_arm_has_a_term_that_is_not_its_own() -> None:
    assert ARMS["rft"].rule == ARMS["ssd"].rule
    sft, echo = ARMS["rft"].rule.loss, ARMS["echo"].rule.loss
    assert (sft.evidence, sft.echo, sft.base_anchor, sft.context_anchor) == (0, 0, 0, 0)
    assert (sft.eta, sft.nll_floor) == (1.0, 1.0), "plain likelihood"
    assert (echo.evidence, echo.eta, echo.base_anchor, echo.echo) == (0, 0, 0, 1.0)
    assert all(not example.read_evidence for example in _made("echo"))


def test_the_halves_share_no_task_and_are_the_same_for_every_arm() -> None:
    settings = BaselineSettings(experience=3, held_out=4, seed=1)
    names = [f"t{n}" for n in range(9)]
    learn, held_out = split(names, settings)
    assert (len(learn), len(held_out)) == (3, 4)
    assert not set(learn) & set(held_out)
    assert split(names, dataclasses.replace(settings, arms=("rft",))) == (learn, held_out)


def test_one_file_names_any_of_the_arms(tmp_path: Path) -> None:
    file = tmp_path / "some.toml"
    file.write_text('arms = ["wrong", "rft"]\nsamples = 2\n[training]\nsteps = 3\n')
    settings = read_settings(file, BaselineSettings)
    assert [arm.name for arm in settings.checked_arms()] == ["base", "rft", "wrong"]
    assert settings.training == TrainingLimits(steps=3)
    file.write_text('arms = ["rtf"]\n')
    with pytest.raises(ValueError, match="unknown arms: rtf; there are base, el,"):
        read_settings(file, BaselineSettings).checked_arms()
    own = tuple(arm for arm in ARMS if not ARMS[arm].needs_trl)
    shipped = read_settings(_EXAMPLES / "humaneval.toml", BaselineSettings)
    assert tuple(arm.name for arm in shipped.checked_arms()) == own
