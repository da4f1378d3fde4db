"""The points at which a changed project can begin, latest first. Standard library only."""

# strings, not Path objects: file names here come out of code objects and node ids
# ruff: noqa: PTH113, PTH118
from __future__ import annotations

import base64
import importlib.machinery
import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_STEMS = 6
"""Files whose import is waited at, each by a process with what was imported before it."""
_START_S = 2.0


class Beginnings:
    """Starts a child for each change, as late in the course of the red tests as it can."""

    def __init__(
        self,
        root: str,
        course: Any,  # noqa: ANN401
        limits: dict[str, float],
        forking: Any,  # noqa: ANN401
        load: Callable[[str], Any],
    ) -> None:
        """`load` gives one of our own modules by its name."""
        self._root = root
        self._course = course
        self._limits = limits
        self._forking = forking
        self._patches = load("function_patch")
        self._sources: dict[str, Any] = {}
        self._collected: Any = None
        self._at_import: dict[str, Any] = {}
        self._elsewhere: set[int] = set()

    def begin(self, trial: dict[str, str]) -> Any:  # noqa: ANN401
        """Start the child for a change."""
        path = os.path.realpath(os.path.join(self._root, trial["path"]))
        child = self._patched(path, trial) or self._imported(path, trial)
        if child is None:
            text = base64.b64decode(trial["text"])
            start = Import(path, text)
            child = self._forking.Child.forked(partial(self._course.trial, start, self._limits))
        child.ends_at = time.monotonic() + self._limits["red"] + self._limits["all"]
        return child

    def not_in_memory(self, trial: dict[str, str]) -> None:
        """Take a change to an earlier point from now on: its functions were not to be replaced."""
        self._elsewhere.add(id(trial))

    def close(self) -> None:
        """End the processes that wait."""
        for stem in [self._collected, *self._at_import.values()]:
            if stem is not None:
                stem.end()

    def _patched(self, path: str, trial: dict[str, str]) -> Any:  # noqa: ANN401
        if id(trial) in self._elsewhere:
            return None
        if path not in self._sources:
            self._sources[path] = (
                self._patches.ChangedModule(path) if os.path.isfile(path) else None
            )
        source = self._sources[path]
        changed = source.functions(base64.b64decode(trial["text"])) if source else None
        if not changed:
            return None
        if self._collected is None:
            functions = self._patches.Functions(self._root)
            self._collected = self._stem(lambda pause: Collected(pause, functions))
        return self._forked(self._collected, {"path": path, "functions": changed})

    def _imported(self, path: str, trial: dict[str, str]) -> Any:  # noqa: ANN401
        if path not in self._at_import:
            if len(self._at_import) >= _MOST_STEMS:
                return None
            self._at_import[path] = self._stem(lambda pause: Import(path, pause=pause))
        return self._forked(self._at_import[path], {"text": trial["text"]})

    def _stem(self, start: Callable[[Any], Any]) -> Any:  # noqa: ANN401
        course, limits = self._course, self._limits
        ready_s = _START_S + limits["red"]
        return self._forking.Stem(lambda pause: course.trial(start(pause), limits), ready_s=ready_s)

    def _forked(self, stem: Any, request: dict[str, Any]) -> Any:  # noqa: ANN401
        return stem.fork(request) if stem.alive else None


class Import:
    """Begins where the changed file is imported: at the start of all, or at a pause there."""

    def __init__(self, path: str, source: bytes | None = None, *, pause: Any = None) -> None:  # noqa: ANN401
        self._path = path
        self._source = source
        self._pause = pause
        self.begun: Callable[[], None] = lambda: None

    def prepare(self) -> None:
        """Have the import system compile the changed source in place of the file's own."""
        usual = importlib.machinery.SourceFileLoader.get_code
        path = self._path

        def get_code(loader: Any, fullname: str) -> Any:  # noqa: ANN401
            file = loader.get_filename(fullname)
            if os.path.realpath(file) == path:
                return compile(self._changed(), file, "exec", dont_inherit=True)
            return usual(loader, fullname)

        loaders: Any = importlib.machinery.SourceFileLoader
        loaders.get_code = get_code
        if self._pause is None:
            self.begun()

    def collected(self) -> bool:
        """Go on: the changed file has been imported. A stem that has not met it ends."""
        if self._source is None:
            os._exit(0)
        return True

    def answer(self, said: dict[str, Any]) -> None:
        """Answer and be gone, if this is a child of a stem; else the trial goes on to its end."""
        if self._pause is not None:
            self._pause.answer(said)

    def _changed(self) -> bytes:
        if self._source is None:
            self._source = base64.b64decode(self._pause.wait()["text"])
            self.begun()
        return self._source


class Collected:
    """Begins where the red tests are collected and none has run, with other code in functions."""

    def __init__(self, pause: Any, functions: Any) -> None:  # noqa: ANN401
        self._pause = pause
        self._functions = functions
        self.begun: Callable[[], None] = lambda: None

    def prepare(self) -> None:
        """Note from here on which functions run."""
        self._functions.watch()

    def collected(self) -> bool:
        """Wait for a change and put it in; False if it must begin earlier.

        So it must if one of its functions has run already, or is not in memory.
        """
        self._functions.gather()
        request = self._pause.wait()
        self.begun()
        return bool(self._functions.replace(request["path"], request["functions"]))

    def answer(self, said: dict[str, Any]) -> None:
        """Answer and be gone."""
        self._pause.answer(said)
