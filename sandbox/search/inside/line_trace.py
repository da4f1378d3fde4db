"""Notes which lines of the project run, test by test. Standard library only.

By `sys.monitoring` where Python has it (3.12), which costs next to nothing once a line was seen; by
`sys.settrace` before, where a function costs nothing once all of its lines were seen.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

_INSTALLED = ("site-packages", "dist-packages", "lib-dynload")
_MOST_TOLD = 60
"""Red tests of which it is told which lines each of them ran."""
_FOREIGN = ("site-packages", "dist-packages", ".venv", "venv", ".tox", ".nox")


class LineTrace:
    """The lines that ran between `start` and `stop`, as (path inside the root, line)."""

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root) + os.sep
        self._inside: dict[str, str] = {}
        self._seen: set[tuple[str, int]] = set()
        self._seen_in: dict[Any, set[int]] = {}
        self._sizes: dict[Any, int] = {}
        self._monitoring: Any = getattr(sys, "monitoring", None)
        if self._monitoring is not None:
            self._set_up()

    @property
    def slows(self) -> bool:
        """Tell whether tests take much longer than without it."""
        return self._monitoring is None

    def start(self) -> None:
        """Begin with no line seen."""
        self._seen = set()
        self._seen_in = {}
        if self._monitoring is not None:
            self._monitoring.restart_events()
            self._monitoring.set_events(self._tool, self._monitoring.events.LINE)
        else:
            threading.settrace(self._call)
            sys.settrace(self._call)

    def stop(self) -> set[tuple[str, int]]:
        """Return the lines seen since `start`."""
        if self._monitoring is not None:
            self._monitoring.set_events(self._tool, 0)
        else:
            sys.settrace(None)
            threading.settrace(None)
            self._seen = {
                (self.path_of(code.co_filename), line)
                for code, lines in self._seen_in.items()
                for line in lines
            }
        return self._seen

    def path_of(self, filename: str) -> str:
        """Return the path inside the project, empty for files that are no part of it."""
        if filename not in self._inside:
            path = "" if filename.startswith("<") else os.path.realpath(filename)
            inside = path[len(self._root) :] if path.startswith(self._root) else ""
            foreign = any(part in _FOREIGN for part in inside.split("/"))
            self._inside[filename] = "" if foreign else inside
        return self._inside[filename]

    def _set_up(self) -> None:
        self._tool = self._monitoring.COVERAGE_ID
        self._monitoring.use_tool_id(self._tool, "elagent")
        self._monitoring.register_callback(
            self._tool, self._monitoring.events.LINE, self._line_event
        )

    def _line_event(self, code: Any, line: int) -> Any:  # noqa: ANN401
        path = self.path_of(code.co_filename)
        if path:
            self._seen.add((path, line))
        return self._monitoring.DISABLE

    def _call(self, frame: Any, _event: str, _arg: object) -> Any:  # noqa: ANN401
        code = frame.f_code
        size = self._sizes.get(code)
        if size is None:
            own = bool(self.path_of(code.co_filename))
            size = len({line for *_, line in code.co_lines() if line}) if own else 0
            self._sizes[code] = size
        if not size:
            return None
        seen = self._seen_in.get(code)
        if seen is None:
            seen = self._seen_in[code] = set()
        elif len(seen) >= size:
            return None
        add = seen.add

        def line(frame: Any, event: str, _arg: object) -> Any:  # noqa: ANN401
            if event == "line":
                add(frame.f_lineno)
            return line

        return line


class Spectrum:
    """Counts of red and of green tests for each line that a red test ran, and which red ones."""

    def __init__(self) -> None:
        self.red = 0
        self.red_ids: list[str] = []
        self.green = 0
        self._red: dict[tuple[str, int], int] = {}
        self._green: dict[tuple[str, int], int] = {}
        self._which: dict[tuple[str, int], int] = {}

    def add(self, test_id: str, lines: set[tuple[str, int]], *, red: bool) -> None:
        """Count the lines of one test."""
        self.red += red
        self.green += not red
        if red and len(self.red_ids) < _MOST_TOLD:
            bit = 1 << len(self.red_ids)
            self.red_ids.append(test_id)
            for line in lines:
                self._which[line] = self._which.get(line, 0) | bit
        counts = self._red if red else self._green
        for line in lines:
            counts[line] = counts.get(line, 0) + 1

    def lines(self) -> list[list[Any]]:
        """Return [path, line, red tests, green tests, which red ones] for each line that a red test ran.

        Which ones are the bits of a number, in the order of `red_ids`.
        """
        green, which = self._green, self._which
        return [
            [*line, count, green.get(line, 0), which.get(line, 0)]
            for line, count in sorted(self._red.items())
        ]


def foreign_modules(root: str) -> list[str]:
    """Return the names of the modules in memory that are no part of the project, parents first."""
    names = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None) or ""
        if any(part in file for part in _INSTALLED) and not file.startswith(root + os.sep):
            names.append(name)
    return sorted(names, key=lambda name: name.count("."))
