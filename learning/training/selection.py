"""Selects the experiences of a round: verified fixes first, then failures, newest first.

Benchmark tasks are left out, because an adapter must not be measured on what it learned. A function of
a benchmark is recognised by its signature and the first words of its docstring; `benchmarks.txt` holds
only digests of those. Copies are found in any file and layout; paraphrases are not.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from learning.records import EvidenceKind, Experience, Origin, Tier, Verdict
from learning.training.job import Example, ExampleKind

_FIRST_TRY_WEIGHT = 0.3
"""Small, because the prompt already led to this action: the model knows it, and could overfit."""
_LEARNABLE = (Tier.HARNESS, Tier.USER)
_KNOWN = Path(__file__).with_name("benchmarks.txt")
_FUNCTION = re.compile(
    r"def (\w{1,100})\(([^)]{0,500})\)[^:\n]{0,200}:\s{0,200}(?:'''|\"\"\")(?=(.{8,200}))",
    re.DOTALL,
)
_WORDS = 8
_DIGITS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The examples of a round, and the number of experiences left out, by reason."""

    examples: tuple[Example, ...]
    skipped: Mapping[str, int]
    failures: int = 0
    """Number of usable failing steps, before any limit."""
    fixed: int = 0
    """Number of failing steps with a verified fix."""
    distinct_fixes: int = 0
    unseen: tuple[Example, ...] = ()
    """Verified fixes of other failures: the round measures their likelihood and does not learn them."""

    @property
    def experience_ids(self) -> tuple[str, ...]:
        """Ids of all experiences in the examples, each once."""
        ids = (id_ for example in self.examples for id_ in example.experience_ids)
        return tuple(dict.fromkeys(ids))


ALL_KINDS = frozenset(ExampleKind)
MOST_UNSEEN = 12
"""Most fixes whose likelihood is measured: each takes two passes, seconds on a CPU."""


def select(
    experiences: Sequence[Experience],
    *,
    model: str,
    max_examples: int,
    kinds: frozenset[ExampleKind] = ALL_KINDS,
    leave_out: frozenset[Origin] = frozenset(),
    reads: Callable[[EvidenceKind], bool] = lambda _: True,
) -> Selection:
    """Choose up to `max_examples` of these kinds from experiences given newest first.

    Fixes of a step that had failed come first, then failing steps with evidence, and fixes that
    worked at once only to fill up. Equal failures share the weight of one. `reads` is true for
    kinds of evidence that the model can read; of the other kinds only the tool's words are learned.
    Nothing is learned of actions with an origin in `leave_out`.
    """
    skipped: Counter[str] = Counter()
    by_id = {experience.id: experience for experience in experiences}
    wanted = [e for e in experiences if e.origin not in leave_out]
    if others := len(experiences) - len(wanted):
        skipped["of an origin that is left out"] += others
    usable = [e for e in wanted if _usable(e, model, skipped)]
    fixes = [e for e in usable if e.verdict is Verdict.PASS and e.fixes]
    failures = [e for e in usable if e.verdict is Verdict.FAIL]
    first_tries = [e for e in usable if e.verdict is Verdict.PASS and not e.fixes and e.after]
    pairs = [pair for fix in fixes if (pair := _pair(fix, by_id, model, skipped)) is not None]
    examples = [
        *_shared_out(pairs),
        *_shared_out(failure for e in failures if (failure := _failure(e, skipped)) is not None),
        *(
            Example(kind=ExampleKind.FIRST_TRY, step=e, weight=_FIRST_TRY_WEIGHT)
            for e in first_tries
        ),
    ]
    if others := sum(example.kind not in kinds for example in examples):
        skipped["of a type that was not asked for"] += others
    examples = [_readable(example, reads) for example in examples if example.kind in kinds]
    if len(examples) > max_examples:
        skipped["beyond the size of one round"] += len(examples) - max_examples
    return Selection(
        examples=tuple(examples[:max_examples]),
        skipped=dict(skipped),
        failures=len(failures),
        fixed=len({pair.step.id for pair in pairs}),
        distinct_fixes=len({pair.fix.after for pair in pairs if pair.fix}),
        unseen=tuple(_unseen(fixes, by_id, examples[:max_examples]))[:MOST_UNSEEN],
    )


