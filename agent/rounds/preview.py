"""Notices on the examples and the cost of a learning round before it is trained."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from agent.events import Notice
from agent.rounds.options import LearnOptions
from learning.promotion.capability import Capability
from learning.records import EvidenceKind
from learning.training.job import ExampleKind, TrainingJob
from learning.training.prepare import Prepared
from learning.training.resources import (
    NotEnoughMemoryError,
    available_bytes,
    check_memory,
    estimated_s,
)
from learning.training.selection import ALL_KINDS, Selection

_MAX_EPOCHS = 2
_STEPS_AN_EPOCH = 8
_ANCHOR_TOKENS = 100
"""Tokens of the unrelated conversation that each step reads as well."""
_KIND_NAMES = {
    ExampleKind.HINDSIGHT: "fixes of failed attempts",
    ExampleKind.EVIDENCE: "failures with what the tools said",
    ExampleKind.FIRST_TRY: "fixes that worked at once",
    ExampleKind.API_PAIR: "verified uses of APIs that changed",
    ExampleKind.API_ANCHOR: "calls of the same libraries that did not change, to stay as they are",
    ExampleKind.OWN_PASS: "other verified passes, to stay as they are",
    ExampleKind.OWN_REPLY: "own replies, to stay as they are where they did not fail",
}


def may_read(options: LearnOptions, capability: Capability) -> bool:
    """True if evidence of this capability may be learned from: it reads, or was asked for undecided."""
    asked_for = options.kinds != ALL_KINDS and ExampleKind.EVIDENCE in options.kinds
    return capability.state == "reads" or (asked_for and capability.state == "undecided")


def batches(examples: int, steps: int) -> tuple[int, int]:
    """Batch size and number of steps; about eight steps see each example once."""
    batch = max(1, examples // _STEPS_AN_EPOCH)
    return batch, min(steps, -(-_MAX_EPOCHS * examples // batch))


def what_is_learned(
    selection: Selection, capabilities: Mapping[EvidenceKind, Capability], options: LearnOptions
) -> Iterator[Notice]:
    """Notices on the selected examples, the skipped ones, and evidence that may not be learned from."""
    counts = Counter(example.kind for example in selection.examples)
    for kind, name in _KIND_NAMES.items():
        if counts[kind]:
            yield Notice(f"to learn: {counts[kind]} {name}")
    if selection.failures:
        share = 100 * selection.fixed / selection.failures
        yield Notice(
            f"{selection.fixed} of {selection.failures} failures have a verified fix ({share:.0f} %)"
        )
    for reason, count in selection.skipped.items():
        yield Notice(
            f"{count} examples skipped: {reason}" if count > 1 else f"1 example skipped: {reason}"
        )
    failures = [e for e in selection.examples if e.kind is ExampleKind.EVIDENCE]
    for told in sorted({fact.kind for example in failures for fact in example.step.evidence}):
        capability = capabilities[told]
        if capability.state == "reads":
            continue
        learned = may_read(options, capability)
        rest = "learned from because you asked" if learned else "only the tool's words are learned"
        yield Notice(f"{capability.words}: {rest}", level="warning" if learned else "info")


def what_it_costs(prepared: Sequence[Prepared], job: TrainingJob, hf_folder: Path) -> Notice:
    """Notice with steps, sizes and a rough time on this CPU, or with the lack of memory."""
    try:
        check_memory(hf_folder, available_bytes=available_bytes())
    except NotEnoughMemoryError as err:
        return Notice(f"this would not begin: {err}", level="warning")
    sizes = [len(example.ids) for example in prepared]
    noted = (ids for example in prepared for ids in (*example.teacher_contexts, *example.controls))
    seconds = estimated_s(
        hf_folder,
        read=sum(map(len, noted)),
        trained=job.steps * (job.batch * sum(sizes) // len(sizes) + _ANCHOR_TOKENS),
        cores=os.cpu_count() or 1,
    )
    size = f" of {job.batch}" if job.batch > 1 else ""
    return Notice(
        f"this would take at most {job.steps} steps{size} over {len(sizes)} examples of at most "
        f"{max(sizes)} tokens, about {max(1, round(seconds / 60))} min on this CPU"
    )
