"""Plans a simpler form of one definition, or of a file, by ruff's fixes: a small model seldom has a better idea.

ruff is the one that stands beside our Python, never one of the project, and reads no configuration: it gets the
text alone. Where it is not installed, or knows nothing to simplify, the model has to.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tokenize
from pathlib import Path

from agent.editing.python_source import DefinitionNode, definitions, parse_python, source_lines
from agent.fixing.sources import Sources
from agent.refactoring.planned import Refactored, RefactoringError

_RULES = (
    "C400,C401,C402,C403,C404,C405,C411,C413,C416,C417,PLR5501,RET505,RET506,RET507,RET508"
    ",SIM101,SIM102,SIM103,SIM110,SIM114,SIM118,SIM201,SIM202,SIM208,SIM210,SIM211,SIM212"
)
"""Simpler forms of comprehensions, loops, conditions and returns: those that mean the same and need no import."""
_PATIENCE_S = 20.0


def tidied(name: str, path: str, sources: Sources) -> Refactored:
    """The file with one definition as ruff would simplify it; all of it, if `name` is the file's.

    Raises:
        RefactoringError: If ruff is not there, knows no simpler form, or a comment would be lost.
    """
    text = sources.text(path) or ""
    after = _fixed(text)
    if not name.endswith(".py"):
        after = _with_definition(text, after, name)
    if after == text or parse_python(after) is None:
        raise RefactoringError(f"ruff knows no simpler form of {name}")
    if _comments(after) != _comments(text):
        raise RefactoringError(f"a comment of {name} would be lost")
    return Refactored(texts={path: after}, before={path: text})


def _fixed(text: str) -> str:
    ruff = Path(sys.executable).with_name("ruff")
    if not ruff.is_file():
        raise RefactoringError("ruff is not installed beside elagent")
    words = [
        "check",
        "--isolated",
        "--no-cache",
        "--fix",
        "--unsafe-fixes",
        "--exit-zero",
        "--quiet",
    ]
    command = [str(ruff), *words, "--select", _RULES, "--stdin-filename", "code.py", "-"]
    try:
        ran = subprocess.run(
            command, input=text.encode(), capture_output=True, timeout=_PATIENCE_S, check=True
        )
        return ran.stdout.decode()
    except (OSError, subprocess.SubprocessError, ValueError) as err:
        raise RefactoringError(f"ruff gave no answer: {err}") from err


def _with_definition(text: str, other: str, name: str) -> str:
    """The text with one definition as another text has it."""
    old, new = _definition(text, name), _definition(other, name)
    mine, theirs = source_lines(text), source_lines(other)
    body = theirs[new.lineno - 1 : new.end_lineno]
    return "".join([*mine[: old.lineno - 1], *body, *mine[old.end_lineno or old.lineno :]])


def _definition(text: str, name: str) -> DefinitionNode:
    fits = [
        node
        for qualified, node in definitions(text).items()
        if name in (qualified, qualified.rpartition(".")[2])
    ]
    if len(fits) != 1:
        raise RefactoringError(f"{name} is no function or class, or there are several")
    return fits[0]


def _comments(text: str) -> list[str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return [token.string for token in tokens if token.type == tokenize.COMMENT]
