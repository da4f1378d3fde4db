"""One real round on the tiny real model: what is learned is what was verified."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from agent.rounds.options import LearnOptions
from benchmarks.paraphrases import (
    LEARNED,
    MAX_KL,
    MAX_LEAK,
    Findings,
    inspect,
    leaked,
    learn,
    moved,
    wordings,
)
from learning.evaluation.statistics import TaskScores
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.promotion.gate import MIN_HELD_OUT, Trial, decide
from learning.records import Experience, Message, Verdict
from learning.training.job import Example, ExampleKind, TrainingJob, read_result, write_job
from tests.fakes.experiences import make_action, make_experience

if TYPE_CHECKING:
    import torch

pytestmark = pytest.mark.model

_ASKED = "The test expects total([]) to be {right}. Repair the file.\n\n```python\n{before}```"
_BEFORE = "def total(prices):\n    result = 1\n    return result + sum(prices)\n"
_AFTER = _BEFORE.replace("result = 1", "result = 0")


def _step(chat: ChatFormat, id_: str, source: str, verdict: Verdict) -> Experience:
    messages = (
        Message(role="system", content="You repair Python files."),
        Message(role="user", content=_ASKED.format(right=0, before=_BEFORE)),
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


def _write(folder: Path, model: InstalledModel, chat: ChatFormat) -> Path:
    pair = Example(
        kind=ExampleKind.HINDSIGHT,
        step=_step(chat, "bad", _BEFORE, Verdict.FAIL),
        fix=_step(chat, "good", _AFTER, Verdict.PASS),
    )
    job = TrainingJob(
        id=folder.name,
        model=model.name,
        model_folder=str(model.hf),
        base=model.identity,
        adapter_prefix="el-shop-v0001",
        created_at=0.0,
        steps=3,
        learning_rate=5e-4,
    )
    write_job(folder, job, [pair])
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
    unpacked_model: InstalledModel, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    assert unpacked_model.hf
    chat = ChatFormat.load(unpacked_model.hf)
    folder = _write(tmp_path / "job", unpacked_model, chat)
    _run(folder)
    result = read_result(folder)
    assert result
    assert result.trained == 1

    # Only the changed digit decides: the reply up to it, then right against wrong.
    asked = _step(chat, "bad", _BEFORE, Verdict.FAIL).action.prompt_ids
    prompt = [*asked, *chat.encode_text("```python\n" + _AFTER.split("0")[0])]
    ((right,), (wrong,)) = (chat.encode_text(digit) for digit in "01")
    base = AutoModelForCausalLM.from_pretrained(str(unpacked_model.hf), dtype=torch.float32)
    before = _preference(base, prompt, right, wrong)
    learned = PeftModel.from_pretrained(base, str(folder / "adapter"))
    after = _preference(learned, prompt, right, wrong)
    assert after > before + 0.5


@pytest.mark.slow
def test_kill_9_in_the_middle_changes_no_byte_of_the_adapter(
    unpacked_model: InstalledModel, tmp_path: Path
) -> None:
    assert unpacked_model.hf
    chat = ChatFormat.load(unpacked_model.hf)
    whole, cut = (_write(tmp_path / name, unpacked_model, chat) for name in ("whole", "cut"))
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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # by peft
def test_what_was_learned_holds_for_other_words_and_a_spoilt_adapter_is_rejected(
    unpacked_model: InstalledModel, tmp_path: Path
) -> None:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    assert unpacked_model.hf
    chat = ChatFormat.load(unpacked_model.hf)
    held_out = wordings()[LEARNED:]
    assert len(held_out) >= MIN_HELD_OUT
    learn(unpacked_model, tmp_path / "job", "fixes", learning_rate=LearnOptions().learning_rate)

    base = AutoModelForCausalLM.from_pretrained(str(unpacked_model.hf), dtype=torch.float32)
    before = inspect(base, chat)
    model = PeftModel.from_pretrained(base, str(tmp_path / "job" / "adapter"))
    learned = inspect(model, chat)
    pairs = zip(before.preferences, learned.preferences, strict=True)
    assert sum(a < b for a, b in pairs) >= 0.9 * len(held_out)
    assert moved(before, learned) <= MAX_KL
    assert leaked(before, learned, chat) <= MAX_LEAK

    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "lora_B" in name:
                weight.mul_(-1.0)
    spoilt = inspect(model, chat)
    scores = TaskScores(
        tasks=tuple(held_out),
        a=_rises(before, learned),
        b=_rises(before, spoilt),
    )
    decision = decide(Trial(held_out=scores))
    assert decision.kind == "rejected"
    assert "not shown to be better" in decision.reason


def _rises(before: Findings, after: Findings) -> tuple[float, ...]:
    pairs = zip(before.preferences, after.preferences, strict=True)
    return tuple(float(a < b) for a, b in pairs)
