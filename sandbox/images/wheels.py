"""Fetches what a project needs as wheels, with the host's own pip and its configuration.

Wheels only: pip then unpacks and runs nothing. A package that exists only as source comes back by
name, for `sdists` to build inside a box.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from sandbox.box.contract import ImageError, Job, Limits
from sandbox.box.oneshot import run_job
from sandbox.box.policy import BoxSpec
from sandbox.host import children
from sandbox.images.host_pip import PIP, is_from_index

_DOWNLOAD_S = 1800.0
_MISSING = re.compile(r"No matching distribution found for (?P<requirement>[^\n(]+)")
_TAG_QUERY = """
import json, sys
from pip._vendor.packaging import tags
cpython = sys.implementation.name == "cpython"
print(json.dumps({
    "version": "%d.%d" % sys.version_info[:2],
    "implementation": tags.interpreter_name(),
    "abis": [next(tags.sys_tags()).abi, "abi3", "none"],
    "platforms": list(tags.platform_tags()),
}))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WheelTarget:
    """The Python that wheels must fit: the image's, which need not be the host's."""

    version: str
    implementation: str
    abis: tuple[str, ...]
    platforms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A requirement for which no fitting wheel was found."""

    requirement: Requirement


def image_target(url: str, image_id: str) -> WheelTarget:
    """Ask the image's own Python what it accepts.

    Raises:
        ImageError: If it does not answer.
    """
    job = Job(argv=["python3", "-c", _TAG_QUERY], limits=Limits(timeout_s=60))
    spec = BoxSpec(image_id=image_id, labels={"kind": "check"})
    execution = run_job(url, job, spec)
    if not execution.succeeded:
        raise ImageError(f"the Python of the base image does not work: {execution.stderr.text}")
    answer = json.loads(execution.stdout.data)
    return WheelTarget(
        version=answer["version"],
        implementation=answer["implementation"],
        abis=tuple(answer["abis"]),
        platforms=tuple(answer["platforms"]),
    )


def download_wheels(
    requirements: Sequence[str],
    folder: Path,
    target: WheelTarget,
    *,
    extra: Path,
    constraints: Sequence[str] = (),
) -> Missing | None:
    """Fetch the requirements and all they need into a folder; `extra` holds wheels we built.

    `constraints` limit the versions of what is needed, and ask for nothing themselves.

    Returns the first requirement for which there is no wheel, None when everything is there.
    Markers such as `python_version` are judged by pip for the Python it runs in, the host's.

    Raises:
        ImageError: If pip fails for another reason, or a line names a URL or an option.
    """
    if strange := [line for line in (*requirements, *constraints) if not is_from_index(line)]:
        raise ImageError(
            f"not fetched: {strange[0]!r} is no plain requirement of the package index"
        )
    folder.mkdir(parents=True, exist_ok=True)
    wanted, limits = folder / "requirements.txt", folder / "constraints.txt"
    for file, lines in ((wanted, requirements), (limits, constraints)):
        file.write_text("".join(f"{line}\n" for line in lines), "utf-8")
    tags = [f"--abi={abi}" for abi in target.abis]
    tags += [f"--platform={platform}" for platform in target.platforms]
    command = [
        *(*PIP, "download", "--quiet", "--no-input"),
        *("--disable-pip-version-check", "--only-binary=:all:", f"--dest={folder}"),
        *(f"--python-version={target.version}", f"--implementation={target.implementation}"),
        *tags,
        f"--find-links={extra}",
        f"--requirement={wanted}",
        f"--constraint={limits}",
    ]
    try:
        done = children.run(command, cwd=folder, timeout_s=_DOWNLOAD_S)
    except subprocess.TimeoutExpired as error:
        raise ImageError(f"pip did not finish fetching in {_DOWNLOAD_S:.0f} s") from error
    wanted.unlink()
    limits.unlink()
    if done.returncode == 0:
        return None
    return _explain(done.stderr.decode("utf-8", "replace"))


def _explain(stderr: str) -> Missing:
    if match := _MISSING.search(stderr):
        try:
            return Missing(requirement=Requirement(match["requirement"].strip()))
        except InvalidRequirement:
            pass
    if "No module named 'pip" in stderr:
        raise ImageError(f"this Python has no pip: install it with {sys.executable} -m ensurepip")
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR:")]
    said = (errors or stderr.strip().splitlines() or ["it gave no reason"])[-1]
    raise ImageError(f"pip could not fetch the project's dependencies: {said[:500]}")
