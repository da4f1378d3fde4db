"""Drafts a repository's first AGENTS.md from what stands in it; no model is asked.

Only facts that a reader can check are written: the tests, the folders with the first sentence of their
documentation, the tools that the project sets up, the commands that it installs.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from agent.context.instructions import NAME
from agent.context.outline import has_outline
from agent.editing.source_files import SourceFileError, is_test_path, read_text_file
from agent.errors import ConfigError
from agent.text import display_safe
from sandbox.project.declarations.reading import ProjectError
from sandbox.project.detection import Project, detect

_TOOLS = (
    "ruff",
    "black",
    "isort",
    "flake8",
    "mypy",
    "pyright",
    "pylint",
    "pre-commit",
    "tox",
    "nox",
)
_CONFIGURATIONS = {
    ".pre-commit-config.yaml": "pre-commit",
    "ruff.toml": "ruff",
    ".flake8": "flake8",
    "mypy.ini": "mypy",
    "tox.ini": "tox",
    "noxfile.py": "nox",
}
_TARGET = re.compile(r"^([A-Za-z][\w-]*):(?!=)", re.MULTILINE)
_MOST_FOLDERS = 20
_MOST_TARGETS = 12
_SENTENCE = re.compile(r"(?<=[.!?])\s")


def write_first_instructions(root: Path, files: Sequence[str]) -> Path:
    """Write the draft as `AGENTS.md` into `root` and return its path.

    `files` are the repository's files, relative to `root`.

    Raises:
        ConfigError: If there is such a file, or the project cannot be read; nothing is written then.
    """
    path = root / NAME
    text = first_instructions(root, files)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as err:
        raise ConfigError(
            f"{NAME} is there already and was left as it is; `elagent init --print` shows the draft"
        ) from err
    return path


def first_instructions(root: Path, files: Sequence[str]) -> str:
    """The text of a first `AGENTS.md`.

    Raises:
        ConfigError: If a file that says how the project is tested cannot be read.
    """
    try:
        project = detect(root)
    except ProjectError as err:
        raise ConfigError(str(err)) from err
    declared = _declared(root)
    sections = {
        "Tests": _tests(project, files),
        "Layout": list(_layout(root, files)),
        "Commands": [f"- `{name}` is installed by the project" for name in _scripts(declared)],
        "Tools": list(_tools(root, declared)),
    }
    title, about = _title(root, declared)
    parts = [f"# {title}", *([about] if about else [])]
    for heading, lines in sections.items():
        if lines:
            parts.append("\n".join([f"## {heading}", "", *lines]))
    return display_safe("\n\n".join(parts) + "\n")


def _declared(root: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def _table(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = of.get(name)
    return found if isinstance(found, dict) else {}


def _title(root: Path, declared: Mapping[str, Any]) -> tuple[str, str]:
    own = _table(declared, "project")
    return str(own.get("name") or root.name), str(own.get("description") or "")


def _scripts(declared: Mapping[str, Any]) -> list[str]:
    return [str(name) for name in _table(_table(declared, "project"), "scripts")]


def _tests(project: Project, files: Sequence[str]) -> list[str]:
    """The line that says how the tests are run; nothing where there are none of Python, and no other command is known."""
    if project.runner != "command" and not any(
        name.endswith(".py") and is_test_path(name) for name in files
    ):
        return []
    by_hand = {
        "pytest": "python -m pytest",
        "unittest": "python -m unittest",
        "command": project.command or "",
    }[project.runner]
    where = f" (in `{project.folder}`)" if project.folder else ""
    return [f"- Run them with `{by_hand}`{where}; `elagent run-tests` does so in a sandbox."]


def _layout(root: Path, files: Sequence[str]) -> Iterator[str]:
    """One line for each folder at the top that holds source code, the largest first."""
    counts: dict[str, int] = {}
    for name in files:
        parts = PurePosixPath(name).parts
        if len(parts) > 1 and has_outline(name):
            counts[parts[0]] = counts.get(parts[0], 0) + 1
    for folder in sorted(counts, key=lambda each: (-counts[each], each))[:_MOST_FOLDERS]:
        about = _first_sentence(root / folder / "__init__.py")
        many = f"{counts[folder]} source file{'s' if counts[folder] > 1 else ''}"
        yield f"- `{folder}/`: {about or many}"


def _first_sentence(module: Path) -> str:
    try:
        tree = ast.parse(read_text_file(module).text)
    except (SourceFileError, OSError, SyntaxError, ValueError, RecursionError):
        return ""
    text = " ".join((ast.get_docstring(tree) or "").split())
    return _SENTENCE.split(text)[0]


def _tools(root: Path, declared: Mapping[str, Any]) -> Iterator[str]:
    configured = {name for name in _TOOLS if name in _table(declared, "tool")}
    configured |= {tool for file, tool in _CONFIGURATIONS.items() if (root / file).is_file()}
    if configured:
        yield f"- Set up here: {', '.join(sorted(configured))}"
    try:
        makefile = (root / "Makefile").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return
    targets = list(dict.fromkeys(_TARGET.findall(makefile)))[:_MOST_TARGETS]
    if targets:
        yield f"- `make` has {', '.join(targets)}"
