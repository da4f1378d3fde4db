"""Which of the selected examples can be learned from token by token. Nothing here imports torch.

The plan of a round and the worker that carries it out both ask here, so that they agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from learning.training.job import Example, Job
from learning.training.prepare import Format, Prepared, Skipped, prepare


@dataclass(frozen=True, slots=True, kw_only=True)
class Usable:
    """What is left of a selection."""

    prepared: tuple[Prepared, ...]
    experience_ids: tuple[str, ...]
    """What the prepared examples were made from."""
    skipped_ids: tuple[str, ...]
    skipped: Mapping[str, int]
    """Number of examples that cannot be used, by reason."""


def prepare_all(examples: Sequence[Example], chat: Format, job: Job) -> Usable:
    """The token windows of the examples, and which of them have none."""
    prepared: list[Prepared] = []
    used: list[str] = []
    unused: list[str] = []
    skipped: Counter[str] = Counter()
    for example in examples:
        made = prepare(
            *(example, chat),
            max_tokens=job.max_tokens,
            note_tokens=job.note_tokens,
            rule=job.rule,
            others=[f for e in examples if e.step.id != example.step.id for f in e.step.evidence],
        )
        match made:
            case Prepared() as tokens:
                prepared.append(tokens)
                used += example.experience_ids
            case Skipped(reason=reason):
                skipped[reason] += 1
                unused += example.experience_ids
    return Usable(
        prepared=tuple(prepared),
        experience_ids=tuple(dict.fromkeys(used)),
        skipped_ids=tuple(dict.fromkeys(id_ for id_ in unused if id_ not in used)),
        skipped=dict(skipped),
    )
