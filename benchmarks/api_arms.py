"""Trains one arm on rows of `benchmarks/contexts.py`: the uses of changed APIs, or a control of as many rows.

    python -P -m benchmarks.api_arms ROWS OUT --arm other-apis
    python -P -m benchmarks.api_arms ROWS OUT --arm own --rule span-no-contrast --an-api 4

ROWS is the `rows/` folder that `benchmarks/contexts.py` left. Every arm has the same anchors and own passes, as many
lessons, the same seed and so the same steps; `elagent eval drift --adapter OUT/ARM/adapter` measures what it learned.
A training that was cut off goes on after its last step.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

from agent.paths import make_private
from lab.training.train import NothingLearned, TrainingLimits, arm_job, train_on_examples
from learning.model.chat import ChatFormat
from learning.model.resolve import resolve
from learning.training.job import Example, read_rows
from learning.training.prepare import prepare_all
from learning.training.rules import SPAN_ARMS
from learning.training.schedule import about_apis
from tui.wiring import context as session_at

ARMS = ("own", "other-apis", "shuffled")
ANCHORS = 0.6
PASSES = 0.4
"""Rows on which nothing should change, for each lesson, as in a round of `elagent learn`."""
LIMITS = TrainingLimits(learning_rate=2e-4, budget_s=0.0)


def rows_of(folder: Path, arm: str, *, an_api: int, unchanged: str) -> list[Example]:
    """The rows of an arm: as many lessons as `own` has with `an_api` of each successor, anchors and passes.

    With `unchanged` "replies" the model's own replies stand in the place of anchors and passes, as many; with
    "look-alikes" uses of names that are gone elsewhere stand in the place of the first anchors.

    Raises:
        JobError: If the rows cannot be read.
    """
    count: Counter[str] = Counter()
    own = read_rows(folder / "own.jsonl")
    kept = []
    for number, row in enumerate(own):
        library, api = (row.use.library, row.use.api) if row.use is not None else ("", "")
        successor = f"{library} {api.rpartition(' -> ')[2]}"
        count[successor] += 1
        kept += [number] if count[successor] <= an_api else []
    of_arm = read_rows(folder / f"{arm}.jsonl")
    lessons = of_arm[: len(kept)] if arm == "other-apis" else [of_arm[number] for number in kept]
    if len(lessons) < len(kept):
        raise SystemExit(f"{arm} has {len(lessons)} rows, and {len(kept)} are needed")
    alike = read_rows(folder / "look-alikes.jsonl") if unchanged == "look-alikes" else []
    anchors = [*alike, *read_rows(folder / "anchors.jsonl")][: math.ceil(ANCHORS * len(kept))]
    passes = read_rows(folder / "passes.jsonl")[: math.ceil(PASSES * len(kept))]
    if unchanged == "replies":
        most = len(anchors) + len(passes)
        return [*lessons, *read_rows(folder / "replies.jsonl")[:most]]
    return [*lessons, *anchors, *passes]


async def train(
    folder: Path,
    out: Path,
    arm: str,
    *,
    name: str,
    rule: str,
    an_api: int,
    unchanged: str,
    epochs: int,
) -> None:
    """Train the arm on the model of that name, and print what it took."""
    model = resolve(name, session_at(Path.cwd()).paths.models)
    if model.hf is None:
        raise SystemExit(
            f"{name} has no weights here: fetch them with `elagent models pull {name}`"
        )
    rows = rows_of(folder, arm, an_api=an_api, unchanged=unchanged)
    job = arm_job(arm, model, LIMITS, prefix=f"arm-{arm}", seed=0)
    usable = prepare_all(rows, ChatFormat.load(model.hf), job)
    job = replace(about_apis(job, usable.prepared, arm=rule), pack_tokens=896)
    one = job.steps // job.rule.epochs
    job = replace(job, rule=replace(job.rule, epochs=epochs), steps=epochs * one)
    kinds = Counter(str(row.kind) for row in rows)
    print(f"{arm}: {dict(kinds)}, {job.steps} steps of {job.batch}", flush=True)
    started = time.monotonic()

    def on_step(step: int, steps: int, loss: float) -> None:
        left_s = (time.monotonic() - started) / step * (steps - step)
        print(f"{step}/{steps} loss {loss:.3f}, about {left_s / 60:.0f} min left", flush=True)

    place = make_private(out) / arm
    made = await train_on_examples(place, job, rows, on_step=on_step)
    if isinstance(made, NothingLearned):
        raise SystemExit(f"nothing was learned: {made.reason}")
    print(f"{made.folder}: {made.tokens} tokens, {made.steps} steps, {made.seconds:.0f} s")


def main() -> None:
    """See the module's own words."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("rows", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--arm", choices=ARMS, required=True)
    parser.add_argument("--model", default="qwen2.5-coder-1.5b", metavar="NAME")
    parser.add_argument("--rule", choices=SPAN_ARMS, default="span")
    parser.add_argument("--an-api", type=int, default=12, metavar="N")
    parser.add_argument(
        "--unchanged",
        choices=("calls", "look-alikes", "replies"),
        default="calls",
        help="what should not change",
    )
    parser.add_argument(
        "--epochs", type=int, choices=(1, 2), default=2, help="at most: see docs/learning.md"
    )
    given = parser.parse_args()
    asyncio.run(
        train(
            *(given.rows, given.out, given.arm),
            name=given.model,
            rule=given.rule,
            an_api=given.an_api,
            unchanged=given.unchanged,
            epochs=given.epochs,
        )
    )


if __name__ == "__main__":
    main()
