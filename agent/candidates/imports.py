"""A missing import, where the error names what is missing."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from agent.candidates.source import Edit, ParsedFile

_UNDEFINED = re.compile(r"name '(?P<name>\w+)' is not defined")


def undefined_name(message: str) -> str:
    """The name that a NameError says is missing; empty for other messages."""
    match = _UNDEFINED.search(message)
    return match["name"] if match else ""


def import_edits(path: str, name: str, project: Mapping[str, ParsedFile]) -> Iterator[Edit]:
    """Import statements for a name in one file, those that the project's other files use first."""
    source = project[path]
    ways = dict.fromkeys(_ways(path, name, project))
    start = after_imports(source)
    for way in ways:
        yield Edit(start=start, end=start, text=f"{way}\n", kind=way)


def _ways(path: str, name: str, project: Mapping[str, ParsedFile]) -> Iterator[str]:
    for other in project.values():
        yield from _imported_there(name, other)
    for other_path, other in project.items():
        if other_path != path and name in _defined(other):
            yield f"from {_module(other_path)} import {name}"
            yield f"from .{_module(other_path).rpartition('.')[2]} import {name}"
    if name in sys.stdlib_module_names:
        yield f"import {name}"
    for module, names in _USUAL.items():
        if name in names:
            yield f"from {module} import {name}"


def _imported_there(name: str, other: ParsedFile) -> Iterator[str]:
    for node in ast.walk(other.tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            same = (alias for alias in node.names if (alias.asname or alias.name) == name)
            yield from (_statement(node, alias) for alias in same)


def _defined(source: ParsedFile) -> frozenset[str]:
    """The names that a module itself defines at its top."""
    names: set[str] = set()
    for statement in source.tree.body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(statement.name)
        elif isinstance(statement, ast.Assign):
            names |= {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return frozenset(names)


def _module(path: str) -> str:
    """The dotted name by which a file is imported; a `src` folder is no part of it."""
    parts = PurePosixPath(path).with_suffix("").parts
    parts = parts[1:] if parts[0] == "src" else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def _statement(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    renamed = f" as {alias.asname}" if alias.asname else ""
    if isinstance(node, ast.Import):
        return f"import {alias.name}{renamed}"
    return f"from {'.' * node.level}{node.module or ''} import {alias.name}{renamed}"


def after_imports(source: ParsedFile) -> int:
    """The place of the next import: behind the module's documentation and its future imports."""
    line = 1
    for statement in source.tree.body:
        is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        is_future = isinstance(statement, ast.ImportFrom) and statement.module == "__future__"
        if is_text or is_future:
            line = (statement.end_lineno or statement.lineno) + 1
            continue
        line = max(line, statement.lineno) if isinstance(statement, ast.Import) else line
        break
    return source.line_start(line)


_USUAL = {
    "collections": ("defaultdict", "Counter", "deque", "OrderedDict", "namedtuple", "ChainMap"),
    "collections.abc": ("Iterable", "Iterator", "Mapping", "Sequence", "Callable", "Generator"),
    "contextlib": ("contextmanager", "suppress", "ExitStack", "closing", "nullcontext"),
    "copy": ("deepcopy",),
    "dataclasses": ("dataclass", "field", "replace", "asdict"),
    "datetime": ("datetime", "timedelta", "date", "timezone"),
    "decimal": ("Decimal",),
    "enum": ("Enum", "IntEnum", "auto"),
    "fractions": ("Fraction",),
    "functools": ("partial", "reduce", "wraps", "lru_cache", "cache", "cached_property"),
    "heapq": ("heappush", "heappop", "heapify"),
    "itertools": ("chain", "product", "combinations", "permutations", "groupby", "islice", "count"),
    "math": ("sqrt", "floor", "ceil", "log", "pi", "gcd", "isclose", "inf"),
    "operator": ("itemgetter", "attrgetter"),
    "pathlib": ("Path", "PurePath", "PurePosixPath"),
    "typing": ("Any", "Optional", "Union", "List", "Dict", "Tuple", "Set", "TypeVar", "cast"),
    "urllib.parse": ("urlparse", "urljoin", "quote", "unquote", "urlencode"),
}
