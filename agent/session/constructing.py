"""Says how that is called which new tests need: the functions that a request names, and the classes around them.

A small model guesses the order of a constructor's arguments. The project's own code is asked, in the sandbox: the
fields of a named tuple may come from a constant of another file.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence

from agent.editing.python_source import bound_names, definitions, imports
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources, importable
from agent.testing.project import ProjectTests
from agent.turn.needed import subject_files
from sandbox.host.children import in_thread

_CLASS = re.compile(r"_?[A-Z][A-Za-z0-9]*[a-z][A-Za-z0-9]*")
_MOST_FILES, _MOST_NAMES = 2, 8
_LONGEST = 300
_MARK = "EL "
_ASK = """
import importlib, inspect, json, sys
for module, name in json.loads(sys.argv[1]):
    try:
        told = name + str(inspect.signature(getattr(importlib.import_module(module), name)))
    except Exception:
        continue
    print("EL " + ascii(told))
"""


async def called_so(text: str, sources: Sources, project: ProjectTests) -> tuple[str, ...]:
    """Signatures that a request for tests needs, as `Sighting(species, site)`; none where nothing is asked about.

    Raises:
        SandboxError: If the sandbox gives no answer.
    """
    asked = await in_thread(_asked, text, sources)
    if not asked:
        return ()
    execution = await project.run_command(["python", "-c", _ASK, json.dumps(asked)])
    lines = execution.stdout.text.splitlines()
    told = (_literal(line.removeprefix(_MARK)) for line in lines if line.startswith(_MARK))
    return tuple(each[:_LONGEST] for each in told if each)


def _asked(text: str, sources: Sources) -> Sequence[tuple[str, str]]:
    """Module and name of what is asked about."""
    files = [path for path in subject_files(text, sources) if _is_code(path)][:_MOST_FILES]
    words = set(re.findall(r"\w+", text))
    found: dict[tuple[str, str], None] = {}
    for path in files:
        source = sources.text(path) or ""
        functions = (name for name in definitions(source) if name in words)
        found.update(dict.fromkeys((importable(path), name) for name in functions))
        found.update(dict.fromkeys(_classes(path, source, sources)))
    for path in sorted(sources.files):
        if path.endswith(".py") and is_test_path(path):
            source = sources.text(path) or ""
            if any(sources.imported_file(item, importer=path) in files for item in imports(source)):
                found.update(dict.fromkeys(_classes(path, source, sources)))
    return [pair for pair in found if pair[0]][:_MOST_NAMES]


def _is_code(path: str) -> bool:
    return path.endswith(".py") and not is_test_path(path)


def _classes(path: str, source: str, sources: Sources) -> Iterator[tuple[str, str]]:
    """Module and name of the classes that a file makes, and of those that it takes from the project."""
    taken = {item.alias: item for item in imports(source)}
    for name in sorted(filter(_CLASS.fullmatch, bound_names(source))):
        item = taken.get(name)
        if item is None:
            if not is_test_path(path):
                yield importable(path), name
        elif (origin := sources.imported_file(item, importer=path)) and item.name:
            yield importable(origin), item.name


def _literal(line: str) -> str:
    try:
        return str(ast.literal_eval(line))
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ""
