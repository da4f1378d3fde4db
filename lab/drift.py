"""Library drift: small tasks whose usual solution uses an API that the installed release has dropped.

Each task is data: what is asked, a hidden check, a solution that works and the outdated idiom that
does not. Half of the tasks of each change is for experience, half is held out.
"""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any, Literal, get_args

from learning.evaluation.humaneval import DataError
from learning.evaluation.prompting import Prompt
from learning.records import Message

Split = Literal["experience", "held-out"]
SPLITS: tuple[Split, ...] = get_args(Split)
MOST_PER_CHANGE = 4
_ENTRY_POINT = re.compile(r"def ([A-Za-z_]\w*)\(.*\) -> .+:")
_ALIKE = 0.8
_KEYS = ("id", "change", "split", "head", "ask", "check", "reference")
_OPTIONAL = {"stale", "outdated"}
_API_ERROR = re.compile(
    r"(?:AttributeError|ImportError|ModuleNotFoundError|AttributeRemovedError|ArgumentRemovedError)\b"
    r"|TypeError\b.*(?:unexpected keyword argument|positional arguments?\b|not callable|takes )"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftTask:
    """One function to be written with a library whose API has changed."""

    id: str
    library: str
    """Name under which it is imported."""
    change: str
    """What changed, old -> new; tasks of the same change share it word for word."""
    split: Split
    head: str
    ask: str
    check: str
    """Assertions about `candidate`; never shown to a model."""
    reference: str
    outdated: str
    """The reference with the idiom of older releases."""

    @property
    def entry_point(self) -> str:
        found = _ENTRY_POINT.fullmatch(self.head)
        return found[1] if found else ""

    def uses_library(self, code: str) -> bool:
        """Whether the code imports the library: a solution without it measures nothing here."""
        try:
            tree = ast.parse(code)
        except (SyntaxError, ValueError, RecursionError):
            return False
        return any(name.partition(".")[0] == self.library for name in _imported(tree))


def drift_prompt(task: DriftTask, *, note: str = "") -> Prompt:
    """The task as a chat; `note` is what a retry is told beside it."""
    text = Template(_words("drift")).substitute(library=task.library, head=task.head, ask=task.ask)
    return Prompt(messages=(Message(role="user", content=text + note),))


def error_note(error: str) -> str:
    """What a retry is told when only the error line is known."""
    return Template(_words("drift_error")).substitute(error=error)


def neutral_note() -> str:
    """What a retry is told when it is told nothing but that it is one."""
    return _words("drift_neutral")


def facts_note(facts: Sequence[str]) -> str:
    """What a retry is told when the installed library was asked."""
    return Template(_words("drift_facts")).substitute(facts="\n".join(facts))


def hints_note(hints: str) -> str:
    """What a retry is told of earlier repairs."""
    return Template(_words("drift_hints")).substitute(hints=hints)


def prompts_digest() -> str:
    """Digest of every word that is added to a task in any arm."""
    names = ("drift", "drift_neutral", "drift_error", "drift_facts", "drift_hints")
    return hashlib.sha256("\0".join(map(_words, names)).encode()).hexdigest()


def is_stale_error(error: str, outdated_error: str = "") -> bool:
    """Whether an error in one line is that of an API that is not there (any more).

    `outdated_error` is what the task's own outdated idiom is told; an error like it counts, too.
    """
    if not error:
        return False
    alike = difflib.SequenceMatcher(None, error, outdated_error).ratio() >= _ALIKE
    return alike or _API_ERROR.search(error) is not None


def outdated_errors(folder: Path) -> dict[str, str]:
    """What `elagent eval drift --verify` recorded of the outdated idioms, by task.

    Raises:
        DataError: If the record cannot be read.
    """
    path = folder / "verified.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {name: str(item["error"]) for name, item in record.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as err:
        raise DataError(
            f"{path} cannot be read: make it with `elagent eval drift --verify`."
        ) from err


def tasks_digest(tasks: Iterable[DriftTask]) -> str:
    """Digest of everything in the tasks."""
    return hashlib.sha256(repr(tuple(tasks)).encode()).hexdigest()


def load_tasks(folder: Path) -> tuple[DriftTask, ...]:
    """Every task of the `*.toml` files below a folder's `tasks`, by file and order.

    Raises:
        DataError: If a file or task is not what it should be; the message names it.
    """
    files = sorted((folder / "tasks").glob("*.toml"))
    if not files:
        raise DataError(f"{folder} has no drift tasks (tasks/*.toml).")
    tasks = tuple(task for file in files for task in _read(file))
    _check(tasks)
    return tasks


def _read(file: Path) -> list[DriftTask]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as err:
        raise DataError(f"{file} is not TOML: {err}.") from err
    library = content.get("library")
    if not isinstance(library, str):
        raise DataError(f"{file} does not name its library.")
    return [_task(library, record, file) for record in content.get("task", [])]


def _task(library: str, record: Mapping[str, Any], file: Path) -> DriftTask:
    name = f"{file}, task {record.get('id', '?')}"
    wrong = [key for key in _KEYS if not isinstance(record.get(key), str)]
    if wrong or (extra := record.keys() - set(_KEYS) - _OPTIONAL):
        raise DataError(f"{name}: {', '.join(wrong) or ', '.join(extra)} is missing or unknown.")
    if record["split"] not in SPLITS:
        raise DataError(f"{name}: the split is {' or '.join(SPLITS)}.")
    outdated = str(record.get("outdated", record["reference"]))
    for current, stale in record.get("stale", []):
        if current not in outdated:
            raise DataError(f"{name}: {current!r} is not in its reference.")
        outdated = outdated.replace(current, stale)
    task = DriftTask(library=library, outdated=outdated, **{key: record[key] for key in _KEYS})
    if not task.entry_point:
        raise DataError(f"{name}: its head is not one line with the types of a function.")
    return task


def _check(tasks: Sequence[DriftTask]) -> None:
    ids = [task.id for task in tasks]
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise DataError(f"There are several drift tasks with the id {', '.join(twice)}.")
    changes = [task.change for task in tasks]
    if many := sorted({name for name in changes if changes.count(name) > MOST_PER_CHANGE}):
        raise DataError(f"More than {MOST_PER_CHANGE} drift tasks for: {', '.join(many)}.")


def _imported(tree: ast.Module) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def _words(name: str) -> str:
    file = resources.files("lab") / "prompts" / f"{name}.md"
    return file.read_text(encoding="utf-8")
