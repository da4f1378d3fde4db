"""Finds the files of tests that a change can reach, by what they import, directly or through others.

The answer errs to the side of more tests: a module is known by any end of its dotted name, a test
that starts programs or imports by name counts, and so does one that names the changed file. Where it
is not known, as after a change of data, every test is meant.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from pathlib import PurePosixPath

from agent.editing.python_source import imports
from agent.fixing.sources import Sources, module_parts
from sandbox.verdict.report import TestReport

_MOST_FILES = 2_000
_WORD = re.compile(r"\w+")
_AT_RUN_TIME = re.compile(
    r"\b(?:subprocess|importlib|__import__|runpy|pkgutil|multiprocessing|pytester|doctest)\b"
)
_NO_PART = frozenset({"command"})
"""Runners that run all tests or none."""


def reached_tests(
    changed: Collection[str], whole: TestReport, sources: Sources
) -> tuple[str, ...] | None:
    """The files of tests, modules for unittest, that can reach the changed files; None for all.

    `whole` is a complete run of all tests: it says which files hold tests.
    """
    python = [path for path in sources.files if path.endswith(".py")]
    is_known = bool(changed) and all(_is_plain_module(path) for path in changed)
    if not is_known or len(python) > _MOST_FILES or whole.runner in _NO_PART:
        return None
    holders = {_holder(result.id, whole.runner) for result in whole.results}
    by_holder = {holder: _file_of(holder, whole.runner, sources) for holder in holders}
    if not holders or any(path is None for path in by_holder.values()):
        return None
    strange = [p for p in changed if _is_test(p) and p not in by_holder.values()]
    if strange:
        return None
    reached = _importers(changed, python, sources)
    if any(PurePosixPath(path).name == "conftest.py" for path in reached):
        return None
    stems = {PurePosixPath(path).stem for path in changed}
    found = tuple(
        sorted(
            holder
            for holder, path in by_holder.items()
            if path in reached or _says(sources.text(path or "") or "", stems)
        )
    )
    return found if found and len(found) < len(holders) else None


def _is_plain_module(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.endswith(".py") and name not in ("conftest.py", "setup.py", "noxfile.py")


def _is_test(path: str) -> bool:
    name = PurePosixPath(path).name
    return name.startswith("test") or name.endswith("_test.py")


def _holder(test_id: str, runner: str) -> str:
    """The file of a test of pytest; the module of one of unittest, without class and method."""
    if runner == "unittest":
        return test_id.partition(" ")[0].rpartition(".")[0].rpartition(".")[0]
    return test_id.partition("::")[0]


def _file_of(holder: str, runner: str, sources: Sources) -> str | None:
    if runner == "unittest":
        return sources.module(holder) if holder else None
    return holder if holder in sources.files else None


def _says(text: str, stems: Collection[str]) -> bool:
    """True if a test names a changed file, or may run anything."""
    return _AT_RUN_TIME.search(text) is not None or not set(stems).isdisjoint(_WORD.findall(text))


def _importers(changed: Collection[str], files: Sequence[str], sources: Sources) -> set[str]:
    """The changed files and all that import them, directly or through others."""
    ends: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for path in files:
        parts = module_parts(path)
        for at in range(len(parts)):
            ends[parts[at:]].add(path)
    users: dict[str, set[str]] = defaultdict(set)
    for path in files:
        for name in _imported(path, sources.text(path) or ""):
            for module in ends.get(name, ()):
                users[module].add(path)
    found, waiting = set(changed), list(changed)
    while waiting:
        for user in users[waiting.pop()] - found:
            found.add(user)
            waiting.append(user)
    return found


def _imported(path: str, text: str) -> Iterator[tuple[str, ...]]:
    """The dotted names that a file imports, with the packages around them."""
    for item in imports(text):
        level = len(item.module) - len(item.module.lstrip("."))
        parts = tuple(part for part in item.module.split(".") if part)
        if level:
            parts = (*PurePosixPath(path).parts[:-level], *parts)
        for whole in (parts, (*parts, item.name) if item.name else ()):
            yield from (whole[:at] for at in range(1, len(whole) + 1))
