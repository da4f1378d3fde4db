"""The loss of rows about APIs, against the numbers of a hand-written one, and what it teaches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast, get_args, get_type_hints

import pytest
import torch  # noqa: TID253 - tensors are compared here
from torch import Tensor  # noqa: TID253

from agent.settings.schema import LearnSettings
from learning.contexts.use import ApiUse, UseOrigin
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.records import Message
from learning.training.api_rows import ApiTokens
from learning.training.causal_model import CausalModel
from learning.training.checkpoint import RoundReport
from learning.training.job import MIX, Example, ExampleKind, TrainingJob, api_example
from learning.training.lora import load_student
from learning.training.loss import reads_base, rows_of
from learning.training.objective import TokenTarget
from learning.training.passes import measure
from learning.training.prepare import Prepared, Skipped, prepare
from learning.training.rules import SPAN, SPAN_ARMS, LearningRule, SpanRule, rule_from, rule_record
from learning.training.teacher import base_all
from learning.training.trainer import UNCHANGED, train

_CHOSEN = "np.trapezoid(y)"
_STALE = "np.trapz(y)"
_OFF = SpanRule(names=0.0, rest=0.0, contrast=0.0, anchor=0.0)


def _example(
    kind: ExampleKind = ExampleKind.API_PAIR, chosen: str = _CHOSEN, at: int = 0
) -> Example:
    pair = kind is ExampleKind.API_PAIR
    start = chosen.index("trapezoid") if pair else 0
    use = ApiUse(
        api="numpy.trapz -> numpy.trapezoid" if pair else "numpy.cumsum",
        library="numpy",
        version="2.3.5",
        origin=UseOrigin.DOCSTRING,
        stale=chosen.replace("trapezoid", "trapz") if pair else "",
        names=((start, start + len("trapezoid")),) if pair else (),
    )
    asked = [Message(role="user", content=f"The area below curve {at}.")]
    return api_example(kind, use, messages=asked, chosen=chosen, model="tiny")


def _prepared(example: Example, chat: ChatFormat, *, max_tokens: int = 128) -> Prepared:
    made = prepare(example, chat, max_tokens=max_tokens, note_tokens=64)
    assert isinstance(made, Prepared), made
    return made


def _loss_of(example: Prepared, logits_tv: Tensor, rule: SpanRule) -> float:
    """The loss of a row whose logits are given, as the trainer would sum it up."""
    total = 0.0
    for row in rows_of(example, None, rule):
        for term in row.terms:
            taken = logits_tv[[position - 1 for position in term.positions]]
            everywhere = slice(0, len(term.positions))
            total += float((term.loss(taken, everywhere) * term.weight_t).sum())
    return total


def _row() -> Prepared:
    """Prompt 0, then tokens 1 2 3 0 of a vocabulary of four; 2 and 3 are the name, 1 stood for 2."""
    return Prepared(
        kind=ExampleKind.API_PAIR,
        ids=(0, 1, 2, 3, 0),
        positions=(1, 2, 3, 4),
        api=ApiTokens(names=(2, 3), differs=2, stale_id=1),
    )


_PROBABILITIES = (
    (0.1, 0.5, 0.2, 0.2),
    (0.2, 0.6, 0.1, 0.1),
    (0.1, 0.2, 0.3, 0.4),
    (0.7, 0.1, 0.1, 0.1),
)


def _logits() -> Tensor:
    return torch.tensor([*_PROBABILITIES, (0.25,) * 4]).log()


def test_the_loss_is_that_of_the_formula() -> None:
    nll = [-math.log(p) for p in (0.5, 0.1, 0.4, 0.7)]  # of tokens 1, 2, 3, 0
    names, rest = (nll[1] + nll[2]) / 2, (nll[0] + nll[3]) / 2
    contrast = math.log1p(math.exp(2 - math.log(0.1 / 0.6)))
    assert _loss_of(_row(), _logits(), SpanRule()) == pytest.approx(
        names + 0.1 * rest + contrast, rel=1e-6
    )
    weighted = replace(_row(), weight=0.5)
    assert _loss_of(weighted, _logits(), SpanRule()) == pytest.approx(
        0.5 * (names + 0.1 * rest + contrast), rel=1e-6
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (replace(_OFF, names=1.0), (2.302585 + 0.916291) / 2),
        (replace(_OFF, rest=1.0), (0.693147 + 0.356675) / 2),
        (replace(_OFF, contrast=1.0), 3.814070),
        (replace(_OFF, contrast=1.0, margin=0.0), 1.945910),
        (_OFF, 0.0),
    ],
)
def test_each_term_can_be_switched_off(rule: SpanRule, expected: float) -> None:
    assert _loss_of(_row(), _logits(), rule) == pytest.approx(expected, abs=1e-5)


def test_a_term_that_is_off_needs_no_logits() -> None:
    (row,) = rows_of(_row(), None, replace(_OFF, names=1.0))
    assert [term.positions for term in row.terms] == [[2, 3]]
    (row,) = rows_of(_row(), None, replace(_OFF, contrast=1.0))
    assert [term.positions for term in row.terms] == [[2]]
    assert rows_of(_row(), None, _OFF) == ()


def test_a_name_without_a_stale_twin_is_learned_without_contrast() -> None:
    alone = replace(_row(), api=ApiTokens(names=(2, 3)))
    both = replace(SpanRule(), contrast=0.0)
    assert _loss_of(alone, _logits(), SpanRule()) == _loss_of(_row(), _logits(), both)


def test_rows_to_keep_are_held_at_the_base_model() -> None:
    row = replace(_row(), kind=ExampleKind.OWN_PASS, api=None)
    same = TokenTarget(
        support_ts=torch.arange(4).expand(4, 4),
        log_q_tb=torch.cat([_logits()[:4], torch.full((4, 1), -30.0)], dim=-1),
    )
    (kept,) = rows_of(row, same, SpanRule())
    (term,) = kept.terms
    loss_t = term.loss(_logits()[:4], slice(0, 4))
    assert torch.allclose(loss_t, torch.zeros(4), atol=1e-5)
    assert float(term.weight_t.sum()) == pytest.approx(1.0)
    assert rows_of(row, None, SpanRule(anchor=0.0)) == ()
    (learned,) = rows_of(row, None, SpanRule(anchor=0.0, own=1.0))
    assert [len(term.positions) for term in learned.terms] == [4]


def test_the_tokens_beside_a_name_are_held_at_the_base_model() -> None:
    held = replace(_OFF, held=1.0)
    there = TokenTarget(
        support_ts=torch.arange(4).expand(4, 4),
        log_q_tb=torch.cat([_logits()[:4], torch.full((4, 1), -30.0)], dim=-1),
    )
    (row,) = rows_of(_row(), there, held)
    (term,) = row.terms
    assert list(term.positions) == [1, 4]
    moved = torch.tensor([(0.25,) * 4, (0.7, 0.1, 0.1, 0.1)]).log()
    loss = float((term.loss(moved, slice(0, 2)) * term.weight_t).sum())
    base = _PROBABILITIES[0]
    assert loss == pytest.approx(0.5 * sum(p * math.log(p / 0.25) for p in base), abs=1e-4)
    assert rows_of(_row(), None, held) == ()


def test_the_base_model_is_read_only_for_terms_that_hold_a_row() -> None:
    kept = replace(_row(), kind=ExampleKind.API_ANCHOR, api=None)
    assert [reads_base(each, SpanRule()) for each in (_row(), kept)] == [False, True]
    assert [reads_base(each, SPAN_ARMS["span-held"].span) for each in (_row(), kept)] == [True] * 2
    assert not reads_base(kept, SPAN_ARMS["span-no-anchor"].span)


def test_the_name_and_the_first_other_token_are_found(chat: ChatFormat) -> None:
    made = _prepared(_example(), chat)
    assert made.api is not None
    assert chat.decode([made.ids[name] for name in made.api.names]) == "trapezoid"
    assert made.api.differs is not None
    assert made.api.stale_id is not None
    shared = chat.decode(made.ids[made.positions[0] : made.api.differs])
    assert _STALE.startswith(shared + chat.decode([made.api.stale_id]))
    assert chat.decode([made.ids[position] for position in made.positions]) == _CHOSEN


def test_a_row_whose_name_does_not_fit_is_left_out(chat: ChatFormat) -> None:
    long = _example(chosen="x = 1\n" * 40 + _CHOSEN)
    made = prepare(long, chat, max_tokens=64, note_tokens=64)
    assert isinstance(made, Skipped)
    assert "does not fit" in made.reason or "fit" in made.reason
    anchor = prepare(
        _example(ExampleKind.OWN_PASS, "x = 1\n" * 40), chat, max_tokens=64, note_tokens=64
    )
    assert isinstance(anchor, Prepared)
    assert len(anchor.ids) == 64


def test_the_names_that_failed_in_an_own_reply_are_not_trained(chat: ChatFormat) -> None:
    whole = _example(ExampleKind.OWN_REPLY, _CHOSEN)
    assert whole.use is not None
    start = _CHOSEN.index("trapezoid")
    places = ((start, start + len("trapezoid")),)
    made = _prepared(replace(whole, use=replace(whole.use, names=places)), chat)
    every = _prepared(whole, chat)
    left_out = set(every.positions) - set(made.positions)
    assert chat.decode([every.ids[position] for position in sorted(left_out)]) == "trapezoid"
    assert made.api is None
    nothing = replace(whole, use=replace(whole.use, names=((0, len(_CHOSEN)),)))
    skipped = prepare(nothing, chat, max_tokens=64, note_tokens=64)
    assert isinstance(skipped, Skipped)
    assert "nothing is left" in skipped.reason


def _job(model: InstalledModel, **changes: object) -> TrainingJob:
    job = TrainingJob(
        id="j",
        model=model.name,
        model_folder=str(model.hf),
        base=model.identity,
        adapter_prefix="el-shop-v0001",
        created_at=0.0,
        steps=24,
        batch=4,
        learning_rate=5e-3,
        rank=4,
        alpha=8,
        threads=1,
        rule=replace(SPAN, held_out=0.0, epochs=1),
    )
    return replace(job, **changes)  # type: ignore[arg-type]


def _examples(chat: ChatFormat) -> list[Prepared]:
    pairs = [_example(chosen=f"{'abcdef'[n]} = {_CHOSEN}", at=n) for n in range(6)]
    mix = [_example(ExampleKind.API_ANCHOR, f"np.cumsum({n})", at=n) for n in range(6)]
    return [_prepared(each, chat) for each in (*pairs, *mix)]


def _learned(
    job: TrainingJob, examples: Sequence[Prepared], folder: Path
) -> tuple[RoundReport, dict[str, float]]:
    """A round, and how much more likely it made things at a prompt that was not learned, in nats."""
    folder.mkdir(exist_ok=True)
    model = load_student(job)
    base = cast("CausalModel", model.get_base_model())
    before = _figures(base, examples)
    report = train(model, examples, job, folder)
    after = _figures(base, examples)
    unchanged = [n for n, each in enumerate(examples) if each.kind in MIX]
    kept = base_all(
        *(model, base, examples, folder), numbers=unchanged, pack_tokens=job.pack_tokens
    )
    rows = [row for n, target in kept.items() for row in rows_of(examples[n], target, SpanRule())]
    moved = {name: after[name] - before[name] for name in before}
    return report, {**moved, "kl": measure(base, rows) / len(rows)}


@torch.no_grad()
def _figures(base: CausalModel, examples: Sequence[Prepared]) -> dict[str, float]:
    """Log-probability of the new and of the stale token in the last pair."""
    pair = [example for example in examples if example.api is not None][-1]
    assert pair.api is not None
    assert pair.api.differs is not None
    ids = torch.tensor([pair.ids[: pair.api.differs]])
    model = cast("torch.nn.Module", base)
    log_p = model(input_ids=ids).logits[0, -1].float().log_softmax(-1)
    return {
        "new": float(log_p[pair.ids[pair.api.differs]]),
        "stale": float(log_p[pair.api.stale_id]),
    }


def test_the_new_name_rises_and_the_stale_one_falls_at_an_unseen_prompt(
    random_model: InstalledModel, chat: ChatFormat, tmp_path: Path
) -> None:
    examples = _examples(chat)
    unseen = 5
    taught = [each for n, each in enumerate(examples) if n != unseen]
    job = _job(random_model)
    model = load_student(job)
    base = cast("CausalModel", model.get_base_model())
    before = _figures(base, [examples[unseen]])
    report = train(model, taught, job, tmp_path)
    after = _figures(base, [examples[unseen]])
    assert after["new"] > before["new"] + 1
    assert after["stale"] < before["stale"] - 0.5
    assert report.steps[-1].loss < 0.5 * report.steps[0].loss


def test_the_rows_to_keep_are_told_while_they_are_read_and_before_the_first_step(
    random_model: InstalledModel, chat: ChatFormat, tmp_path: Path
) -> None:
    examples = _examples(chat)
    told: list[object] = []
    read: list[tuple[str, int, int]] = []
    job = _job(random_model, steps=1, pack_tokens=128)
    train(
        *(load_student(job), examples, job, tmp_path),
        on_target=lambda *each: read.append(each),
        on_begin=lambda: told.append(len(read)),
        on_step=lambda step: told.append(step.step),
    )
    assert told == [len(read), 1]
    assert len(read) > 1
    assert read[-1] == (UNCHANGED, 6, 6)
    assert [row[1] for row in read] == sorted({row[1] for row in read})


def test_the_anchor_keeps_other_calls_near_the_base_model(
    random_model: InstalledModel, chat: ChatFormat, tmp_path: Path
) -> None:
    examples = _examples(chat)
    _, with_anchor = _learned(_job(random_model), examples, tmp_path / "with")
    free = replace(SPAN_ARMS["span-no-anchor"], held_out=0.0, epochs=1)
    _, without = _learned(_job(random_model, rule=free), examples, tmp_path / "without")
    assert with_anchor["new"] > 1
    assert with_anchor["kl"] < 0.5 * without["kl"]


def test_each_arm_leaves_out_what_its_name_says(
    random_model: InstalledModel, chat: ChatFormat, tmp_path: Path
) -> None:
    examples = _examples(chat)
    moved = {}
    for name in ("span", "span-no-contrast", "span-no-likelihood"):
        rule = replace(SPAN_ARMS[name], held_out=0.0, epochs=1)
        _, moved[name] = _learned(_job(random_model, rule=rule), examples, tmp_path / name)
    lead = {name: figures["new"] - figures["stale"] for name, figures in moved.items()}
    assert lead["span"] > lead["span-no-contrast"] > 0
    assert moved["span-no-likelihood"]["new"] < moved["span"]["new"]


def test_the_upper_half_alone_learns_as_well(
    random_model: InstalledModel, chat: ChatFormat, tmp_path: Path
) -> None:
    examples = _examples(chat)
    _, moved = _learned(_job(random_model, layers="upper"), examples, tmp_path)
    assert moved["new"] > 1
    assert len(list((tmp_path / "lower").iterdir())) == len(examples)


@pytest.mark.parametrize("rule", SPAN_ARMS.values(), ids=SPAN_ARMS)
def test_an_arm_survives_its_record(rule: LearningRule) -> None:
    assert rule_from(rule_record(rule)) == rule


def test_every_variant_can_be_set() -> None:
    assert set(get_args(get_type_hints(LearnSettings)["api_rule"])) == set(SPAN_ARMS)


def test_a_record_of_an_older_version_has_the_usual_weights() -> None:
    record = rule_record(LearningRule())
    del record["span"]
    assert rule_from(record) == LearningRule()
