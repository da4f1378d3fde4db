"""Finds the files that a test command's output is about: it has no frames, and no file of a test."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from agent.context.outline import GRAMMARS
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from sandbox.verdict.report import TestResult

_OF_COMMAND = re.compile(r"exit code \d+|killed by signal \d+|did not finish: .*")
"""The message of a test command that failed, as `sandbox.verdict.suite` writes it."""
_FILE = re.compile(
    r"(?<![\w./@+-])(?P<path>[\w./@+-]*\w\.\w+)(?P<line>:\d+|\(\d+|, line \d+|\", line \d+)?"
)
_WORD = re.compile(r"[A-Za-z_]\w+")
_TAKES = re.compile(r"\b(?:include|import|require|use|mod|from)\b")
_OF_TEST = re.compile(r"^test[_-]?|[_-]?(?:tests?|spec)$|\.(?:test|spec)$", re.IGNORECASE)
_FEW = 3
"""So few code files are all looked at, whatever the output says."""
_HEADERS = frozenset({".h", ".hh", ".hpp", ".pyi"})
_NO_CODE = frozenset(
    {".cfg", ".ini", ".json", ".lock", ".log", ".md", ".rst", ".toml", ".txt", ".yaml", ".yml"}
)
_TAIL = 25
_LONGEST_TAIL = 1_500


def is_of_command(result: TestResult) -> bool:
    """True if nothing but a command's exit code and output is known of a red test."""
    return not (result.file or result.frames) and bool(_OF_COMMAND.fullmatch(result.message))


def output_tail(result: TestResult) -> str:
    """The last lines that a command printed; empty if it printed nothing."""
    return "\n".join(result.detail.rstrip().splitlines()[-_TAIL:])[-_LONGEST_TAIL:]


def files_of_command(result: TestResult, sources: Sources) -> tuple[str, ...]:
    """Files to repair, the most likely first: those that the output names, those that its tests take in, all of a few.

    Of the named ones those with a line number come first, and later ones before earlier ones. Tests are none of
    them, and headers come last.
    """
    named = list(dict.fromkeys(_named(result.detail, sources.files)))
    code = sorted(path for path in sources.files if PurePosixPath(path).suffix in GRAMMARS)
    own = [path for path in code if not is_test_path(path)]
    wanted = {stem for path in named if is_test_path(path) for stem in _taken_in(path, sources)}
    found = [path for path in named if not is_test_path(path)]
    found += [path for path in own if PurePosixPath(path).stem in wanted]
    found = found or (own if len(own) <= _FEW else [])
    return tuple(sorted(dict.fromkeys(found), key=_is_header))


def _is_header(path: str) -> bool:
    return PurePosixPath(path).suffix in _HEADERS


def _named(output: str, files: Iterable[str]) -> Iterator[str]:
    """The files that an output names by their path, its end, or a longer one; a file's name alone stands for all of it."""
    by_name = defaultdict(list)
    for path in sorted(files):
        if PurePosixPath(path).suffix not in _NO_CODE:
            by_name[PurePosixPath(path).name].append(path)
    said = [(bool(match["line"]), match["path"]) for match in _FILE.finditer(output)]
    said.reverse()
    for _, token in sorted(said, key=lambda each: not each[0]):
        given = f"/{token.lstrip('./')}"
        alike = by_name[PurePosixPath(token).name]
        whole = [path for path in alike if given.endswith(f"/{path}")]
        yield from (
            [max(whole, key=len)] if whole else (p for p in alike if f"/{p}".endswith(given))
        )


def _taken_in(path: str, sources: Sources) -> Iterator[str]:
    """Names of what a test takes in by a line of its own, and of the file that it is named after."""
    yield _OF_TEST.sub("", PurePosixPath(path).stem)
    for line in (sources.text(path) or "").splitlines():
        if _TAKES.search(line):
            yield from _WORD.findall(line)
