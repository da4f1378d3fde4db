"""Every term of the rule does its own work in the loop, and can be switched off."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch  # noqa: TID253 - tensors are compared here

from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.records import Verdict
from learning.training.causal_model import CausalModel
from learning.training.checkpoint import RoundReport
from learning.training.job import Example, ExampleKind, TrainingJob
from learning.training.lora import load_student
from learning.training.loss import passes_of
from learning.training.passes import HalvedGradient, SharedPrefix
from learning.training.prepare import Echo, Prepared, prepare
from learning.training.replay import replay
from learning.training.rules import PLAIN_SDPO, LearningRule, LossRule, WeightRule, rule_from
from learning.training.teacher import read_all
from learning.training.trainer import train
from tests.fakes.experiences import make_evidence
from tests.fakes.tiny_llama import spoken

_PROMPT = tuple(range(40, 60))
_OFF = LossRule(evidence=0.0, eta=0.0, echo=0.0, base_anchor=0.0, context_anchor=0.0)
_RULE = replace(PLAIN_SDPO, loss=_OFF)


def _job(model: InstalledModel, rule: LearningRule, **changes: object) -> TrainingJob:
    job = TrainingJob(
        id="j",
        model=model.name,
        model_folder=str(model.hf),
        base=model.identity,
        adapter_prefix="el-shop-v0001",
        created_at=0.0,
        steps=4,
        learning_rate=1e-2,
        rank=4,
        alpha=8,
        threads=1,
        rule=rule,
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def _failing(*action: int, marks: Sequence[int] = (100, 101, 102)) -> Prepared:
    ids = (*_PROMPT, *action)

    def told(*note: int) -> tuple[int, ...]:
        return (*_PROMPT[:-3], *note, *_PROMPT[-3:], *action)

    return Prepared(
        kind=ExampleKind.EVIDENCE,
        ids=ids,
        positions=tuple(range(len(_PROMPT), len(ids))),
        teacher_contexts=(told(*marks), told(*marks[::-1]), told(marks[0]), told(marks[-1])),
        controls=(told(90, 91), told(92)),
        echo=Echo(ids=(30, 31, 120, 121, 122), positions=(2, 3, 4)),
    )


def _round(
    model: InstalledModel,
    folder: Path,
    examples: Sequence[Prepared],
    rule: LearningRule,
    **changes: object,
) -> RoundReport:
    folder.mkdir(exist_ok=True)
    job = _job(model, rule, **changes)
    assert model.hf
    anchors = replay(ChatFormat.load(model.hf), max_tokens=300)[:2]
    return train(load_student(job), examples, job, folder, anchors=anchors)


def _loss(**terms: float) -> LearningRule:
    return replace(_RULE, loss=replace(_OFF, **terms))


@pytest.mark.parametrize(
    "rule",
    [
        _loss(echo=1.0),
        replace(_loss(evidence=1.0), teacher_contexts=4, controls=2),
        replace(_loss(evidence=1.0, context_anchor=0.1, context_share=1.0, base_anchor=0.05)),
    ],
    ids=["echo", "evidence", "anchored"],
)
def test_each_term_alone_lowers_its_own_loss(
    random_model: InstalledModel, tmp_path: Path, rule: LearningRule
) -> None:
    report = _round(random_model, tmp_path, [_failing(5, 6, 7, 8)], rule, steps=12)
    assert 0 < report.steps[-1].loss < report.steps[0].loss


def test_with_every_term_off_nothing_is_trained(
    random_model: InstalledModel, tmp_path: Path
) -> None:
    assert _round(random_model, tmp_path, [_failing(5, 6)], _RULE).steps == ()


def test_anchors_alone_are_at_rest_at_the_snapshot(
    random_model: InstalledModel, tmp_path: Path
) -> None:
    rule = _loss(echo=1e-30, base_anchor=1.0)
    report = _round(random_model, tmp_path, [_failing(5, 6)], rule, steps=1)
    assert report.steps[0].grad_norm < 1e-4


def test_a_teacher_that_cannot_read_is_not_asked(chat: ChatFormat) -> None:
    asked, spared = _prepared(chat), _prepared(chat, read_evidence=False)
    assert asked.teacher_contexts
    assert spared.teacher_contexts == spared.controls == ()
    assert spared.echo == asked.echo


def test_the_reading_is_described_and_only_made_once(
    random_model: InstalledModel, tmp_path: Path
) -> None:
    job = _job(random_model, replace(LearningRule(), weights=WeightRule(snr_min=0.0, skip_first=0)))
    base = cast("CausalModel", load_student(job).get_base_model())
    examples = [_failing(5, 6, 7, 8), _failing(9)]

    def read() -> list[float]:
        seen: list[int] = []
        reads = read_all(
            base, examples, tmp_path, rule=job.rule, on_read=lambda done, _: seen.append(done)
        )
        assert seen == [1, 2]
        assert all(each is not None for each in reads)
        assert reads[0] is not None
        assert 0 <= reads[0].facts["tokens_used"] <= 0.25
        assert reads[0].context is not None
        return reads[0].weight_t.tolist()

    first = read()
    (tmp_path / "targets" / "1.pt").unlink()
    assert read() == first


def test_a_shared_prefix_changes_no_hidden_state(random_model: InstalledModel) -> None:
    base = cast("CausalModel", load_student(_job(random_model, _RULE)).get_base_model())
    base.eval()
    branches = [tuple(range(50, 90)), (*range(50, 70), 7, 8, 9, *range(70, 90))]
    with torch.no_grad():
        shared = SharedPrefix(base, branches[0][:20])
        for ids in (*branches, branches[0]):
            alone = SharedPrefix(base, ()).hidden(ids, [len(ids) - 2, len(ids) - 1])
            rest = ids[20:]
            together = shared.hidden(rest, [len(rest) - 2, len(rest) - 1])
            assert torch.allclose(alone, together, atol=1e-5)


def _weights(*gradients: Sequence[float]) -> HalvedGradient:
    weight = torch.nn.Parameter(torch.zeros(2))
    halves = HalvedGradient([weight])
    for gradient in gradients:
        weight.grad = torch.tensor(gradient)
        halves.take(halves.next_half())
        assert weight.grad is None
    halves.put()
    assert weight.grad is not None
    mean = torch.tensor(list(gradients)).mean(0)
    assert torch.allclose(weight.grad, mean)
    return halves


def test_halves_that_agree_have_a_cosine_and_little_noise() -> None:
    same = _weights([1.0, 0.0], [1.0, 0.0])
    assert same.agreement().cosine == pytest.approx(1.0)
    assert same.agreement().noise_scale == pytest.approx(0.0)
    apart = _weights([1.0, 0.0], [0.0, 1.0])
    assert apart.agreement().cosine == pytest.approx(0.0)
    assert apart.agreement().noise_scale is None
    assert _weights([1.0, 0.0]).agreement().cosine is None
    # Means 1 and 3 of two examples each: |1 - 3|² / (1/2 + 1/2) over 1 · 3.
    four = _weights([1.0, 0.0], [3.0, 0.0], [1.0, 0.0], [3.0, 0.0])
    assert four.agreement().noise_scale == pytest.approx(4 / 3)


def test_no_step_is_made_before_the_halves_agree(
    random_model: InstalledModel, tmp_path: Path
) -> None:
    examples = [_failing(n, n + 1) for n in range(4)]
    rule = _loss(echo=1.0)
    settings = {"steps": 4, "batch": 2}
    always = _round(random_model, tmp_path / "a", examples, rule, **settings)
    never = replace(rule, min_cosine=1.1, max_batch=6)
    hard = _round(random_model, tmp_path / "b", examples, never, **settings)
    assert [step.examples for step in always.steps] == [2, 2, 2, 2]
    assert [step.examples for step in hard.steps] == [6, 2]
    assert hard.steps[-1].batches == 4
    assert all(step.cosine is not None for step in always.steps)


def test_a_round_ends_when_the_examples_it_spared_get_worse(
    random_model: InstalledModel, tmp_path: Path
) -> None:
    own_words = [Echo(ids=(30, 31, *[60 + n] * 3), positions=(2, 3, 4)) for n in range(12)]
    examples = [replace(_failing(5, 6), echo=echo) for echo in own_words]
    rule = replace(_loss(echo=1.0), held_out=0.2)
    calm = _round(random_model, tmp_path / "a", examples, rule, steps=4)
    assert [step.held_out is None for step in calm.steps] == [True, False, True, False]
    wild = _round(random_model, tmp_path / "b", examples, rule, steps=40, learning_rate=5e-2)
    assert wild.stopped_early
    assert len(wild.steps) < 40


def test_a_rule_survives_the_round_trip() -> None:
    rule = replace(LearningRule(), loss=LossRule(echo=0.0), teacher_contexts=2)
    assert rule_from(dataclasses.asdict(rule)) == rule
    with pytest.raises(TypeError):
        rule_from({**dataclasses.asdict(rule), "surprise": 1})


_DEFAULT = LearningRule()


def _prepared(
    chat: ChatFormat, rule: LearningRule = _DEFAULT, *, read_evidence: bool = True
) -> Prepared:
    before = "def total(prices):\n    return 1\n"
    reply = f"Here it is:\n```python\n{before}```\n"
    step = spoken(chat, "f", reply, before=before, after=before, verdict=Verdict.FAIL)
    others = [make_evidence(function="test_other", message="assert 70 == 80")]
    example = Example(kind=ExampleKind.EVIDENCE, step=step, read_evidence=read_evidence)
    made = prepare(example, chat, max_tokens=2000, note_tokens=600, rule=rule, others=others)
    assert isinstance(made, Prepared)
    return made


def test_the_tools_words_follow_the_action_as_the_next_message(chat: ChatFormat) -> None:
    made = _prepared(chat)
    assert made.echo
    trained = chat.decode([made.echo.ids[position] for position in made.echo.positions])
    assert trained == "AssertionError: assert 9 == 6"
    whole = chat.tokenizer.decode([*made.ids, *made.echo.ids], skip_special_tokens=False)
    assert whole.endswith("```\n<|im_end|>\n<|im_start|>user\nAssertionError: assert 9 == 6")
    assert _prepared(chat, PLAIN_SDPO).echo is None


def test_views_and_controls_end_with_the_same_action(chat: ChatFormat) -> None:
    made = _prepared(chat)
    assert len(made.teacher_contexts) == 4
    assert len(made.controls) == 3
    action = made.ids[made.positions[0] :]
    assert all(ids[-len(action) :] == action for ids in (*made.teacher_contexts, *made.controls))
    told = chat.decode(made.controls[2])
    assert "70 == 80" in told
    assert "9 == 6" not in told


def test_code_counts_more_than_prose_and_fences_count_nothing(chat: ChatFormat) -> None:
    made = _prepared(chat)
    text = chat.decode([made.ids[position] for position in made.positions])
    by_weight = {
        weight: "".join(c for c, w in zip(text, made.roles, strict=True) if w == weight)
        for weight in (0.0, 0.3, 1.0)
    }
    assert by_weight[1.0] == "def total(prices):\n    return 1\n"
    assert by_weight[0.3] == "Here it is:\n"
    assert by_weight[0.0] == "```python\n```\n"


def test_loss_terms_sum_to_their_shares(random_model: InstalledModel) -> None:
    example = replace(_failing(5, 6), weight=0.5)
    (only,) = passes_of(example, None, LossRule())
    (term,) = only.terms
    assert float(term.weight_t.sum()) == pytest.approx(0.03 * 0.5)
    assert only.ids == (*example.ids, *example.echo.ids) if example.echo else False
