"""Tokens per second and peak memory of a learning round, beside a plain loop and TRL's trainer.

    python -P -m benchmarks.training [--model NAME] [--tokens 256] [--experiences 4] [--steps 8]
                                     [--batch 8] [--rounds 2]
                                     [--arms plain,ours,trl,ours-one,rows-alone,rows]

Four of the arms learn the same recorded experiences (`benchmarks.training_arms`): `plain` and `ours`
read four views and four controls of each with frozen weights and then take one step for each
experience, twice; `trl` and `ours-one` do so with one view and no control, which is all that TRL's SDFT
trainer can. `rows` and `rows-alone` learn short rows about APIs, a batch in packs or row by row
(`benchmarks.training_rows`); these two alone, ten minutes:

    python -P -m benchmarks.training --model qwen2.5-coder-1.5b --steps 1 --arms rows-alone,rows

Each run is a process of its own; the arms alternate, and CPU seconds stand beside wall seconds, because
only their ratio means something on a machine with other work.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from benchmarks.training_arms import ARMS, Run, Work, measure

_COMPARED = (("ours", "plain", 2.0), ("ours-one", "trl", 1.0), ("rows", "rows-alone", 2.0))
"""Arm, the arm it is held against, and how many times as fast it should be."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="smollm2-135m")
    parser.add_argument("--tokens", type=int, default=256, help="of an experience, a third trained")
    parser.add_argument("--experiences", type=int, default=4)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--batch", type=int, default=8, help="rows about APIs in a step")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each arm, in turn")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--one", choices=ARMS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    work = Work(
        model=args.model,
        tokens=args.tokens,
        experiences=args.experiences,
        steps=args.steps,
        batch=args.batch,
    )
    if args.one:
        print(json.dumps(measure(args.one, work)._asdict()))
        return 0
    arms = [arm for arm in args.arms.split(",") if arm != "trl" or find_spec("trl")]
    if len(arms) < len(args.arms.split(",")):
        print('trl: not installed here; `pip install "elagent[baselines]"`')
    found: dict[str, list[Run]] = {arm: [] for arm in arms}
    for number in range(args.rounds):
        for arm in arms if number % 2 == 0 else reversed(arms):  # so that no arm is always first
            run = _alone(arm)
            found[arm].append(run)
            print(
                f"{arm:9} {run.cpu_s:8.1f} CPU s {run.wall_s:8.1f} s {run.peak_mib:7} MiB peak"
                f" {run.tokens / run.wall_s:8.1f} tokens/s {run.tokens / run.cpu_s:8.1f} per CPU s",
                flush=True,
            )
    for ours, theirs, wanted in _COMPARED:
        if found.get(ours) and found.get(theirs):
            print(_verdict(ours, theirs, found, wanted))
    return 0


def _alone(arm: str) -> Run:
    """One run in a process of its own, so that peaks do not mix."""
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "benchmarks.training", *sys.argv[1:], "--one", arm],
        stdout=subprocess.PIPE,
        check=True,
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
            "TRL_EXPERIMENTAL_SILENCE": "1",
            "OMP_WAIT_POLICY": "PASSIVE",  # as the worker of a round
        },
    )
    return Run(**json.loads(ended.stdout.splitlines()[-1]))


def _verdict(ours: str, theirs: str, found: dict[str, list[Run]], wanted: float) -> str:
    def ratio(kind: str) -> float:
        first, second = (
            statistics.median(getattr(run, kind) for run in found[arm]) for arm in (theirs, ours)
        )
        return float(first / second)

    held = "held" if ratio("cpu_s") >= wanted else "missed"
    return (
        f"{ours} is {ratio('cpu_s'):.2f} times as fast as {theirs} by CPU time"
        f" ({ratio('wall_s'):.2f} by the clock), wanted {wanted:g}: {held};"
        f" {theirs} needs {ratio('peak_mib'):.2f} times its memory"
    )


if __name__ == "__main__":
    raise SystemExit(main())
