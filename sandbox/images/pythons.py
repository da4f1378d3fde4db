"""Compares the Python that a project asks for with the one that an image has."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet

from sandbox.box.contract import ImageError
from sandbox.images.image import Image
from sandbox.project.declarations.reading import FileTree, read_text, table

_PATCHES = 40
_NEWEST_MINOR = 40
_CARET = re.compile(r"\^\s*(\d+(?:\.\d+)*)")
_TILDE = re.compile(r"(?<![~=<>!])~\s*(\d+(?:\.\d+)*)")
_BARE = re.compile(r"(?<![\w.*<>=!~])(\d+(?:\.\d+)*)(?=\s*(?:,|$))")


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedPython:
    """A range of versions, and the file that says so."""

    text: str
    file: str


def wanted_pythons(folder: Path) -> Iterator[WantedPython]:
    """Read every declaration of a project that says which Python it needs."""
    tree = FileTree(folder)
    pyproject = tree.toml(folder / "pyproject.toml")
    project = table(pyproject, "project").get("requires-python")
    poetry = table(pyproject, "tool", "poetry", "dependencies").get("python")
    setup_cfg = tree.ini(folder / "setup.cfg").get("options", {}).get("python_requires")
    found = [
        (project, "pyproject.toml"),
        (poetry, "pyproject.toml"),
        (setup_cfg, "setup.cfg"),
        (_in_setup_py(read_text(folder / "setup.py") or ""), "setup.py"),
    ]
    for text, file in found:
        if isinstance(text, str) and text.strip():
            yield WantedPython(text=text.strip(), file=file)


def check_python(folder: Path, image: Image) -> None:
    """Refuse an image whose Python is older than what the project declares.

    Raises:
        ImageError: If it is; the message says what to set.
    """
    if not image.python:
        return
    for wanted in wanted_pythons(folder):
        if is_older(image.python, wanted.text):
            raise ImageError(
                f"the project needs Python {wanted.text} ({wanted.file}), but the image"
                f" {image.name} has {image.python}: name an image with a newer Python in"
                " sandbox.image, e.g. python:3.13-slim"
            )


def is_older(python: str, wanted: str) -> bool:
    """Tell whether every version that is wanted is newer than `python`, such as `3.11`."""
    ranges = _ranges(wanted)
    major, _, rest = python.partition(".")
    minor = rest.partition(".")[0]
    if not ranges or not (major.isdigit() and minor.isdigit()):
        return False
    here = int(major), int(minor)
    versions = [(2, 7), *((3, number) for number in range(_NEWEST_MINOR))]
    fitting = [version for version in versions if _fits(version, ranges)]
    return bool(fitting) and min(fitting) > here


def _fits(version: tuple[int, int], ranges: list[SpecifierSet]) -> bool:
    major, minor = version
    texts = [f"{major}.{minor}.{patch}" for patch in range(_PATCHES)]
    return any(any(one.contains(text) for text in texts) for one in ranges)


def _ranges(wanted: str) -> list[SpecifierSet]:
    """Read a range as pip or Poetry writes it, alternatives included; empty if it is neither."""
    found = []
    for part in wanted.split("||"):
        text = _CARET.sub(_from_caret, part.strip())
        text = _TILDE.sub(lambda match: f">={match[1]},{_same(match[1], 2)}", text)
        text = _BARE.sub(lambda match: f"=={match[1]}.*", text)
        try:
            found.append(
                SpecifierSet("" if text == "*" else re.sub(r"(?<=[\d*])\s+(?=[<>=!~])", ",", text))
            )
        except InvalidSpecifier:
            return []
    return found


def _from_caret(match: re.Match[str]) -> str:
    return f">={match[1]},{_same(match[1], 1)}"


def _same(version: str, parts: int) -> str:
    return f"=={'.'.join(version.split('.')[:parts])}.*"


def _in_setup_py(text: str) -> str | None:
    """Read `python_requires` where it is written out, without running anything."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    constants = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "python_requires":
            if isinstance(node.value, ast.Constant):
                return str(node.value.value)
            if isinstance(node.value, ast.Name):
                return str(constants.get(node.value.id, "")) or None
    return None
