"""Cost of twins: seconds that a believed pass takes with them and without, on honest repairs.

Run: `.venv/bin/python -P -m benchmarks.twins [--limit 30]`. Each broken package of `examples/fixloop`
is repaired with its own true solution. A pass that is not believed is an honest repair refused.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from agent.settings.schema import SandboxSettings
from agent.testing.opening import open_project
from agent.workspace.workspace import Workspace
from benchmarks.fixloop_tasks import Mutation, build, load_mutations


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One repair: the run that showed the fault, and the run that showed it gone."""

    task: str
    trust: str
    notes: tuple[str, ...]
    solved: int
    plain_s: float
    """A run of the whole suite with nothing to doubt."""
    believed_s: float
    """The run after the repair, with the twins of the tests that turned green."""


async def one(mutation: Mutation) -> Row:
    """Break a package, repair it as it was, and run the tests of all three states."""
    with tempfile.TemporaryDirectory(prefix="twins-") as folder:
        root, home = Path(folder, mutation.package), Path(folder, "home")
        build(root, mutation)
        _commit(root)
        workspace = Workspace(root, home / "shadow.git", environ=os.environ, excluded=(home,))
        opened = open_project(
            workspace,
            settings=SandboxSettings(),
            state_dir=home / "sandbox",
            session=f"twins-{os.getpid()}",
        )
        async with opened as tests:
            broken = await tests.run()
            start = time.monotonic()
            await tests.run()
            plain_s = time.monotonic() - start
            build(root, mutation, broken=False)
            start = time.monotonic()
            report = await tests.run()
        return Row(
            task=mutation.id,
            trust=report.trust.value if report.all_green else report.verdict.value,
            notes=report.notes,
            solved=sum(result.id in report.passed_ids for result in broken.red),
            plain_s=plain_s,
            believed_s=time.monotonic() - start,
        )


def _commit(root: Path) -> None:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    for arguments in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "start"]):
        subprocess.run(["/usr/bin/env", "git", *arguments], cwd=root, check=True)


def main() -> None:
    """Print a line for each task and the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", type=int, default=30)
    rows = []
    for mutation in load_mutations()[: parser.parse_args().limit]:
        row = asyncio.run(one(mutation))
        rows.append(row)
        more = row.believed_s - row.plain_s
        print(
            f"{row.task}: {row.trust}, {row.solved} solved, +{more:.2f} s {row.notes}", flush=True
        )
    more = statistics.median(row.believed_s - row.plain_s for row in rows)
    believed = sum(row.trust in ("hardened", "pinned") for row in rows)
    print(f"{believed} of {len(rows)} repairs believed; twins cost {more:.2f} s a pass (median)")


if __name__ == "__main__":
    main()