def _unseen(
    fixes: Iterable[Experience], by_id: Mapping[str, Experience], chosen: Sequence[Example]
) -> Iterator[Example]:
    """Failing steps with a fix that the round does not learn."""
    seen = {example.step.id for example in chosen}
    known = {(example.fix or example.step).after for example in chosen}
    for fix in fixes:
        step = by_id.get(fix.fixes)
        if step is None or step.path != fix.path or step.id in seen or fix.after in known:
            continue
        if not unusable(step, fix.model):
            seen.add(step.id)
            yield Example(kind=ExampleKind.HINDSIGHT, step=step, fix=fix, read_evidence=False)


def _readable(example: Example, reads: Callable[[EvidenceKind], bool]) -> Example:
    facts = [fact for fact in example.step.evidence if fact.tier in _LEARNABLE]
    return dataclasses.replace(example, read_evidence=any(reads(fact.kind) for fact in facts))


def _usable(experience: Experience, model: str, skipped: Counter[str]) -> bool:
    if reason := unusable(experience, model):
        skipped[reason] += 1
    return not reason


def unusable(experience: Experience, model: str, *, prompt_only: bool = False) -> str:
    """The reason why nothing may be learned from an experience; empty if something may.

    `prompt_only`: of the step only the prompt is wanted, because its fix was put together.
    """
    if experience.model != model:
        return "made by another model"
    exact = bool(experience.action.token_ids and experience.action.prompt_ids)
    put_together = prompt_only or experience.was_searched
    if not exact and not (put_together and experience.messages):
        return "recorded without token ids"
    if experience.verdict is Verdict.UNKNOWN:
        return "without a verdict"
    if experience.verdict is Verdict.PASS and not experience.trust.may_train:
        return "a pass whose verdict the code could have forged"
    if is_benchmark(experience):
        return "a task of a benchmark"
    return ""


def _pair(
    fix: Experience, by_id: Mapping[str, Experience], model: str, skipped: Counter[str]
) -> Example | None:
    """The fix as the right action at the prompt of the step that had failed; None if unusable."""
    failed = by_id.get(fix.fixes)
    # Of a step whose fix was put together only the prompt is learned from, not the model's own tokens.
    if failed is None or unusable(failed, model, prompt_only=fix.was_searched):
        skipped["a fix whose failing step cannot be used"] += 1
    elif failed.path != fix.path:
        # The prompt of the failing step did not show that file: the fix would teach to guess.
        skipped["a fix of another file than the failing step's"] += 1
    else:
        return Example(kind=ExampleKind.HINDSIGHT, step=failed, fix=fix)
    return None


def _failure(experience: Experience, skipped: Counter[str]) -> Example | None:
    if not any(fact.tier in _LEARNABLE for fact in experience.evidence):
        skipped["a failure without evidence that may be learned from"] += 1
        return None
    return Example(kind=ExampleKind.EVIDENCE, step=experience)


def _shared_out(examples: Iterable[Example]) -> list[Example]:
    """The examples, each weight divided by the number of examples that failed in the same way."""
    examples = list(examples)
    same = Counter(map(_signature, examples))
    return [
        dataclasses.replace(example, weight=example.weight / same[_signature(example)])
        for example in examples
    ]


def _signature(example: Example) -> tuple[str, ...]:
    facts = example.step.evidence
    return tuple(sorted({fact.signature for fact in facts})) or (example.step.id,)


def fingerprints(text: str) -> Iterator[str]:
    """One digest for every function with a docstring in a text."""
    for name, arguments, words in _FUNCTION.findall(text):
        first = " ".join(words.split()[:_WORDS])
        spelled = f"{name} {_names(arguments)} {first}".lower()
        yield hashlib.sha256(spelled.encode()).hexdigest()[:_DIGITS]


def is_benchmark(experience: Experience) -> bool:
    """True if the experience's prompt, action or file has a function of a known benchmark."""
    known = _known()
    texts = [message.content for message in experience.messages]
    texts += [experience.before, experience.after, experience.action.text]
    return any(print_ in known for text in texts for print_ in fingerprints(text))


@functools.cache
def _known() -> frozenset[str]:
    lines = _KNOWN.read_text(encoding="ascii").splitlines()
    return frozenset(line for line in lines if not line.startswith("#"))


def _names(arguments: str) -> str:
    """The arguments without their types and defaults, which copies often lose."""
    return " ".join(re.findall(r"(?:^|,)\s*(\w+)", arguments))
