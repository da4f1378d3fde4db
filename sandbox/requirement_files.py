"""The files of requirement lines that projects keep: `requirements*.txt`, and tox's `deps`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sandbox.declarations import read_ini, read_text

REQUIREMENT_FILES = (
    "requirements.txt",
    "requirements/base.txt",
    "requirements/requirements.txt",
)
TEST_FILES = (
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements_test.txt",
    "test-requirements.txt",
    "test_requirements.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "requirements/testing.txt",
    "tests/requirements.txt",
)
DEV_FILES = (
    "requirements-dev.txt",
    "requirements_dev.txt",
    "dev-requirements.txt",
    "requirements/dev.txt",
)
_INCLUDE = re.compile(r"(?:-r|--requirement)[ =]?\s*(\S+)")
_FACTOR = re.compile(r"[\w.{},!-]+:\s+")


def file_lines(root: Path, names: Sequence[str]) -> list[str]:
    """Return the requirements in those of the named files that exist."""
    seen: set[Path] = set()
    return [line for name in names for line in _requirement_file(root, root / name, seen)]


def _requirement_file(root: Path, path: Path, seen: set[Path]) -> Iterator[str]:
    """Yield the requirements of a file and of those it includes, all of them inside the root."""
    resolved = path.resolve()
    if resolved in seen or not resolved.is_relative_to(root.resolve()):
        return
    seen.add(resolved)
    text = (read_text(path) or "").replace("\\\n", " ")
    for raw in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if match := _INCLUDE.match(line):
            yield from _requirement_file(root, path.parent / match[1], seen)
        elif line and not line.startswith(("-", ".", "/")):
            yield re.split(r"\s+--", line)[0]


def tox_lines(root: Path) -> list[str]:
    """Return what tox's default environment installs for the tests.

    Lines for only some environments (`py38: …`) and lines with substitutions are left out: which
    environment is meant is not known here.
    """
    lines: list[str] = []
    for raw in read_ini(root / "tox.ini").get("testenv", {}).get("deps", "").splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if match := _INCLUDE.match(line):
            lines += file_lines(root, [match[1].replace("{toxinidir}/", "")])
        elif line and not line.startswith(("-", ".", "/", "{")) and not _FACTOR.match(line):
            lines.append(line)
    return lines
