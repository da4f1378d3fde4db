"""Times what a person waits for: `--help`, the first token of `-p` with a warm server, and a cold one.

Run: `.venv/bin/python -P benchmarks/startup.py [--model NAME] [--runs N]`. Prints one line per
figure (median and range of the runs) and, last, all of them as one JSON line. The alternative that
`--help` is compared with is a bare Python interpreter in the same run.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ELAGENT = [sys.executable, "-P", str(ROOT / "elagent.py")]


def seconds(argv: list[str], cwd: Path) -> float:
    """Wall clock of a command that must succeed."""
    started = time.perf_counter()
    subprocess.run(argv, cwd=cwd, check=True, capture_output=True)
    return time.perf_counter() - started


def seconds_to_first_token(model: str, cwd: Path) -> float:
    """From starting `elagent -p` to the first event that carries text of the model."""
    words = "Say hello in one short sentence."
    argv = [*ELAGENT, "--model", model, "--json", "--here", "-p", words]
    started = time.perf_counter()
    with subprocess.Popen(argv, cwd=cwd, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101 - PIPE was asked for
        for line in process.stdout:
            if json.loads(line)["event"] == "text_delta":
                first = time.perf_counter() - started
                break
        else:
            sys.exit(f"no text came back (exit code {process.wait()})")
        process.stdout.read()
    return first


def measure(name: str, run: Callable[[], float], runs: int) -> dict[str, float | int | str]:
    """Median and range of several runs, printed as they are known."""
    values = [run() for _ in range(runs)]
    median = statistics.median(values)
    print(f"{name:<40} {median:7.3f} s   ({min(values):.3f} to {max(values):.3f}, n = {runs})")
    return {"name": name, "median_s": median, "min_s": min(values), "max_s": max(values), "n": runs}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=os.environ.get("ELAGENT_MODEL", "qwen2.5-coder-1.5b"))
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        cwd = Path(folder)
        bare = [sys.executable, "-P", "-c", "pass"]
        rows = [
            measure("bare Python", lambda: seconds(bare, cwd), options.runs),
            measure("elagent --help", lambda: seconds([*ELAGENT, "--help"], cwd), options.runs),
            measure(
                f"-p to first token, server started ({options.model})",
                lambda: seconds_to_first_token(options.model, cwd),
                1,
            ),
            measure(
                "-p to first token, server warm",
                lambda: seconds_to_first_token(options.model, cwd),
                options.runs,
            ),
        ]
    print(json.dumps({"model": options.model, "figures": rows}))


if __name__ == "__main__":
    main()
