"""TRL's own trainers on recorded attempts: they get those, and what they learn is an adapter of ours."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import pytest

from lab.article.gsm8k import asked_of, learn_grpo
from lab.article.settings import Gsm8kSettings, LearningSettings
from lab.benchmarks.gsm8k import WordProblem
from lab.training import trl_trainers, trl_worker
from lab.training.train import NothingLearned
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.promotion.manifest import read_manifest
from learning.records import Experience, Message, Trust, Verdict
from learning.training.job import (
    Example,
    ExampleKind,
    TrainingError,
    TrainingJob,
    read_result,
    write_job,
)
from tests.fakes.experiences import make_action, make_evidence, make_experience
from tests.fakes.tiny_llama import build_tiny_model

_TASKS, _REPLIES = 2, 3
needs_trl = pytest.mark.skipif(find_spec("trl") is None, reason="needs the extra 'baselines'")


def _attempt(chat: ChatFormat | None, task: int, number: int) -> Experience:
    """The reply `number` to a task; the one with the task's own number passes."""
    messages = (Message(role="user", content=f"Write f{task}."),)
    text = f"def f{task}(x):\n    return x + {number}\n"
    action = replace(
        make_action(),
        text=text,
        prompt_ids=tuple(chat.encode(messages)) if chat else (),
        token_ids=tuple(chat.encode_text(text)) if chat else (),
    )
    return replace(
        make_experience(f"T{task}#{number}"),
        messages=messages,
        action=action,
        verdict=Verdict.PASS if number == task else Verdict.FAIL,
        evidence=() if number == task else (make_evidence(),),
        targets=(f"T{task}",),
        trust=Trust.JUDGE,
    )


def _attempts(chat: ChatFormat | None = None) -> list[Experience]:
    return [_attempt(chat, task, n) for task in range(_TASKS) for n in range(_REPLIES)]


def _job(
    folder: Path, arm: str, model: InstalledModel, steps: Sequence[Experience], *, batch: int = 1
) -> Path:
    job = TrainingJob(
        id=arm,
        model=model.name,
        model_folder=str(model.hf),
        base=model.identity,
        adapter_prefix=f"baseline-{arm}",
        created_at=0.0,
        steps=2,
        batch=batch,
        learning_rate=1e-3,
        rank=4,
        alpha=8,
        threads=1,
    )
    examples = [Example(kind=ExampleKind.FIRST_TRY, step=step, weight=1.0) for step in steps]
    write_job(folder / arm, job, examples)
    return folder / arm


def test_a_prompt_gets_its_replies_in_the_order_in_which_they_were_recorded() -> None:
    steps = _attempts()
    groups = trl_trainers._by_prompt(steps)
    assert [len(replies) for replies in groups.values()] == [_REPLIES] * _TASKS
    first, second = (json.loads(key) for key in groups)
    dealt = trl_trainers._dealt([second, first, second], groups)
    assert [step.id for step in dealt] == ["T1#0", "T0#0", "T1#1"]


def test_without_trl_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trl_worker, "find_spec", lambda _name: None)
    with pytest.raises(TrainingError, match=r'pip install "elagent\[baselines\]"'):
        trl_worker.run(tmp_path)


@needs_trl
@pytest.mark.slow
@pytest.mark.parametrize("arm", ["trl-grpo", "trl-sdpo", "trl-sdft"])
def test_each_trainer_leaves_an_adapter_that_changes_the_model(arm: str, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    (tmp_path / "model").mkdir()
    model = build_tiny_model(tmp_path / "model")
    assert model.hf
    steps = _attempts(ChatFormat.load(model.hf))
    job = _job(tmp_path, arm, model, steps)
    argv = [sys.executable, "-P", "-m", "lab.training.trl_worker", str(job)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    result = read_result(job)
    assert result is not None
    assert result.trained == _TASKS * _REPLIES
    weights = load_file(job / "adapter" / "adapter_model.safetensors")
    moved = [tensor.abs().max() for name, tensor in weights.items() if "lora_B" in name]
    assert moved
    assert max(moved) > 0
    report = json.loads((job / "adapter" / "elagent.json").read_text())["report"]
    assert len(report["losses"]) == 2


_PROBLEMS = [
    WordProblem(task_id=f"gsm8k/{n}", question=f"{n} and 1?", answer=Fraction(1)) for n in range(3)
]


@needs_trl
@pytest.mark.slow
def test_grpo_samples_replies_to_word_problems_and_leaves_an_adapter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trl_trainers, "final_number", lambda reply: Fraction(len(reply) % 2))
    (tmp_path / "model").mkdir()
    model = build_tiny_model(tmp_path / "model")
    asked = [asked_of(each, model="m") for each in _PROBLEMS]
    job = _job(tmp_path, "grpo-words", model, asked, batch=8)
    result = trl_worker.run(job)
    assert result.adapter is not None
    assert result.trained == len(_PROBLEMS)
    report = read_manifest(job / "adapter").report
    assert isinstance(report["tokens"], int)
    assert report["tokens"] > 0


@needs_trl
@pytest.mark.slow
def test_grpo_learns_nothing_where_no_reply_is_right(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    made = learn_grpo(
        [replace(each, answer=Fraction(10**25)) for each in _PROBLEMS],
        tmp_path / "rounds",
        model=build_tiny_model(tmp_path / "model"),
        settings=Gsm8kSettings(learning=LearningSettings(steps=2, batch=4, rank=4, max_tokens=400)),
        on_step=lambda _step, _steps, _loss: None,
    )
    assert isinstance(asyncio.run(made), NothingLearned)
