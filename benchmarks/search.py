"""Changes that the sandbox judges in a second, on small suites and on released packages.

Run: `.venv/bin/python -P benchmarks/search.py [--code FOLDER] [--most N] [--task ID]...
[--archives FOLDER]`.

Each task is a broken package of `examples/fixloop` or of `released.toml`. The edits at its likeliest
places are computed once; then all of them are tried in one box, none being enough. The rate is
counted between the first and the last result; the seconds are those of the whole box, with its
start, the installation and a run of all tests. With `--code`, the folder of another version of this
project tries the same edits right after. Prints a line for each task and version, and all of them
as one JSON line at the end.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent.candidates.templates import template_candidates
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.localisation.places import rank
from agent.paths import from_environ, make_private
from agent.settings.schema import SandboxSettings
from agent.testing.entering import project_files
from agent.testing.opening import limits_of, open_project, prepare
from agent.workspace.workspace import Workspace
from sandbox.box.docker_box import DockerSandbox
from sandbox.search.trying import try_changes
from sandbox.search.values import ChangeTrial

TASKS = (
    *("ledger-limit", "cachebox-size", "inflection-titleize"),
    *("humanize-naturalsize", "tabulate-afterpoint", "itsdangerous-max-age"),
)
_BUDGET_S = 240.0
_SETTINGS = SandboxSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One task in one version."""

    task: str
    version: str
    tried: int
    passing: int
    late: int
    rate: float
    """Results a second."""
    box_s: float


async def edits_of(task: str, root: Path, most: int, archives: Path) -> dict[str, Any]:
    """Break a package; return its red tests and the edits of the likeliest places, as JSON takes them."""
    _build(task, root, archives)
    workspace = _workspace(root)
    sources = Sources(root, workspace.list_files())
    state_dir = make_private(from_environ(os.environ).sandbox)
    async with open_project(
        workspace, settings=_SETTINGS, state_dir=state_dir, session=f"rate-{os.getpid()}-{task}"
    ) as tests:
        report = await tests.run()
        red = [item for item in report.results if item.outcome.is_red]
        family = [item for item in red if item.id.partition("[")[0] == red[0].id.partition("[")[0]]
        ids, known = [item.id for item in family], [item.id for item in red]
        searched = await tests.try_changes((), red=ids, known_red=known, budget_s=60.0, trace=True)
    places = rank(searched, family, sources.text, is_test=is_test_path)
    candidates = template_candidates(places, sources.text, most=most)
    contents = [(item.path, item.after.encode("utf-8", "surrogatepass")) for item in candidates]
    trials = [(path, base64.b64encode(content).decode()) for path, content in contents]
    root_and_task = {"root": str(root), "task": task}
    return root_and_task | {"red": ids, "known_red": known, "trials": trials}


def _build(task: str, root: Path, archives: Path) -> None:
    # here: another version may have no such modules
    from benchmarks.fixloop_tasks import build, load_mutations
    from benchmarks.real_projects import commit
    from benchmarks.released_tasks import Releases, load_faults

    own = {item.id: item for item in load_mutations()}
    if task in own:
        build(root, own[task])
    else:
        released = {item.id: item for item in load_faults()}
        Releases(archives).build(root, released[task])
    commit(root)


def _workspace(root: Path) -> Workspace:
    return Workspace(root, root.with_suffix(".git"))


async def try_all(edits: dict[str, Any], version: str) -> Measured:
    """Try all edits of a task in one box."""
    workspace = _workspace(Path(edits["root"]))
    state_dir = make_private(from_environ(os.environ).sandbox)
    times: list[float] = []
    async with AsyncExitStack() as stack:
        project, image = await prepare(workspace, settings=_SETTINGS, state_dir=state_dir)
        session = f"rate-{os.getpid()}-{edits['task']}-{version}"
        box = DockerSandbox(image.id, session=session, lock_dir=state_dir)
        await stack.enter_async_context(box)
        started = time.monotonic()
        searched = await try_changes(
            box,
            project,
            project_files(workspace).files,
            [
                ChangeTrial(path=path, content=base64.b64decode(text))
                for path, text in edits["trials"]
            ],
            red=edits["red"],
            known_red=edits["known_red"],
            limits=limits_of(_SETTINGS),
            budget_s=_BUDGET_S,
            enough=len(edits["trials"]) + 1,
            on_trial=lambda _number, _result: times.append(time.monotonic()),
        )
        box_s = time.monotonic() - started
    between = times[-1] - times[0] if len(times) > 1 else 0.0
    return Measured(
        task=edits["task"],
        version=version,
        tried=len(times),
        passing=sum(item.breaks_none for item in searched.results.values()),
        late=sum(item.late for item in searched.results.values()),
        rate=round((len(times) - 1) / between, 1) if between else 0.0,
        box_s=round(box_s, 1),
    )


def measured(edits: dict[str, Any], code: Path | None, scratch: Path) -> Measured:
    """Measure one task in a process with this version or that of another folder."""
    file = scratch / "edits.json"
    file.write_text(json.dumps(edits), "utf-8")
    path = code or Path(__file__).resolve().parent.parent
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            __file__,
            "--edits",
            str(file),
            "--version",
            code.name if code else "this",
        ],
        env={**os.environ, "PYTHONPATH": str(path)},
        stdout=subprocess.PIPE,
        check=True,
    )
    return Measured(**json.loads(done.stdout))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--code", type=Path, help="folder of another version to compare with")
    parser.add_argument("--most", type=int, default=200, help="edits of a task, at most")
    parser.add_argument("--task", action="append")
    archives = from_environ(os.environ).home / "benchmarks"
    parser.add_argument("--archives", type=Path, default=archives, help="keep the archives there")
    parser.add_argument("--edits", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--version", default="this", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.edits:
        edits = json.loads(options.edits.read_text("utf-8"))
        print(json.dumps(asdict(asyncio.run(try_all(edits, options.version)))))
        return
    rows = []
    for task in options.task or TASKS:
        with tempfile.TemporaryDirectory(prefix="rate-") as folder:
            root = Path(folder, task)
            edits = asyncio.run(edits_of(task, root, options.most, options.archives))
            for code in (None, options.code) if options.code else (None,):
                row = measured(edits, code, Path(folder))
                rows.append(asdict(row))
                print(
                    f"{row.task:<24} {row.version:<8} {row.rate:6.1f} a second, {row.tried} tried,"
                    f" {row.passing} pass, {row.late} late, {row.box_s:.1f} s in all",
                    flush=True,
                )
    print(json.dumps(rows))


if __name__ == "__main__":
    main()
