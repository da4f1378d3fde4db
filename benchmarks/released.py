"""Faults in released packages that the fix loop repairs: files of 100 to 3,100 lines.

Run: `.venv/bin/python -P benchmarks/released.py [--arm NAME]... [--task ID]... [--limit N]
[--archives FOLDER] [--check] [--out FILE]`.

The tasks are those of `released.toml`: five whose kinds were set beforehand and twenty more. The
archives come from the package index, are checked against pinned digests, and are unpacked without
running anything. Arms, rows, resuming and the check from outside are those of `fixloop.py`; without
`--arm` only `search` runs. `--check` makes no repair: it runs each package whole and broken, and says
which fault is no task because the whole package is red or the broken one green.

Limits: the model may have read these packages, of other versions, in training.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from agent.paths import from_environ, make_private
from agent.settings.schema import SandboxSettings
from agent.testing.opening import open_project
from agent.workspace.workspace import Workspace
from benchmarks.fixloop import measure, options_parser, read_rows
from benchmarks.fixloop_tasks import Mutation
from benchmarks.real_projects import commit
from benchmarks.released_tasks import HAND_MADE, Releases, load_faults
from sandbox.box.contract import SandboxError
from sandbox.verdict.report import TestReport

WITHIN_S = 60.0


async def problem_of(fault: Mutation, releases: Releases, image: str) -> str:
    """Run a package whole and broken; return what is wrong with the fault as a task, else empty.

    Raises:
        SandboxError: If the sandbox gives no answer.
    """
    with tempfile.TemporaryDirectory(prefix="released-") as scratch:
        whole = await _report(fault, Path(scratch, "whole"), releases, image, broken=False)
        broken = await _report(fault, Path(scratch, "broken"), releases, image, broken=True)
    if broken.all_green:
        return "its tests pass although it is broken"
    fresh = whole.passed_ids - broken.passed_ids
    return "" if fresh else "no test that passed before is red"


async def _report(
    fault: Mutation, root: Path, releases: Releases, image: str, *, broken: bool
) -> TestReport:
    releases.build(root, fault, broken=broken)
    commit(root)
    async with open_project(
        Workspace(root, root.with_suffix(".git")),
        settings=SandboxSettings(image=image),
        state_dir=make_private(from_environ(os.environ).sandbox),
        session=f"released-{os.getpid()}-{root.parent.name}-{root.name}",
    ) as project:
        return await project.run()


async def check(faults: Sequence[Mutation], releases: Releases, image: str) -> None:
    """Print a line for each fault: a task, or the reason why it is none."""
    for fault in faults:
        try:
            problem = await problem_of(fault, releases, image)
        except (SandboxError, ValueError) as err:
            problem = str(err)
        print(f"{fault.id:<24} {problem or 'a task'}", flush=True)


def claim(rows: Sequence[Mapping[str, object]], faults: Sequence[Mutation]) -> str:
    """Return the line on the claim: solved in time, of the first five and of the others."""
    quick = {
        row["task"]
        for row in rows
        if row["arm"] == "search" and row["solved"] and float(str(row["repair_s"])) <= WITHIN_S
    }
    first, others = faults[:HAND_MADE], faults[HAND_MADE:]
    counts = (f"{sum(f.id in quick for f in part)} of {len(part)}" for part in (first, others))
    return f"within {WITHIN_S:.0f} s after the first run: {', and of the others '.join(counts)}"


def main() -> None:
    """Measure and print, or check the tasks."""
    parser = options_parser(__doc__ or "", "released.jsonl")
    archives = from_environ(os.environ).home / "benchmarks"
    parser.add_argument("--archives", type=Path, default=archives, help="keep the archives there")
    parser.add_argument("--check", action="store_true", help="only say which faults are tasks")
    options = parser.parse_args()
    faults, releases = load_faults(), Releases(options.archives)
    if options.check:
        wanted = [item for item in faults if not options.task or item.id in options.task]
        asyncio.run(check(wanted[: options.limit], releases, options.image))
        return
    options.arm = options.arm or ["search"]
    asyncio.run(measure(options, faults, releases.build))
    rows = read_rows(options.out)
    print(claim([row for row in rows if row["model"] == options.model], faults))


if __name__ == "__main__":
    main()
