"""Finds the fault and its repair in the lists of the search, for the faults of `released.toml`.

Run: `.venv/bin/python -P benchmarks/places.py [--task ID]... [--archives FOLDER] [--image NAME]`.

No model is asked and no change is tried: the tests of each broken package run twice, once to see what is
red and once to note lines. Then the red test is taken that the fix loop turns to first. Printed are the
place of the first line that differs from the whole package, among how many places, and the number of
the edit that makes the file as it was, among the usual and the rare ones; a repair in other words is
not seen. The last line has the geometric mean of the places.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.candidates.templates import template_candidates
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.fixing.tracing import noted_lines
from agent.localisation.places import FaultPlace, lines_run, rank, vagueness
from agent.paths import from_environ, make_private
from agent.settings.schema import SandboxSettings
from agent.testing.opening import open_project
from agent.workspace.workspace import Workspace
from benchmarks.fixloop_tasks import Mutation
from benchmarks.real_projects import commit
from benchmarks.released_tasks import Releases, load_faults
from sandbox.box.contract import SandboxError
from sandbox.search.values import Searched
from sandbox.verdict.report import TestResult

_MOST = 900
"""Edits of a list that are looked through."""
_TRACE_S = 40.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The numbers of one task; None where the right thing is not in the list."""

    red: int
    places: int
    place: int | None
    usual: int | None
    rare: int | None


async def found_in(fault: Mutation, releases: Releases, image: str) -> Found:
    """Break a package, note the lines of its red tests, and look for the fault in the lists.

    Raises:
        SandboxError: If the sandbox gives no answer.
        ValueError: If the package cannot be made.
    """
    with tempfile.TemporaryDirectory(prefix="places-") as folder:
        whole, root = Path(folder, "whole"), Path(folder, "broken")
        releases.build(whole, fault, broken=False)
        releases.build(root, fault)
        commit(root)
        workspace = Workspace(root, Path(folder, "shadow.git"))
        async with open_project(
            workspace,
            settings=SandboxSettings(image=image),
            state_dir=make_private(from_environ(os.environ).sandbox),
            session=f"places-{os.getpid()}-{fault.id}",
        ) as tests:
            report = await tests.run()
            red = sorted(report.red, key=lambda item: vagueness(item, is_test_path))
            searched = await noted_lines(tests, red, most_s=_TRACE_S)
        sources = Sources(root, workspace.list_files())
        return _looked_up(fault, sources, (whole / fault.file).read_text("utf-8"), red, searched)


def _looked_up(
    fault: Mutation,
    sources: Sources,
    right: str,
    red: Sequence[TestResult],
    searched: Searched,
) -> Found:
    family = _first_family(red, searched)
    places = rank(searched, family, sources.text, is_test=is_test_path)
    lines = zip((sources.text(fault.file) or "").splitlines(), right.splitlines(), strict=False)
    line = next((n for n, (old, new) in enumerate(lines, 1) if old != new), 0)
    at = [n for n, place in enumerate(places, 1) if _covers(place, fault.file, line)]
    usual, rare = (_number(places, sources, right, rare=kind) for kind in (False, True))
    return Found(
        red=len(red), places=len(places), place=at[0] if at else None, usual=usual, rare=rare
    )


def _first_family(red: Sequence[TestResult], searched: Searched) -> list[TestResult]:
    """The red test that the fix loop turns to first, with all its parameters."""
    families: dict[str, list[TestResult]] = {}
    for result in red:
        families.setdefault(result.id.partition("[")[0], []).append(result)
    return min(
        families.values(),
        key=lambda own: (
            min(vagueness(item, is_test_path) for item in own),
            lines_run(searched, own, is_test_path) or math.inf,
        ),
    )


def _covers(place: FaultPlace, path: str, line: int) -> bool:
    return place.path == path and place.line <= line <= place.end_line


def _number(
    places: Sequence[FaultPlace], sources: Sources, right: str, *, rare: bool
) -> int | None:
    edits = template_candidates(places, sources.text, rare=rare, most=_MOST)
    return next((n for n, edit in enumerate(edits, 1) if edit.after == right), None)


async def measure(faults: Sequence[Mutation], releases: Releases, image: str) -> None:
    """Print a line for each fault, and the geometric mean of the places."""
    numbers = []
    for fault in faults:
        try:
            found = await found_in(fault, releases, image)
        except (SandboxError, ValueError) as err:
            print(f"{fault.id:<24} {err}", flush=True)
            continue
        numbers += [found.place] if found.place else []
        print(
            f"{fault.id:<24} {found.red:4} red, place {found.place or '-'} of {found.places},"
            f" edit {found.usual or '-'}, rare edit {found.rare or '-'}",
            flush=True,
        )
    if numbers:
        mean = math.exp(sum(map(math.log, numbers)) / len(numbers))
        print(f"geometric mean of {len(numbers)} places: {mean:.1f}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--task", action="append", help="only the task with this id")
    archives = from_environ(os.environ).home / "benchmarks"
    parser.add_argument("--archives", type=Path, default=archives, help="keep the archives there")
    parser.add_argument("--image", default="auto", help="as the setting sandbox.image")
    options = parser.parse_args()
    faults = [item for item in load_faults() if not options.task or item.id in options.task]
    asyncio.run(measure(faults, Releases(options.archives), options.image))


if __name__ == "__main__":
    main()
