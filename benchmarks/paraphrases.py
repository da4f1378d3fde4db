"""Measures what a round on one mistake does to other wordings, to a neighbour, and to unrelated replies.

    python -P -m benchmarks.paraphrases [--model smollm2-135m] [--learning-rate 1e-4] [ARM ...]

One mistake in one file (`result = 1` where 0 is right), four wordings of the request to learn from
and 32 others to measure on. Arms: `fixes` learns verified fail-pass pairs; `evidence` has only the
failures and what the test said; `shuffled` has another failure's evidence in its place; `neutral`
learns what any note does. Settings are those of `elagent learn`, seed 0. The limits were set before
any figure of this script was seen; their reasons stand beside them.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import os
import statistics
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from agent.rounds.options import LearnOptions
from agent.rounds.preview import batches
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.model.weights import ensure_weights
from learning.records import (
    Action,
    Evidence,
    EvidenceKind,
    Experience,
    Message,
    Tier,
    Trust,
    Verdict,
)
from learning.training.job import Example, ExampleKind, TrainingJob, write_job
from learning.training.rules import LearningRule, TargetRule

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Arm = Literal["fixes", "evidence", "shuffled", "neutral"]
MAX_KL = 0.05
"""Nats for each token of unrelated replies: the budget of one round in the design. By Pinsker's
inequality no token's probability then changes by more than 0.16 on average."""
MAX_LEAK = 0.01
"""Largest mean rise of the learned digit's probability in unrelated replies: one token in a hundred
is what a reader would begin to see."""
LEARNED = 4
"""Wordings that are learned from; the others are held out."""

