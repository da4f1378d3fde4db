"""Reads the lines that linters and type checkers print; all of it is untrusted text of a sandbox."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from agent.fixing.context import fenced
from sandbox.box.streams import display_safe
from sandbox.project.linters import ENDS, STARTS

_PLACED = re.compile(
    r"^(?P<path>[^\s:()][^:()\n]*)"
    r"(?::(?P<line>\d+)(?::\d+)?:\s*|\((?P<in_braces>\d+),\d+\):\s*)(?P<text>\S.*)$"
)
_WOULD_FORMAT = re.compile(r"^Would reformat:? (?P<path>\S.*)$", re.IGNORECASE)
_LINE_NUMBER = re.compile(r"\bline \d+")
_ENDS_WITH_TWO = frozenset({"ruff", "mypy"})
"""Tools that end with 1 for problems and with more for what kept them from looking."""
_SPEAKS_OF_ERROR = re.compile(
    r"\b(?:no module named|not found|no such|cannot|can't|could not|failed|fatal|traceback|usage:|\w*error)\b",
    re.IGNORECASE,
)
_NOT_FOUND = (126, 127)
"""Exit codes of a shell for a command that cannot be run."""
_LONGEST = 200
_MOST_SHOWN = 3
_MOST_TOLD = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One problem at one place."""

    path: str
    line: int
    """0 where the whole file is meant."""
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.text}" if self.line else f"{self.path}: {self.text}"

    @property
    def kind(self) -> tuple[str, str]:
        """Key that is equal for one problem before and after lines moved."""
        return self.path, _LINE_NUMBER.sub("line", self.text)


def read_diagnostics(output: str, *, folder: str, only: Collection[str]) -> list[Diagnostic]:
    """The problems of these files in the output of tools that ran in `folder`; notes are left out.

    `only` and the paths of the result are relative to the repository.
    """
    found: dict[Diagnostic, None] = {}
    for line in output.splitlines():
        would = _WOULD_FORMAT.match(line)
        match = would or _PLACED.match(line)
        if match is None:
            continue
        path = posixpath.normpath(posixpath.join(folder, match["path"].strip()))
        text = "the layout is not that of the formatter" if would else match["text"]
        if path not in only or text.startswith("note:"):
            continue
        number = 0 if would else int(match["line"] or match["in_braces"])
        found[Diagnostic(path=path, line=number, text=text[:_LONGEST])] = None
    return list(found)


def ran(output: str) -> list[str]:
    """The names of the tools that ran, as our script announced them."""
    starts = f"{STARTS} "
    return [line.removeprefix(starts) for line in output.splitlines() if line.startswith(starts)]


def failed(output: str) -> dict[str, str]:
    """A sentence about each tool that could not look, so that its silence says nothing.

    ruff and mypy end with 2 or more then, whatever they name. Any other tool is taken at its word where it names a place or
    says nothing (`grep` ends with 1 where it finds nothing), and where it ends with 1 without speaking of an error.
    """
    found: dict[str, str] = {}
    name, said = "", list[str]()
    for line in output.splitlines():
        if line.startswith(f"{STARTS} "):
            name, said = line.removeprefix(f"{STARTS} "), []
        elif line.startswith(f"{ENDS} "):
            code = line.removeprefix(f"{ENDS} ")
            if code.isdecimal() and _could_not_look(name, int(code), said):
                found[name] = f"{name} ended with exit code {code}: {said[-1][:_LONGEST]}"
                if int(code) in _NOT_FOUND:
                    found[name] = f"{name} cannot be run: the image has no such program"
        elif line.strip():
            said.append(line.strip())
    return found


def _could_not_look(name: str, code: int, said: Sequence[str]) -> bool:
    if code == 0 or not said:
        return False
    if name in _ENDS_WITH_TWO:
        return code > 1
    if any(map(_is_placed, said)):
        return False
    return code > 1 or _SPEAKS_OF_ERROR.search(said[-1]) is not None


def _is_placed(line: str) -> bool:
    return bool(_WOULD_FORMAT.match(line) or _PLACED.match(line))


def introduced(before: Iterable[Diagnostic], after: Iterable[Diagnostic]) -> list[Diagnostic]:
    """The problems of `after` beyond those of `before`, whatever lines they moved to."""
    left = Counter(item.kind for item in before)
    new = []
    for item in after:
        if left[item.kind]:
            left[item.kind] -= 1
        else:
            new.append(item)
    return new


def in_short(names: Sequence[str], found: Sequence[Diagnostic], new: Sequence[Diagnostic]) -> str:
    """One line that counts the problems, and the first few, new ones first."""
    who = ", ".join(names)
    if not found:
        return f"{who}: no problem in the changed files"
    count = f"{len(found)} problem{'s' if len(found) > 1 else ''} in the changed files"
    fresh = f"{len(new)} new" if new else "none new"
    first = [*new, *(item for item in found if item not in new)][:_MOST_SHOWN]
    more = len(found) - len(first)
    lines = [f"{who}: {count}, {fresh}", *(f"  {item}" for item in first)]
    return "\n".join([*lines, *([f"  and {more} more"] if more else [])])


def for_the_model(new: Sequence[Diagnostic]) -> str:
    """The new problems, a line each, at most ten."""
    lines = display_safe("\n".join(str(item) for item in new[:_MOST_TOLD]))
    return f"Linters say of your change:\n{fenced(lines, 'text')}"
