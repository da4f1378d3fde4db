"""The numbers of the learning rule, as frozen values. Nothing here imports torch.

Every term and every mask has a value that switches it off, named beside it. The defaults are starting
values: where no source is named they are guesses to be calibrated, not findings.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRule:
    """Parameters of the evidence target.

    `q ∝ a · (c/n)^gamma_c · (n/a)^gamma_s`, each log-ratio clipped at `clip`: `gamma_c` weighs the
    effect of this evidence beyond that of any note of its form; `gamma_s` weighs the effect of the form.
    """

    gamma_c: float = 1.0
    gamma_s: float = 0.0
    clip: float = 3.0
    """Bound in nats: KL(q || a) <= 2 · (gamma_c + gamma_s) · clip for any teacher, if finite."""
    top_k: int = 20
    plausibility: float = 0.05
    """The target raises a token only if the anchor or the teacher gives it at least this share of the
    most likely token's probability; 0 lets every token rise."""
    move_tail: bool = False
    """True if the bucket of entries that are not kept moves as well."""


SDPO = TargetRule(
    gamma_c=1.0, gamma_s=1.0, clip=math.inf, plausibility=0.0, move_tail=True, top_k=64
)
"""The teacher of SDPO (arXiv 2601.20802): the model with the feedback in its context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightRule:
    """Weights of the action tokens of a failing step in the evidence term."""

    snr_min: float = 2.0
    """Least |t| of a token's evidence over the teacher contexts; 0, or a single context: off."""
    keep: float = 0.25
    """Share of the action's tokens with the largest shift that stays (EDGE-OPD, arXiv 2605.23493);
    1: all."""
    shift_cap: float = 1.0
    """Tokens with KL(q || a) beyond this many nats count less (DemoPSD, arXiv 2607.02502);
    infinite: off."""
    endorsed: float = 0.25
    """Weight of tokens of a failed action that the evidence makes more likely; 1: off."""
    skip_first: int = 3
    """Tokens at the action's beginning that are never trained: there a model starts to talk about
    its note (arXiv 2601.19897)."""
    prose: float = 0.3
    """Weight of tokens outside code blocks; 1: as code."""
    mask_literals: bool = True
    """True gives no weight to tokens where the target raises a value that only the notes contain."""


UNMASKED = WeightRule(
    snr_min=0.0,
    keep=1.0,
    shift_cap=math.inf,
    endorsed=1.0,
    skip_first=0,
    prose=1.0,
    mask_literals=False,
)
"""Every token of the action counts the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossRule:
    """The weights of the terms of the loss. Each may be 0, which switches its term off."""

    evidence: float = 1.0
    """Forward KL to the evidence target on failing steps."""
    eta: float = 0.3
    """Verified fixes, at the prompt of the step that had failed."""
    nu: float = 0.2
    """Weight of the fixes' own likelihood, added to their KL; 1 if a fix has no evidence target."""
    nll_floor: float = 0.25
    """Least weight of a fix's token whose probability is low; 0 is DFT (arXiv 2508.05629)."""
    echo: float = 0.03
    """Cross-entropy of the tool's own words after the action (ECHO, arXiv 2605.24517, whose gain
    turns into a loss from 0.1 on)."""
    base_anchor: float = 0.05
    """KL to the bare base model on prompts from outside the repository."""
    context_anchor: float = 0.1
    """KL to the snapshot in a teacher context, so that the student still reads notes (arXiv 2606.11627)."""
    context_share: float = 0.25
    """Share of the failing steps that the context anchor is computed on."""
    tau: float = 1.0
    """Largest contribution of one vocabulary entry to a token's KL (OPSD, arXiv 2601.18734); infinite: off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanRule:
    """The weights of the loss on rows about an API. Each may be 0, which switches its term off.

    Without the contrast the stale name keeps its probability beside the new one; with the contrast alone
    the new name is preferred and not learned.
    """

    names: float = 1.0
    """Cross-entropy of the tokens of the new name, their mean."""
    rest: float = 0.1
    """Cross-entropy of the completion's other tokens, their mean."""
    held: float = 0.0
    """KL to the bare base model on these other tokens, their mean: the name is learned, the rest stays."""
    contrast: float = 1.0
    """Softplus of `margin` less the log-odds of the new over the stale token, where they first differ."""
    margin: float = 2.0
    """In nats."""
    anchor: float = 1.0
    """KL to the bare base model on the rows where nothing should change, the mean of their tokens."""
    own: float = 0.0
    """Cross-entropy of those rows; with `rest` at 1 and the others at 0: plain fine-tuning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningRule:
    """The whole learning rule of a round."""

    target: TargetRule = TargetRule()
    weights: WeightRule = WeightRule()
    loss: LossRule = LossRule()
    span: SpanRule = SpanRule()
    teacher_contexts: int = 4
    """Number of teacher contexts: notes that state the same evidence in different forms."""
    controls: int = 4
    """Number of controls: notes of the same form without this evidence."""
    min_cosine: float = 0.05
    """Least agreement of a batch's two halves for an optimiser step; -1: always step."""
    max_batch: int = 128
    """Examples after which a step is made even if the halves disagree."""
    held_out: float = 0.1
    """Share of the examples that is measured and not trained, for early stopping; 0: off."""
    measure_every: int = 2
    """Steps between two measurements of these; 0: at the middle and the end of each epoch."""
    epochs: int = 1
    """Parts of equal length of the round's steps. A further one begins only if the loss on the examples
    that are only measured was still falling."""
    warm_up: float = 0.0
    """Share of an epoch's steps in which the learning rate rises; at least two steps."""
    cosine: bool = False
    """True if the learning rate falls to 0 along a cosine within each epoch; false: constant."""


