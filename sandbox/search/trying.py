"""Asks one box for the lines that red tests run, and for the changes that turn them green.

What comes back is advice: the code under test shares the box with those who say it. A change that
is to stay is judged once more by `sandbox.verdict`.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import asdict, replace
from importlib import resources

from sandbox.box.contract import Limits, Sandbox, SourceFile
from sandbox.project.detection import Project
from sandbox.search.reading import OnTrial, TrialReader
from sandbox.search.values import ChangeTrial, Searched, UsualRun
from sandbox.verdict.jobs import launched_job

_OWN = (
    *("search_reporter.py", "forking.py", "beginnings.py", "function_patch.py", "course.py"),
    *("pytest_runs.py", "unittest_runs.py", "line_trace.py", "alarm.py"),
)
_MOST_RED = 12
"""Red tests that every change is tried on first; more say nothing new of a change."""
_GREEN_S = 20.0
_FIRST_SHARE = 0.8
"""Share of the time in which lines are noted; the rest is for the test that runs at its end."""


async def try_changes(
    sandbox: Sandbox,
    project: Project,
    files: Sequence[SourceFile],
    trials: Sequence[ChangeTrial] = (),
    *,
    red: Sequence[str],
    known_red: Sequence[str],
    limits: Limits,
    budget_s: float,
    beside: Sequence[str] = (),
    endless: Sequence[str] = (),
    trace: bool = False,
    enough: int = 3,
    usual: UsualRun | None = None,
    on_trial: OnTrial | None = None,
) -> Searched:
    """Try changes in the given order until `enough` of them pass or `budget_s` seconds are over.

    Where fewer pass, it ends some seconds after the first that leaves no test of `beside` red. `red` are
    the ids of the tests to repair, `known_red` those of all that are red, `beside` those of them that may
    have the same fault: a change that leaves one of these red passes, too, but ends nothing. `endless` are those of the red
    tests that had to be ended: each gets a second of the unchanged project, and half a second of a change. With `trace` the lines that
    tests run are noted first. `usual` is what another box said of the same tests and files: then they are
    not run unchanged before the first change. Each change runs as a forked process of its own, as many at once as
    `limits` has processors; a change that takes much longer than the unchanged project is ended.

    Raises:
        SandboxError: If no answer can be given.
    """
    if project.runner == "command":
        return Searched(unsearchable=f"{project.command} says nothing of single tests")
    key = secrets.token_hex(32)
    reader = TrialReader(key, on_trial)
    orders = {
        "key": key,
        "runner": "search",
        "tests": project.runner,
        "red": list(red)[:_MOST_RED],
        "known_red": list(known_red),
        "beside": list(beside),
        "endless": list(endless),
        "test_s": 0.0,
        "trace": trace,
        "usual": None if usual is None or trace else asdict(usual),
        "red_s": budget_s / 2 if trace else budget_s,
        "green_s": min(_GREEN_S, budget_s / 2) if trace else budget_s,
        "first_s": _FIRST_SHARE * budget_s if trace else budget_s,
        "budget_s": budget_s,
        "workers": max(1, int(limits.cpus)),
        "enough": enough,
        "trials": [
            {"path": trial.path, "text": base64.b64encode(trial.content).decode("ascii")}
            for trial in trials
        ],
    }
    job = launched_job(project, files, orders, limits=limits, harness=_own_programs())
    await sandbox.run(replace(job, label="small changes"), on_stderr=reader.feed)
    return reader.searched


def _own_programs() -> tuple[SourceFile, ...]:
    folder = resources.files("sandbox.search.inside")
    return tuple(SourceFile(path=name, content=folder.joinpath(name).read_bytes()) for name in _OWN)
