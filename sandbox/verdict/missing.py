"""Names the packages for want of which tests were skipped, and where they are declared. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from sandbox.box.contract import SourceFile
from sandbox.verdict.pristine import content_of
from sandbox.verdict.report import TestOutcome, TestReport

_UNIMPORTED = re.compile(r"(?:could not import |No module named )['\"](?P<name>[A-Za-z_]\w*)")
_DECLARING = re.compile(
    r"pyproject\.toml | setup\.(?:cfg|py) | tox\.ini | noxfile\.py | Pipfile"
    r" | environment\.ya?ml | .*requirements.*\.(?:txt|in)",
    re.VERBOSE,
)
_MOST_NAMED = 10


def missing_packages(
    report: TestReport, files: Sequence[SourceFile], *, folder: str = ""
) -> tuple[str, ...]:
    """Say of each module that skipped tests could not import how many did, and who declares it."""
    skipped = Counter(
        found["name"]
        for result in report.results
        if result.outcome is TestOutcome.SKIPPED
        and (found := _UNIMPORTED.search(f"{result.message}\n{result.detail}"))
    )
    inside = f"{folder}/" if folder else ""
    declaring = [
        file
        for file in files
        if file.path.startswith(inside) and _DECLARING.fullmatch(PurePosixPath(file.path).name)
    ]
    return tuple(
        _sentence(name, count, _place(name, declaring))
        for name, count in skipped.most_common(_MOST_NAMED)
    )


def _sentence(name: str, count: int, place: str) -> str:
    tests = "1 test was" if count == 1 else f"{count} tests were"
    rest = (
        f"{place} names it: declare it for the tests, too"
        if place
        else "no declaration of the project names it: add it to what the tests need"
    )
    return f"{tests} skipped since {name} is not in the sandbox; {rest}."


def _place(name: str, declaring: Sequence[SourceFile]) -> str:
    """Return the first line that names the package, in any equivalent spelling; empty if none."""
    spelled = "[-_.]".join(re.escape(part) for part in name.strip("_").split("_"))
    pattern = re.compile(rf"(?<![\w.-]){spelled}(?![\w-])".encode(), re.IGNORECASE)
    for file in declaring:
        for number, line in enumerate(content_of(file).splitlines(), start=1):
            if pattern.search(line.partition(b"#")[0]):
                return f"{file.path}:{number}"
    return ""