PLAIN_SDPO = LearningRule(
    target=SDPO,
    weights=UNMASKED,
    loss=LossRule(echo=0.0, base_anchor=0.0, context_anchor=0.0, tau=math.inf, eta=1.0, nu=1.0),
    teacher_contexts=1,
    controls=0,
    min_cosine=-1.0,
    held_out=0.0,
)
"""The baseline: one teacher context, no control, no mask, no anchor."""


SPAN = LearningRule(min_cosine=-1.0, measure_every=0, epochs=2, warm_up=0.05, cosine=True)
"""The rule for rows about APIs: contrast within one forward pass, and anchors."""

SPAN_ARMS = {
    "span": SPAN,
    "span-no-contrast": dataclasses.replace(SPAN, span=SpanRule(contrast=0.0)),
    "span-no-likelihood": dataclasses.replace(SPAN, span=SpanRule(names=0.0, rest=0.0)),
    "span-no-anchor": dataclasses.replace(SPAN, span=SpanRule(anchor=0.0)),
    "span-held": dataclasses.replace(SPAN, span=SpanRule(rest=0.0, held=1.0)),
    "span-plain": dataclasses.replace(
        SPAN, span=SpanRule(rest=1.0, contrast=0.0, anchor=0.0, own=1.0)
    ),
}
"""The rule and its variants, by name: what is left when one term is switched off, or put in another's place."""


_STORED = {"teacher_contexts": "views", "nll_floor": "guard_floor"}
"""Names of fields in stored records, where they differ from those in the code."""


def rule_record(rule: LearningRule) -> dict[str, object]:
    """The rule as it is stored in jobs and adapter manifests."""
    return _stored(dataclasses.asdict(rule))


def rule_from(record: Mapping[str, object]) -> LearningRule:
    """The rule that `rule_record` wrote.

    Raises:
        TypeError: If a field is unknown.
        KeyError: If a part is missing.
    """
    parts = {"target": TargetRule, "weights": WeightRule, "loss": LossRule, "span": SpanRule}
    fields = _in_code(record)
    fields.setdefault("span", {})  # records of older versions
    for name, kind in parts.items():
        part = fields[name]
        if not isinstance(part, dict):
            raise TypeError(f"{name} is not an object")
        fields[name] = kind(**_in_code(part))
    return LearningRule(**fields)  # type: ignore[arg-type]  # a record of our own, named field by field


def _stored(record: Mapping[str, object]) -> dict[str, object]:
    return {
        _STORED.get(name, name): _stored(value) if isinstance(value, dict) else value
        for name, value in record.items()
    }


def _in_code(record: Mapping[str, object]) -> dict[str, object]:
    names = {stored: name for name, stored in _STORED.items()}
    return {names.get(name, name): value for name, value in record.items()}
