"""Reads which command a message asks for: all tests, some of them, a script or a tool."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence

from agent.editing.python_source import definitions
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.reply.named import Names

_QUOTED = re.compile(r"`([^`\n]+)`")
_LEAD = re.compile(
    r"^(?:(?:please|now|ok|then|can you|could you)[,]?\s+)*(?:run|rerun|re-run|execute|start|launch|show me the output of)\s+"
    r"(?P<rest>.+?)[.!?]*$",
    re.IGNORECASE | re.DOTALL,
)
_TAIL = re.compile(
    r"(?:[\s,]+(?:please|pls|plz|thanks|thank you|thx|now|again|for me|once(?: more)?|will you|would you|ok))+[.!?\s]*$",
    re.IGNORECASE,
)
_TOOLS = frozenset(
    [
        "python",
        "python3",
        "pytest",
        "ruff",
        "mypy",
        "make",
        "npm",
        "node",
        "npx",
        "go",
        "cargo",
        "git",
        "ls",
        "cat",
        "grep",
        "bash",
        "sh",
        "tox",
        "nox",
        "pylint",
        "flake8",
        "black",
        "isort",
        "pip",
        "uv",
        "coverage",
    ]
)
_TEST = re.compile(r"\btest_\w+")


def asked_command(text: str, sources: Sources) -> str | None:
    """The command that a message asks for; empty for all tests, None where that is not clear."""
    if quoted := _QUOTED.search(text):
        return quoted[1].strip()
    lead = _LEAD.match(text.strip())
    rest = _TAIL.sub("", lead["rest"].strip()) if lead else ""
    words = rest.split()
    if words and words[0] in _TOOLS and (len(words) > 1 or words[0] != "pytest"):
        return rest
    if tests := named_tests(text, sources):
        return shlex.join(["python", "-m", "pytest", "-q", *tests])
    files = Names(sources.files).mentioned(text) or Names(sources.files).with_name(text)
    if files and all(is_test_path(path) for path in files):
        return shlex.join(["python", "-m", "pytest", "-q", *files])
    scripts = [path for path in files if path.endswith(".py")]
    if len(scripts) == 1:
        return shlex.join(["python", scripts[0]])
    asks_for_tests = re.search(
        r"\b(?:tests?|pytest|suite|it|this|that|them|all|everything)\b", text, re.IGNORECASE
    )
    return "" if asks_for_tests else None


def named_tests(text: str, sources: Sources) -> Sequence[str]:
    """The ids of the tests that a message names, as pytest writes them, without parameters."""
    wanted = set(_TEST.findall(text))
    found: list[str] = []
    if not wanted:
        return found
    for path in sorted(sources.files):
        if path.endswith(".py") and is_test_path(path):
            found += [
                f"{path}::{name.replace('.', '::')}"
                for name in definitions(sources.text(path) or "")
                if name.rpartition(".")[2] in wanted
            ]
    return found
