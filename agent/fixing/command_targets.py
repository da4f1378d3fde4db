"""Finds the files that a test command's output is about: it has no frames, and no file of a test."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from agent.context.outline import GRAMMARS
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from sandbox.verdict.report import TestResult

_WORD = re.compile(r"[A-Za-z_]\w+")
_FEW = 3
"""So few code files are all looked at, whatever the output says."""
_HEADERS = frozenset({".h", ".hh", ".hpp", ".pyi"})
_TAIL = 25
_LONGEST_TAIL = 1_500


def is_of_command(result: TestResult) -> bool:
    """True if nothing but a command's exit code and output is known of a red test."""
    return not result.file and not result.frames and "::" not in result.id


def output_tail(result: TestResult) -> str:
    """The last lines that a command printed; empty if it printed nothing."""
    return "\n".join(result.detail.rstrip().splitlines()[-_TAIL:])[-_LONGEST_TAIL:]


def files_of_command(result: TestResult, sources: Sources) -> tuple[str, ...]:
    """Code files that the output names, then those whose names it or a test that it names has among its words.

    Tests are none of them, and headers come last.
    """
    code = sorted(path for path in sources.files if PurePosixPath(path).suffix in GRAMMARS)
    named = [path for path in code if _names(result.detail, path)]
    texts = [sources.text(path) or "" for path in named if is_test_path(path)]
    words = {word for text in (result.detail, *texts) for word in _WORD.findall(text)}
    alike = [path for path in code if PurePosixPath(path).stem in words]
    own = [path for path in code if not is_test_path(path)]
    found = [path for path in dict.fromkeys([*named, *alike]) if not is_test_path(path)]
    found = found or (own if len(own) <= _FEW else [])
    return tuple(sorted(found, key=lambda path: PurePosixPath(path).suffix in _HEADERS))


def _names(output: str, path: str) -> bool:
    """True if the output has the file's name as a word of its own, with or without folders before it."""
    name = re.escape(PurePosixPath(path).name)
    return re.search(rf"(?<![\w.-]){name}(?![\w-])", output) is not None
