"""The project's files as modules: which file a dotted name means, and which file defines a name.

Nothing is imported or executed; the search follows re-exports through a few modules.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from agent.editing.python_source import Imported, bound_names, definitions, imports
from agent.editing.source_files import SourceFileError, read_text_file, resolve_inside
from agent.editing.text_file import EncodingError, TextFile

_REEXPORTS_FOLLOWED = 3


class Sources:
    """The text files below a root, read when asked for."""

    def __init__(self, root: Path, files: Iterable[str]) -> None:
        self.root = root
        self.files = frozenset(files)
        self._modules = {path: module_parts(path) for path in self.files if path.endswith(".py")}

    def include(self, path: str) -> None:
        """Know a file that was made since."""
        self.files |= {path}
        if path.endswith(".py"):
            self._modules[path] = module_parts(path)

    def text(self, path: str) -> str | None:
        """The file's text with Unix line ends; None if it is none, or cannot be read."""
        file = self._file(path)
        return file.text if file else None

    def _file(self, path: str) -> TextFile | None:
        try:
            target = resolve_inside(self.root, path)
            return read_text_file(target) if target.exists() else None
        except SourceFileError:
            return None

    def stored(self, path: str) -> str | None:
        """The file's text with its own line ends; None if it is none, or cannot be read."""
        file = self._file(path)
        return file.stored if file else None

    def encoded(self, path: str, text: str) -> bytes | None:
        """The bytes that a file would have with another text, which has Unix line ends.

        None if its encoding has no place for the text.
        """
        file = self._file(path) or TextFile.new("", is_python=path.endswith(".py"))
        if file.encoding == "utf-8" and not file.bom and "\r" not in file.stored:
            return text.encode("utf-8", "surrogatepass")
        try:
            return file.revised(text, exact=True).encode()
        except EncodingError:
            return None

    def module(self, dotted: str, *, importer: str = "") -> str | None:
        """The file of a module of this project; leading dots are relative to `importer`."""
        level = len(dotted) - len(dotted.lstrip("."))
        parts = tuple(part for part in dotted.split(".") if part)
        if level:
            parts = (*PurePosixPath(importer).parts[:-level], *parts)
        if not parts:
            return None
        fits = [path for path, own in self._modules.items() if own == parts]
        fits = fits or [p for p, own in self._modules.items() if own[-len(parts) :] == parts]
        return min(fits, key=lambda path: (path.count("/"), path)) if fits else None

    def imported_file(self, item: Imported, *, importer: str) -> str | None:
        """The file that an import leads to: the submodule, or the module that defines the name."""
        joined = f"{item.module.rstrip('.')}.{item.name}" if item.module.strip(".") else ""
        submodule = joined or item.module + item.name
        if item.name and (path := self.module(submodule, importer=importer)):
            return path
        path = self.module(item.module, importer=importer)
        return self.defining_file(path, item.name) if path and item.name else path

    def defining_file(self, path: str, name: str) -> str:
        """The file in which `name` is defined, when `path` only passes it on."""
        for _ in range(_REEXPORTS_FOLLOWED):
            source = self.text(path) or ""
            if name in definitions(source):
                return path
            passed = next((item for item in imports(source) if item.alias == name), None)
            origin = self.module(passed.module, importer=path) if passed else None
            if origin is None or origin == path:
                return path
            path = origin
        return path

    def names(self, path: str) -> tuple[str, ...]:
        """The public names that a module binds, in alphabetical order."""
        names = bound_names(self.text(path) or "")
        return tuple(sorted(name for name in names if not name.startswith("_")))


def importable(path: str) -> str:
    """The dotted name by which a file is imported, without a `src` folder; empty if no import can name it."""
    parts = module_parts(path)
    parts = parts[1:] if parts[:1] == ("src",) else parts
    return ".".join(parts) if all(part.isidentifier() for part in parts) else ""


def module_parts(path: str) -> tuple[str, ...]:
    """The dotted name of a file as parts, counted from the root: `a/b/__init__.py` is (a, b)."""
    parts = PurePosixPath(path).with_suffix("").parts
    return parts[:-1] if parts and parts[-1] == "__init__" else parts
