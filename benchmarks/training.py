"""Tokens per second and peak memory of a learning round, beside a loop written the plain way.

    python -P benchmarks/training.py [--model NAME] [--experiences 4] [--tokens 256] [--steps 4]

Both do the same work on the same experiences: read M views and K controls of each with frozen
weights, then take optimiser steps of one experience. The plain way runs a whole pass for each view
and keeps the logits of every position. Each runs in a process of its own, so that peaks do not mix.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from peft import PeftModel
    from torch import Tensor

    from learning.training.job import Job
    from learning.training.prepare import Prepared

_VIEWS = _CONTROLS = 4
_NOTE = 40


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--experiences", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=256, help="of an experience, a third trained")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--arm", choices=["ours", "plain"])
    args = parser.parse_args()
    if args.arm:
        print(json.dumps(_run(args)))
        return 0
    found = {}
    for arm in ("plain", "ours"):
        ended = subprocess.run(
            [sys.executable, "-P", __file__, *sys.argv[1:], "--arm", arm],
            stdout=subprocess.PIPE,
            check=True,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
        )
        found[arm] = json.loads(ended.stdout.splitlines()[-1])
        rate = found[arm]["tokens"] / found[arm]["seconds"]
        print(
            f"{arm:6} {found[arm]['seconds']:8.1f} s {rate:8.1f} useful tokens/s"
            f" {found[arm]['peak_mib']:8} MiB peak"
        )
    print(f"speed-up {found['plain']['seconds'] / found['ours']['seconds']:.2f}")
    return 0


def _run(args: argparse.Namespace) -> dict[str, float]:
    from agent.paths import from_environ
    from learning.model.resolve import resolve
    from learning.training.job import Job
    from learning.training.lora import load_student
    from learning.training.resources import peak_rss_mib, return_memory_at_once
    from learning.training.rules import LossRule, Rule

    return_memory_at_once()
    model = resolve(args.model, from_environ(os.environ).models)
    rule = Rule(loss=LossRule(echo=0.0, base_anchor=0.0, context_anchor=0.0), held_out=0.0)
    job = Job(
        id="benchmark",
        model=model.name,
        model_folder=str(model.hf),
        base=model.identity,
        adapter_prefix="el-benchmark-v0001",
        created_at=0.0,
        steps=args.steps,
        max_tokens=args.tokens,
        rule=rule,
    )
    student = load_student(job)
    examples = [_example(number, args.tokens) for number in range(args.experiences)]
    started = time.perf_counter()
    if args.arm == "ours":
        from learning.training.trainer import train

        with tempfile.TemporaryDirectory() as folder:
            train(student, examples, job, Path(folder))
    else:
        _plain(student, examples, job)
    return {
        "seconds": time.perf_counter() - started,
        "tokens": args.steps * args.tokens,
        "peak_mib": peak_rss_mib(),
    }


def _example(number: int, tokens: int) -> Prepared:
    from learning.training.job import ExampleKind
    from learning.training.prepare import Prepared

    ids = tuple(1000 + (7 * n + 13 * number) % 5000 for n in range(tokens))
    action = tokens // 3
    prompt, said = ids[:-action], ids[-action:]

    def noted(which: int) -> tuple[int, ...]:
        note = tuple(2000 + (which * 31 + n) % 900 for n in range(_NOTE))
        return (*prompt[:-4], *note, *prompt[-4:], *said)

    return Prepared(
        kind=ExampleKind.EVIDENCE,
        ids=ids,
        positions=tuple(range(len(prompt), len(ids))),
        views=tuple(noted(view) for view in range(_VIEWS)),
        controls=tuple(noted(10 + control) for control in range(_CONTROLS)),
    )


def _plain(student: PeftModel, examples: Sequence[Prepared], job: Job) -> None:
    """A round as one would write it first: whole passes, all logits, targets made anew."""
    import torch

    from learning.training.objective import forward_kl, read_evidence, token_weights

    weights = [p for p in student.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=job.learning_rate, weight_decay=0.0)

    def logits(ids: Sequence[int], count: int) -> Tensor:
        whole_tv: Tensor = student(input_ids=torch.tensor([list(ids)])).logits[0]
        return whole_tv[-count - 1 : -1]

    for step in range(job.steps):
        example = examples[step % len(examples)]
        count = len(example.positions)
        ids_t = torch.tensor(example.ids[-count:])
        with torch.no_grad(), student.disable_adapter():
            reading = read_evidence(
                logits(example.ids, count),
                torch.stack([logits(ids, count) for ids in example.views]),
                torch.stack([logits(ids, count) for ids in example.controls]),
                ids_t,
                rule=job.rule.target,
            )
        roles_t = torch.ones(count)
        weight_t = token_weights(reading, roles_t, rule=job.rule.weights, failed=True)
        loss_t = forward_kl(reading.target, logits(example.ids, count), tau=job.rule.loss.tau)
        loss = (loss_t * weight_t).sum() / (weight_t.sum() + 1e-6)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(weights, 0.5)
        optimizer.step()


if __name__ == "__main__":
    raise SystemExit(main())
