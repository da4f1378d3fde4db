"""Jobs that run a project's tests, or one command, as the launcher in the box expects them."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources

from sandbox.box.contract import Job, Limits, SourceFile
from sandbox.box.policy import HARNESS_DIR, WORK_DIR
from sandbox.project.detection import Project
from sandbox.verdict.canaries import Canaries

_HARNESS = (
    *("launch.py", "reporting.py", "unittest_reporter.py"),
    *("pytest_reporter.py", "pytest_phases.py", "image_plugins.py"),
    "time_limit.py",
)


def suite_job(
    project: Project,
    files: Sequence[SourceFile],
    harness: Sequence[SourceFile],
    orders: dict[str, object],
    limits: Limits,
) -> Job:
    """Return the job of one run: our launcher with these orders, or the project's bare command."""
    if project.runner == "command" and not _installed(project):
        # without our launcher: this image may have no Python at all
        paths = {"PYTHONPATH": f"{_top(project)}/src:{_top(project)}"}
        script = 'exec 2>&1; cd "$2" && eval "$1"'
        argv = ["sh", "-c", script, "sh", project.command or "", _top(project)]
        return Job(argv=argv, files=files, env=paths | dict(project.environment), limits=limits)
    return Job(
        # no user site: its folder can be written to while the project is built
        argv=["python3", "-s", f"{HARNESS_DIR}/launch.py"],
        files=files,
        harness=[*harness_files(), *harness],
        env=project.environment,
        stdin=json.dumps(orders).encode(),
        limits=limits,
    )


def launched_job(
    project: Project,
    files: Sequence[SourceFile],
    orders: Mapping[str, object],
    *,
    limits: Limits,
    harness: Sequence[SourceFile],
) -> Job:
    """Return a job of our launcher with further orders and programs beside those of a test run."""
    every = orders_for(project, limits, (), Canaries()) | dict(orders)
    return suite_job(project, files, harness, every, limits)


def command_job(
    project: Project, files: Sequence[SourceFile], command: str | Sequence[str], *, limits: Limits
) -> Job:
    """Return a job for one command in the tests' environment: project installed, its folder current.

    A text is run by a shell; of arguments the first is the program.
    """
    argv = ["sh", "-c", command] if isinstance(command, str) else list(command)
    if project.runner == "command" and not project.installable:
        paths = {"PYTHONPATH": f"{_top(project)}/src:{_top(project)}"}
        script = 'cd "$1" && shift && exec "$@"'
        env = paths | dict(project.environment)
        return Job(
            argv=["sh", "-c", script, "sh", _top(project), *argv],
            files=files,
            env=env,
            limits=limits,
            label="command",
        )
    orders = orders_for(project, limits, (), Canaries()) | {
        "runner": "argv",
        "argv": argv,
        "key": "",
    }
    job = suite_job(project, files, (), orders, limits)
    return replace(job, env=project.environment, label="command")


def harness_files() -> tuple[SourceFile, ...]:
    """Return our own programs that run inside the box."""
    folder = resources.files("sandbox.verdict.reporters")
    return tuple(
        SourceFile(path=name, content=folder.joinpath(name).read_bytes()) for name in _HARNESS
    )


def orders_for(
    project: Project, limits: Limits, only: Sequence[str], canaries: Canaries
) -> dict[str, object]:
    """Return what the launcher in the box is told of one run."""
    return {
        "root": WORK_DIR,
        "folder": project.folder,
        "targets": list(project.targets),
        "runner": project.runner,
        "command": project.command,
        "install": _installed(project),
        "only": list(only),
        "collect_only": False,
        "canaries": sorted(canaries.ids),
        "canary_files": list(canaries.paths),
        "test_s": limits.test_s,
        "dump_after_s": max(limits.timeout_s - 1.5, limits.timeout_s * 0.7),
    }


def _installed(project: Project) -> list[str]:
    """Return the folders that are installed before the tests: neighbours first, then the project."""
    top = _top(project)
    members = [posixpath.normpath(f"{top}/{member}") for member in project.members]
    return [*members, top] if project.installable else members


def _top(project: Project) -> str:
    return f"{WORK_DIR}/{project.folder}".rstrip("/")
