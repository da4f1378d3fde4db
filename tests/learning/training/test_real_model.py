"""One real round on the tiny real model: what is learned is what was verified."""

from __future__ import annotations

import dataclasses
import itertools
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from learning.evaluation.statistics import TaskScores
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.promotion.gate import MIN_HELD_OUT, Trial, decide
from learning.records import Experience, Message, Verdict
from learning.training.job import Example, ExampleKind, Job, read_result, write_job
from tests.fakes.experiences import make_action, make_experience

if TYPE_CHECKING:
    import torch

pytestmark = pytest.mark.model

_ASKED = "The test expects total([]) to be {right}. Repair the file.\n\n```python\n{before}```"
_BEFORE = "def total(prices):\n    result = 1\n    return result + sum(prices)\n"
_AFTER = _BEFORE.replace("result = 1", "result = 0")


def _step(
    chat: ChatFormat, id_: str, source: str, verdict: Verdict, *, asked: str = ""
) -> Experience:
    messages = (
        Message(role="system", content="You repair Python files."),
        Message(role="user", content=asked or _ASKED.format(right=0, before=_BEFORE)),
    )
    reply = f"```python\n{source}```"
    action = make_action(
        reply,
        model="smollm2-135m",
        prompt_ids=tuple(chat.encode(messages)),
        token_ids=tuple(chat.encode_text(reply)),
        logprobs=None,
    )
    return make_experience(
        id_,
        model="smollm2-135m",
        messages=messages,
        action=action,
        verdict=verdict,
        before=_BEFORE,
        after=source,
        evidence=(),
    )


def _preference(model: torch.nn.Module, prompt: Sequence[int], right: int, wrong: int) -> float:
    """Log-odds of one next token over another."""
    import torch

    with torch.no_grad():
        logits = model(input_ids=torch.tensor([list(prompt)])).logits[0, -1]
    return float(logits[right] - logits[wrong])


def _write(
    folder: Path, model: InstalledModel, chat: ChatFormat, *, asked: Sequence[str] = ("",)
) -> Path:
    pairs = [
        Example(
            kind=ExampleKind.HINDSIGHT,
            step=_step(chat, f"bad{number}", _BEFORE, Verdict.FAIL, asked=words),
            fix=_step(chat, f"good{number}", _AFTER, Verdict.PASS, asked=words),
        )
        for number, words in enumerate(asked)
    ]
    job = Job(
        id=folder.name,
        model=model.name,
        model_folder=str(model.hf),
        base=model.identity,
        adapter_prefix="el-shop-v0001",
        created_at=0.0,
        steps=3,
        learning_rate=5e-4,
    )
    write_job(folder, dataclasses.replace(job, steps=max(3, 2 * len(pairs))), pairs)
    return folder


def _start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "learning.training.worker", str(folder)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
    )


