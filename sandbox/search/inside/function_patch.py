"""Compares two sources of one file: which functions differ, if nothing else does.

A change inside a function needs no new import: the code of the function that is in memory is
replaced. Only the statement of the module's top that holds the change is compiled.
"""

# no strict zip: Python 3.8 has none
# ruff: noqa: B905
from __future__ import annotations

import ast
import base64
import gc
import marshal
import os
import sys
from types import CodeType, FunctionType
from typing import Any

_FUNCTION = 0x1  # inspect.CO_OPTIMIZED, which class bodies and modules lack
_FUTURES = 0x1FF0000  # the flags that `from __future__` sets, such as postponed annotations


class ChangedModule:
    """One file as it is, parsed once, to be compared with many changed texts."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:  # noqa: PTH123
            data = file.read()
        self._lines = data.splitlines(keepends=True)
        self._tops: list[tuple[int, int]] = []
        try:
            tree = ast.parse(data)
            self._flags = compile(data, path, "exec", dont_inherit=True).co_flags & _FUTURES
        except (SyntaxError, ValueError):
            return
        for node in tree.body:
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
                self._tops.append((first, node.end_lineno or node.lineno))

    def changed_lines(self, text: bytes) -> tuple[int, int, int]:
        """Return the lines before a change, the end of those it replaces, and the end of the new."""
        old, new = self._lines, text.splitlines(keepends=True)
        most = min(len(old), len(new))
        start = next((n for n in range(most) if old[n] != new[n]), most)
        same = 0
        while same < most - start and old[-1 - same] == new[-1 - same]:
            same += 1
        return start, len(old) - same, len(new) - same

    def functions(self, text: bytes) -> list[tuple[str, int, str]] | None:
        """Return name, first line and new code of each function that differs.

        None if something else differs, too. The code is marshalled, in base64.
        """
        start, end, new_end = self.changed_lines(text)
        for first, last in self._tops:
            if first <= start and end <= last:  # the first line of the statement stays as it is
                new = text.splitlines(keepends=True)
                return self._compared(first, last, new[first - 1 : last + new_end - end])
        return None

    def _compared(self, first: int, last: int, new: list[bytes]) -> list[Any] | None:
        before = self._compiled(first, self._lines[first - 1 : last])
        after = self._compiled(first, new)
        if before is None or after is None:
            return None
        found: list[tuple[str, int, str]] = []
        return found if _differing(before, after, found) else None

    def _compiled(self, first: int, lines: list[bytes]) -> CodeType | None:
        source = b"\n" * (first - 1) + b"".join(lines)
        try:
            tree = ast.parse(source)
            if len(tree.body) != 1:
                return None
            code: CodeType = compile(source, "<change>", "exec", self._flags, dont_inherit=True)
        except (SyntaxError, ValueError):
            return None
        return code


def _differing(old: CodeType, new: CodeType, found: list[tuple[str, int, str]]) -> bool:
    """Gather the outermost functions that differ; False if anything around them does."""
    if _outline(old) != _outline(new):
        return False
    for one, other in zip(_inner(old), _inner(new)):
        if not one.co_flags & _FUNCTION:
            if not _differing(one, other, found):
                return False
        elif _whole(one) != _whole(other):
            if one.co_freevars != other.co_freevars or _head(one) != _head(other):
                return False
            code = base64.b64encode(marshal.dumps(other)).decode("ascii")
            found.append((one.co_name, one.co_firstlineno, code))  # as it is in memory
    return True


def _inner(code: CodeType) -> list[CodeType]:
    return [value for value in code.co_consts if isinstance(value, CodeType)]


def _outline(code: CodeType) -> Any:  # noqa: ANN401
    """Return a value that is equal for code objects that do the same, inner functions left out."""
    values = [
        value.co_name if isinstance(value, CodeType) else (type(value).__name__, repr(value))
        for value in code.co_consts
    ]
    return code.co_code, code.co_names, values


def _whole(code: CodeType) -> Any:  # noqa: ANN401
    return _outline(code), code.co_varnames, code.co_cellvars, [_whole(c) for c in _inner(code)]


def _head(code: CodeType) -> Any:  # noqa: ANN401
    count = code.co_argcount + code.co_kwonlyargcount
    return code.co_flags, code.co_argcount, code.co_posonlyargcount, code.co_varnames[:count]


class Functions:
    """The functions of the project that are in memory, and those that have run so far."""

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root) + os.sep
        self._run: set[tuple[str, str, int]] = set()
        self._known: dict[tuple[str, str, int], list[FunctionType]] = {}
        self._monitoring: Any = getattr(sys, "monitoring", None)

    def watch(self) -> None:
        """Begin to note which functions run."""
        if self._monitoring is None:
            sys.setprofile(self._called)
            return
        self._tool = self._monitoring.PROFILER_ID
        self._monitoring.use_tool_id(self._tool, "elagent")
        starts = self._monitoring.events.PY_START
        self._monitoring.register_callback(self._tool, starts, self._started)
        self._monitoring.set_events(self._tool, starts)

    def gather(self) -> None:
        """Stop noting, and look up every function of the project."""
        if self._monitoring is None:
            sys.setprofile(None)
        else:
            self._monitoring.set_events(self._tool, 0)
            self._monitoring.free_tool_id(self._tool)
        for item in gc.get_objects():
            if type(item) is FunctionType:
                key = self._key(item.__code__)
                if key[0]:
                    self._known.setdefault(key, []).append(item)

    def replace(self, path: str, changed: list[list[Any]]) -> bool:
        """Give functions of one file other code; False if one has run already, or is not there."""
        keys = [(os.path.realpath(path), name, line) for name, line, _ in changed]
        if any(key in self._run or key not in self._known for key in keys):
            return False
        for key, (_, _, code) in zip(keys, changed):
            new = marshal.loads(base64.b64decode(code))  # noqa: S302 - of our own parent
            for function in self._known[key]:
                function.__code__ = _named(new, function.__code__.co_filename)
        return True

    def _started(self, code: CodeType, _offset: int) -> Any:  # noqa: ANN401
        self._run.add(self._key(code))
        return self._monitoring.DISABLE

    def _called(self, frame: Any, event: str, _arg: object) -> None:  # noqa: ANN401
        if event == "call":
            self._run.add(self._key(frame.f_code))

    def _key(self, code: CodeType) -> tuple[str, str, int]:
        path = os.path.realpath(code.co_filename) if code.co_filename[:1] != "<" else ""
        return path if path.startswith(self._root) else "", code.co_name, code.co_firstlineno


def _named(code: CodeType, filename: str) -> CodeType:
    """Return the code, and all within it, as of another file."""
    values = tuple(
        _named(value, filename) if isinstance(value, CodeType) else value
        for value in code.co_consts
    )
    return code.replace(co_filename=filename, co_consts=values)
