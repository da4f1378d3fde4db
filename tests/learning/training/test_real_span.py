"""The span rule on the tiny real model: a new name rises at an unseen prompt, other calls stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
import torch  # noqa: TID253 - tensors are compared here

from learning.contexts.use import ApiUse, UseOrigin
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.records import Message
from learning.training.causal_model import CausalModel
from learning.training.job import Example, ExampleKind, TrainingJob, api_example
from learning.training.lora import load_student
from learning.training.loss import rows_of
from learning.training.passes import measure
from learning.training.prepare import Prepared, prepare
from learning.training.rules import SPAN
from learning.training.teacher import base_all
from learning.training.trainer import train

pytestmark = pytest.mark.model

_CURVES = ("speed", "height", "current", "pressure", "rainfall", "growth", "load")
_MOST_KL = 0.1
"""Nats a token."""


def _pair(name: str) -> Example:
    chosen = f"```python\nimport numpy as np\n\narea = np.trapezoid({name})\n```\n"
    start = chosen.index("trapezoid")
    use = ApiUse(
        api="numpy.trapz -> numpy.trapezoid",
        library="numpy",
        version="2.3.5",
        origin=UseOrigin.VARIATION,
        stale=chosen.replace("trapezoid", "trapz"),
        names=((start, start + len("trapezoid")),),
    )
    asked = f"Compute the area under the curve of {name} with numpy."
    return _row(ExampleKind.API_PAIR, use, asked, chosen)


def _kept(name: str) -> Example:
    use = ApiUse(api="numpy.cumsum", library="numpy", version="2.3.5", origin=UseOrigin.OWN)
    chosen = f"```python\nimport numpy as np\n\ntotal = np.cumsum({name})\n```\n"
    asked = f"Compute the running total of {name} with numpy."
    return _row(ExampleKind.API_ANCHOR, use, asked, chosen)


def _row(kind: ExampleKind, use: ApiUse, asked: str, chosen: str) -> Example:
    prompt = [Message(role="user", content=asked)]
    return api_example(kind, use, messages=prompt, chosen=chosen, model="smollm2-135m")


@torch.no_grad()
def _log_p(base: CausalModel, pair: Prepared) -> tuple[float, float]:
    """Log-probabilities of the new and of the stale token where they first differ."""
    assert pair.api is not None
    assert pair.api.differs is not None
    ids = torch.tensor([pair.ids[: pair.api.differs]])
    log_p = cast("torch.nn.Module", base)(input_ids=ids).logits[0, -1].float().log_softmax(-1)
    return float(log_p[pair.ids[pair.api.differs]]), float(log_p[pair.api.stale_id])


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # by peft
def test_a_new_name_rises_its_stale_twin_falls_and_other_calls_stay(
    unpacked_model: InstalledModel, tmp_path: Path
) -> None:
    assert unpacked_model.hf
    chat = ChatFormat.load(unpacked_model.hf)
    *pairs, unseen = [_made(_pair(name), chat) for name in _CURVES]
    kept = [_made(_kept(name), chat) for name in _CURVES[:4]]
    job = TrainingJob(
        id="span",
        model=unpacked_model.name,
        model_folder=str(unpacked_model.hf),
        base=unpacked_model.identity,
        adapter_prefix="el-shop-v0001",
        created_at=0.0,
        steps=10,
        batch=5,
        learning_rate=5e-4,
        rule=replace(SPAN, held_out=0.0, epochs=1),
    )
    model = load_student(job)
    base = cast("CausalModel", model.get_base_model())
    new_before, stale_before = _log_p(base, unseen)
    train(model, [*pairs, *kept], job, tmp_path, checkpoint_every=0)
    new, stale = _log_p(base, unseen)
    assert new > new_before + 1
    assert new - stale > new_before - stale_before + 2
    fresh = tmp_path / "measured"
    fresh.mkdir()
    targets = base_all(model, base, kept, fresh, numbers=range(len(kept)), pack_tokens=512)
    rows = [row for n, target in targets.items() for row in rows_of(kept[n], target, job.rule.span)]
    assert measure(base, rows) / len(rows) < _MOST_KL


def _made(example: Example, chat: ChatFormat) -> Prepared:
    made = prepare(example, chat, max_tokens=256, note_tokens=64)
    assert isinstance(made, Prepared), made
    return made