def _run(folder: Path) -> None:
    worker = _start(folder)
    _, errors = worker.communicate()
    assert worker.returncode == 0, errors


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # by peft
def test_a_verified_fix_becomes_more_likely_at_the_prompt_that_had_failed(
    tiny_model: InstalledModel, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    assert tiny_model.hf
    chat = ChatFormat.load(tiny_model.hf)
    folder = _write(tmp_path / "job", tiny_model, chat)
    _run(folder)
    result = read_result(folder)
    assert result
    assert result.trained == 1

    # Only the changed digit decides: the reply up to it, then right against wrong.
    asked = _step(chat, "bad", _BEFORE, Verdict.FAIL).action.prompt_ids
    prompt = [*asked, *chat.encode_text("```python\n" + _AFTER.split("0")[0])]
    ((right,), (wrong,)) = (chat.encode_text(digit) for digit in "01")
    base = AutoModelForCausalLM.from_pretrained(str(tiny_model.hf), dtype=torch.float32)
    before = _preference(base, prompt, right, wrong)
    learned = PeftModel.from_pretrained(base, str(folder / "adapter"))
    after = _preference(learned, prompt, right, wrong)
    assert after > before + 0.5


@pytest.mark.slow
def test_kill_9_in_the_middle_changes_no_byte_of_the_adapter(
    tiny_model: InstalledModel, tmp_path: Path
) -> None:
    assert tiny_model.hf
    chat = ChatFormat.load(tiny_model.hf)
    whole, cut = (_write(tmp_path / name, tiny_model, chat) for name in ("whole", "cut"))
    _run(whole)
    worker = _start(cut)
    while not (cut / "checkpoint.pt").exists():
        assert worker.poll() is None
        time.sleep(0.05)
    worker.kill()
    worker.communicate()
    assert read_result(cut) is None
    _run(cut)
    name = "adapter/adapter_model.safetensors"
    assert (whole / name).read_bytes() == (cut / name).read_bytes()


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
_KL_BUDGET = 0.3
"""Nats that a round may move away from the base model on prompts from elsewhere."""
_LEARNED = 4
"""Wordings that are learned from; the others are held out."""


def _wordings() -> list[str]:
    pairs = list(itertools.product(_OPENINGS, _ENDINGS))
    pairs = pairs[::7] + [pair for number, pair in enumerate(pairs) if number % 7]
    return [f"{opening} {ending}\n\n```python\n{_BEFORE}```" for opening, ending in pairs]


def _solved(model: torch.nn.Module, chat: ChatFormat, asked: Sequence[str]) -> tuple[float, ...]:
    """How much the right digit is preferred at the place of the mistake, for each wording."""
    reply = chat.encode_text("```python\n" + _AFTER.split("0")[0])
    ((right,), (wrong,)) = (chat.encode_text(digit) for digit in "01")
    prompts = [_step(chat, "x", _BEFORE, Verdict.FAIL, asked=a).action.prompt_ids for a in asked]
    return tuple(_preference(model, [*prompt, *reply], right, wrong) for prompt in prompts)


def _said(model: torch.nn.Module, chat: ChatFormat, asked: str) -> torch.Tensor:
    import torch

    prompt = chat.encode([Message(role="user", content=asked)])
    with torch.no_grad():
        logits: torch.Tensor = model(input_ids=torch.tensor([prompt])).logits[0, -1]
    return logits.log_softmax(-1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # by peft
def test_what_was_learned_holds_for_other_words_and_a_spoilt_adapter_is_rejected(
    tiny_model: InstalledModel, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    assert tiny_model.hf
    chat = ChatFormat.load(tiny_model.hf)
    asked = _wordings()
    folder = _write(tmp_path / "job", tiny_model, chat, asked=asked[:_LEARNED])
    _run(folder)
    held_out = asked[_LEARNED:]
    assert len(held_out) >= MIN_HELD_OUT
    unrelated = ["Name three rivers in France.", "What is 7 times 8?", "Write a haiku about rain."]

    base = AutoModelForCausalLM.from_pretrained(str(tiny_model.hf), dtype=torch.float32)
    before = _solved(base, chat, held_out)
    calm = [_said(base, chat, words) for words in unrelated]
    model = PeftModel.from_pretrained(base, str(folder / "adapter"))
    learned = _solved(model, chat, held_out)
    assert sum(a < b for a, b in zip(before, learned, strict=True)) >= 0.9 * len(held_out)
    for words, said in zip(unrelated, calm, strict=True):
        moved = _said(model, chat, words)
        assert float((said.exp() * (said - moved)).sum()) < _KL_BUDGET

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.mul_(-1.0)
    spoilt = _solved(model, chat, held_out)
    scores = TaskScores(
        tasks=tuple(held_out),
        a=tuple(float(value > b) for value, b in zip(learned, before, strict=True)),
        b=tuple(float(value > b) for value, b in zip(spoilt, before, strict=True)),
    )
    decision = decide(Trial(held_out=scores))
    assert decision.kind == "rejected"
    assert "not shown to be better" in decision.reason
