"""Finds what of this machine goes into the lite image: Python, programs, packages, libraries."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from sandbox.box.contract import ImageError
from sandbox.images.host_pip import PIP

TOOLS = tuple(
    """
    sh bash env cat ls cp mv rm mkdir rmdir ln chmod touch sleep timeout id head tail wc sort uniq
    cut tr echo printf test true false dirname basename mktemp date uname tee seq du df stat
    readlink realpath pwd whoami od nproc expr tac comm paste split sha256sum md5sum base64 kill
    setsid yes mkfifo tar gzip grep sed awk find xargs diff cmp patch make which git
    """.split()  # noqa: SIM905  (ninety lines otherwise)
)
_NEEDED_TOOLS = frozenset({"sh", "env", "cat", "timeout", "tar", "mkdir", "rm"})
REQUIRED = ("pytest", "pip")
OPTIONAL = ("setuptools",)
_LDD_LINE = re.compile(r"(?:=>\s+)?(/[^\s:]+)\s+\(0x[0-9a-f]+\)")
_LDD_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class HostPython:
    """The interpreter that would run if there were no virtual environment."""

    binary: Path
    """The file itself, links resolved."""
    version: str
    build: str
    stdlib: Path
    purelib: Path
    """Folders in which that interpreter looks for installed packages."""


def host_python() -> HostPython:
    """Ask the base interpreter about itself.

    Raises:
        ImageError: If it cannot be found or does not answer.
    """
    code = (
        "import json, os, sys, sysconfig; paths = sysconfig.get_paths();"
        "print(json.dumps([os.path.realpath(sys.executable), sys.version,"
        " paths['stdlib'], paths['purelib']]))"
    )
    base = _base_executable()
    try:
        answer = subprocess.run(
            [base, "-I", "-c", code], capture_output=True, check=True, timeout=60, text=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise ImageError(f"the host's Python at {base} does not answer: {error}") from error
    binary, build, stdlib, purelib = json.loads(answer)
    version = ".".join(build.split()[0].split(".")[:2])
    return HostPython(
        binary=Path(binary),
        version=version,
        build=build,
        stdlib=Path(stdlib),
        purelib=Path(purelib),
    )


def _base_executable() -> Path:
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [
        Path(sys.base_prefix, "bin", name),
        Path(sys.base_prefix, "bin", "python3"),
        Path(getattr(sys, "_base_executable", "") or sys.executable),
    ]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    raise ImageError(f"no Python interpreter under {sys.base_prefix}")


def host_tools() -> dict[str, Path]:
    """Return the programs found on the host, links resolved, by the name they are called by."""
    path = "/usr/bin:/bin:/usr/local/bin"
    found = {name: shutil.which(name, path=path) for name in TOOLS}
    if missing := sorted(name for name in _NEEDED_TOOLS if found[name] is None):
        raise ImageError(
            f"the host has no {', '.join(missing)}: install it to assemble the lite image"
        )
    return {name: Path(where).resolve() for name, where in found.items() if where is not None}


def distribution_closure(
    names: Iterable[str], where: list[str] | None = None
) -> tuple[dict[str, Distribution], list[str]]:
    """Return the installed distributions that these need, and the names that are not installed."""
    context: dict[str, Any] = {} if where is None else {"path": where}
    installed: dict[str, Distribution] = {}
    for each in distributions(**context):
        # the first on the path is the one that would be imported
        installed.setdefault(canonicalize_name(each.name), each)
    found: dict[str, Distribution] = {}
    missing: list[str] = []
    queue = [canonicalize_name(name) for name in names]
    while queue:
        name = queue.pop(0)
        if name in found or name in missing:
            continue
        if (dist := installed.get(name)) is None or not dist.files:
            missing.append(name)
            continue
        found[name] = dist
        for text in dist.requires or ():
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                queue.append(canonicalize_name(requirement.name))
    return found, missing


def install_wheels(folder: Path, names: list[str], *, required: set[str]) -> None:
    """Unpack wheels into a folder with the host's pip: wheels only, so nothing of them runs."""
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [*PIP, "install", "--quiet", "--only-binary=:all:", "--target", str(folder), *names],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode and required:
        said = done.stderr.strip().splitlines()
        raise ImageError(
            f"cannot fetch {', '.join(sorted(required))} for the lite image: {said[-1] if said else ''}"
        )


WHEEL_LIBRARIES = (
    *("libgcc_s.so.1", "libstdc++.so.6"),
    *("libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1", "libutil.so.1"),
)
"""Libraries that binary wheels expect of every Linux system (the manylinux policy, PEP 600).

The second line is empty shells in a new C library, and still named by wheels built for an old one.
"""


def needed_libraries(binaries: list[Path]) -> list[Path]:
    found: set[Path] = set()
    for start in range(0, len(binaries), _LDD_BATCH):
        batch = [str(path) for path in binaries[start : start + _LDD_BATCH]]
        done = subprocess.run(
            ["ldd", *batch],  # noqa: S607  (the host's own, on the host's own files)
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        found |= {Path(name) for name in _LDD_LINE.findall(done.stdout)}
    folders = {path.parent for path in found}
    found |= {folder / name for folder in folders for name in WHEEL_LIBRARIES}
    return sorted(path for path in found if path.is_file())
