"""Finds methods that a change newly calls and that nothing defines: a small model invents them.

What is in doubt counts as known: names that stand anywhere in the project, methods of Python's own types and of the
classes in the modules of the standard library that the file imports, everything behind an imported name, and all of a
file that imports other packages.
"""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache

from agent.editing.python_source import imports, parse_python
from agent.fixing.sources import Sources

_MOST_FILES = 150
_ALWAYS = (
    "argparse", "builtins", "collections", "datetime", "decimal", "fractions", "io", "logging", "pathlib", "random", "re",
    "string", "types",
)  # fmt: skip
_KNOWN = frozenset([
    *_ALWAYS, "array", "ast", "asyncio", "bz2", "cmd", "code", "codecs", "concurrent", "configparser", "contextlib",
    "contextvars", "csv", "ctypes", "dataclasses", "difflib", "email", "enum", "functools", "gzip", "hashlib", "hmac",
    "html", "http", "importlib", "inspect", "ipaddress", "itertools", "json", "lzma", "mailbox", "mmap", "multiprocessing",
    "numbers", "operator", "os", "pickle", "pprint", "queue", "sched", "select", "selectors", "shelve", "shlex",
    "shutil", "smtplib", "socket", "socketserver", "sqlite3", "ssl", "statistics", "struct", "subprocess", "tarfile",
    "tempfile", "textwrap", "threading", "time", "timeit", "tokenize", "traceback", "typing", "unittest", "urllib", "uuid",
    "weakref", "xml", "zipfile", "zlib",
])  # fmt: skip
"""Modules of the standard library whose classes may be looked at: importing them does nothing else."""


_PURE = frozenset([
    "__future__", "abc", "base64", "bisect", "cmath", "copy", "fnmatch", "getpass", "glob", "heapq", "keyword", "math",
    "platform", "secrets", "signal", "stat", "sys", "warnings",
])  # fmt: skip
"""Modules whose functions give objects of usual types."""
_MAKES_NAMES = re.compile(
    r"\b(?:__getattr\w*__|namedtuple|NamedTuple|setattr|SimpleNamespace|Mock)\b"
)


def unknown_methods(path: str, before: str, after: str, sources: Sources) -> tuple[str, ...]:
    """The names of methods that the new text of a Python file calls, the old one does not, and nobody defines.

    Reads the project's files; blocks.
    """
    tree, old = parse_python(after), parse_python(before)
    if tree is None or old is None or _MAKES_NAMES.search(after) or _imports_others(after, sources):
        return ()
    imported = {each.alias.partition(".")[0] for each in imports(after)}
    known = {name for name, _ in _calls(old)} | _assigned(tree)
    for module in {*_ALWAYS, *_standard(after)}:
        known |= _methods_of(module)
    new = (n for n, root in _calls(tree) if n not in known and root not in imported)
    found = [name for name in dict.fromkeys(new) if not name.startswith("_")]
    return _standing_nowhere(found, path, sources) if found else ()


def _calls(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The names of the methods that are called, each with the first name of the expression it is called on."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            root: ast.expr = node.func
            while isinstance(root, ast.Attribute | ast.Call | ast.Subscript):
                root = root.func if isinstance(root, ast.Call) else root.value
            yield node.func.attr, root.id if isinstance(root, ast.Name) else ""


def _assigned(tree: ast.Module) -> set[str]:
    """The names of all definitions and assigned attributes of a file."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
        elif isinstance(node, ast.AnnAssign | ast.arg):
            names.add(node.arg if isinstance(node, ast.arg) else getattr(node.target, "id", ""))
    return names


def _imports_others(text: str, sources: Sources) -> bool:
    """True if a file imports what is neither of the project nor of the modules that are known here."""
    own = {part for file in sources.files for part in file.removesuffix(".py").split("/")}
    tops = {each.module.partition(".")[0] for each in imports(text)}
    return bool({top for top in tops if top} - _KNOWN - _PURE - own)


def _standing_nowhere(names: list[str], path: str, sources: Sources) -> tuple[str, ...]:
    """Those of the names that no other file of the project has in any place; none in a large project."""
    others = [file for file in sources.files if file.endswith(".py") and file != path]
    if len(others) > _MOST_FILES:
        return ()
    word = re.compile(rf"\b(?:{'|'.join(map(re.escape, names))})\b")
    there = {found for file in others for found in word.findall(sources.text(file) or "")}
    return tuple(name for name in names if name not in there)


def _standard(text: str) -> set[str]:
    """The modules of the standard library that a file imports."""
    found = imports(text)
    return {each.module for each in found} | {f"{e.module}.{e.name}" for e in found if e.name}


@cache
def _methods_of(module: str) -> frozenset[str]:
    """The names that the classes of a module of the standard library have; none for any other module."""
    if module.partition(".")[0] not in _KNOWN or "__" in module or module.endswith("*"):
        return frozenset()
    try:
        found = vars(importlib.import_module(module)).values()
    except (
        ImportError,
        AttributeError,
        OSError,
        ValueError,
    ):  # no module, or not one of this system
        return frozenset()
    return frozenset(name for each in found if isinstance(each, type) for name in dir(each))