_BEFORE = "def total(prices):\n    result = 1\n    return result + sum(prices)\n"
_AFTER = _BEFORE.replace("result = 1", "result = 0")
_NEIGHBOUR = "def product(prices):\n    result = 1\n    for price in prices:\n        result *= price\n    return result\n"
_OPENINGS = (
    "The test expects total([]) to be 0.",
    "total([]) should give 0, and does not.",
    "An empty basket must cost nothing.",
    "With no prices at all the sum is wrong.",
    "AssertionError: assert total([]) == 0",
    "Please look at total: it starts from the wrong number.",
)
_ENDINGS = (
    "Repair the file.",
    "Write the whole corrected file.",
    "Fix it.",
    "Give the file without the mistake.",
    "Correct this code.",
    "What should the file be?",
)
_UNRELATED = (
    ("Name three rivers in France.", "The Seine, the Loire and the Rhône are rivers in France."),
    ("What is 7 times 8?", "7 times 8 is 56."),
    (
        "Write a haiku about rain.",
        "Soft rain on the roof\nthe garden drinks in silence\na snail sets out west",
    ),
    ("How many days has a leap year?", "A leap year has 366 days, one more than the usual 365."),
    (
        "Write a Python function that counts the vowels of a word.",
        "```python\ndef vowels(word):\n    return sum(letter in 'aeiou' for letter in word.lower())\n```",
    ),
    ("Which planet is the largest?", "Jupiter is the largest planet of the solar system."),
)
_SAID = Evidence(
    kind=EvidenceKind.TEST_FAILURE,
    tier=Tier.HARNESS,
    subject="tests/test_shop.py::test_total",
    exception="AssertionError",
    message="assert 1 == 0",
    file="tests/test_shop.py",
    line=7,
    function="test_total",
    expected="0",
    got="1",
)
_FOREIGN = dataclasses.replace(
    _SAID,
    subject="tests/test_names.py::test_greeting",
    exception="KeyError",
    message="'surname'",
    file="tests/test_names.py",
    function="test_greeting",
    expected="",
    got="",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Replies of one model: the held-out wordings, the neighbour, and the unrelated replies."""

    preferences: tuple[float, ...]
    """Log-odds of the right digit over the wrong one at the mistake, for each held-out wording."""
    neighbour: float
    """Log-odds of 0 over 1 in another function, where 1 is right."""
    unrelated: tuple[Tensor, ...]
    """Log-probabilities (t, v) of the tokens of the unrelated replies."""


def wordings() -> list[str]:
    """All requests, those that are learned from first: they differ in opening and in ending."""
    pairs = list(itertools.product(_OPENINGS, _ENDINGS))
    pairs = pairs[::7] + [pair for number, pair in enumerate(pairs) if number % 7]
    return [f"{opening} {ending}\n\n```python\n{_BEFORE}```" for opening, ending in pairs]


def learn(model: InstalledModel, folder: Path, arm: Arm, *, learning_rate: float) -> None:
    """One round with the settings of `elagent learn`; the adapter is left in `folder/adapter`."""
    from learning.training.worker import run

    assert model.hf is not None  # noqa: S101 - only models that can be trained come here
    examples = _examples(ChatFormat.load(model.hf), arm, model.name)
    batch, steps = batches(len(examples), LearnOptions().steps)
    target = TargetRule(gamma_c=0.0, gamma_s=1.0) if arm == "neutral" else TargetRule()
    job = TrainingJob(
        id=folder.name,
        model=model.name,
        model_folder=str(ensure_weights(model, on_progress=lambda *_: None)),
        base=model.identity,
        adapter_prefix="el-paraphrases-v0001",
        created_at=0.0,
        steps=steps,
        batch=batch,
        learning_rate=learning_rate,
        rule=LearningRule(target=target),
    )
    write_job(folder, job, examples)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        run(folder)


def inspect(model: torch.nn.Module, chat: ChatFormat) -> Findings:
    """Ask a model, with or without an adapter, everything that the arms are compared on."""
    ((right,), (wrong,)) = (chat.encode_text(digit) for digit in "01")

    def preference(asked: str, source: str, digit: str) -> float:
        begun = "```python\n" + source.split(digit, maxsplit=1)[0]
        ids = [*chat.encode(_asked(asked)), *chat.encode_text(begun)]
        row_v = _log_p(model, ids)[-1]
        return float(row_v[right] - row_v[wrong])

    replies = []
    for asked, reply in _UNRELATED:
        prompt, said = chat.encode([Message(role="user", content=asked)]), chat.encode_text(reply)
        replies.append(_log_p(model, [*prompt, *said])[len(prompt) - 1 : -1])
    return Findings(
        preferences=tuple(preference(asked, _AFTER, "0") for asked in wordings()[LEARNED:]),
        neighbour=preference(
            f"product([]) should be 1. Repair the file.\n\n```python\n{_NEIGHBOUR}```",
            _NEIGHBOUR,
            "1",
        ),
        unrelated=tuple(replies),
    )


def moved(before: Findings, after: Findings) -> float:
    """Mean KL(before || after) of a token of the unrelated replies, in nats."""
    kl_t = [
        (a.exp() * (a - b)).sum(-1) for a, b in zip(before.unrelated, after.unrelated, strict=True)
    ]
    return statistics.fmean(float(value) for part_t in kl_t for value in part_t)


def leaked(before: Findings, after: Findings, chat: ChatFormat) -> float:
    """Return how much likelier the learned digit became in the unrelated replies, mean over tokens."""
    (right,) = chat.encode_text("0")
    rises = (
        float(value)
        for a, b in zip(before.unrelated, after.unrelated, strict=True)
        for value in b[:, right].exp() - a[:, right].exp()
    )
    return statistics.fmean(rises)


def _asked(words: str) -> tuple[Message, ...]:
    return (
        Message(role="system", content="You repair Python files."),
        Message(role="user", content=words),
    )


def _log_p(model: torch.nn.Module, ids: Sequence[int]) -> Tensor:
    import torch

    with torch.no_grad():
        logits_tv: Tensor = model(input_ids=torch.tensor([list(ids)])).logits[0]
    return logits_tv.log_softmax(-1)


def _examples(chat: ChatFormat, arm: Arm, model: str) -> list[Example]:
    said = _FOREIGN if arm == "shuffled" else _SAID
    found = []
    for number, words in enumerate(wordings()[:LEARNED]):
        failed = _step(chat, model, f"bad{number}", words, _BEFORE, Verdict.FAIL)
        if arm == "fixes":
            fix = _step(chat, model, f"good{number}", words, _AFTER, Verdict.PASS)
            found.append(Example(kind=ExampleKind.HINDSIGHT, step=failed, fix=fix))
        else:
            told = dataclasses.replace(failed, evidence=(said,))
            found.append(Example(kind=ExampleKind.EVIDENCE, step=told))
    return found


def _step(  # noqa: PLR0917 - one private maker of rows
    chat: ChatFormat, model: str, id_: str, words: str, source: str, verdict: Verdict
) -> Experience:
    messages, reply = _asked(words), f"```python\n{source}```"
    return Experience(
        id=id_,
        session="benchmark",
        created_at=0.0,
        repository="shop",
        model=model,
        messages=messages,
        action=Action(
            text=reply,
            model=model,
            adapter=None,
            prompt_ids=tuple(chat.encode(messages)),
            token_ids=tuple(chat.encode_text(reply)),
        ),
        verdict=verdict,
        path="shop.py",
        before=_BEFORE,
        after=source,
        trust=Trust.PINNED,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arms", nargs="*", default=get_args(Arm), metavar="ARM")
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--learning-rate", type=float, default=LearnOptions().learning_rate)
    args = parser.parse_args()

    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    from agent.paths import from_environ
    from learning.model.resolve import resolve

    model = resolve(args.model, from_environ(os.environ).models)
    weights = ensure_weights(model, on_progress=lambda *_: None)
    chat = ChatFormat.load(weights)

    def load() -> torch.nn.Module:
        found: torch.nn.Module = AutoModelForCausalLM.from_pretrained(
            str(weights), dtype=torch.float32
        )
        return found

    before = inspect(load(), chat)
    _print("base", before, before, chat)
    for arm in args.arms:
        with tempfile.TemporaryDirectory() as folder:
            job = Path(folder) / "job"
            learn(model, job, arm, learning_rate=args.learning_rate)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
                student = PeftModel.from_pretrained(load(), str(job / "adapter"))
            _print(arm, before, inspect(student, chat), chat)
    return 0


def _print(arm: str, before: Findings, after: Findings, chat: ChatFormat) -> None:
    pairs = zip(before.preferences, after.preferences, strict=True)
    rises = [b - a for a, b in pairs]
    print(
        f"{arm:9} rose on {sum(rise > 0 for rise in rises):2} of {len(rises)} wordings,"
        f" log-odds of the right digit {statistics.median(after.preferences):+.2f}"
        f" (change {min(rises):+.2f} to {max(rises):+.2f}),"
        f" of the same digit where it is wrong {after.neighbour:+.2f};"
        f" unrelated replies: KL {moved(before, after):.4f}, digit {leaked(before, after, chat):+.5f}",
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
