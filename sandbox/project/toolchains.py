"""Finds the test command of C, C++, Rust, Go and Node projects in the files that declare it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from sandbox.project.declarations.reading import read_text

_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_MAKE_TARGET = re.compile(r"^(?P<name>test|tests|check)\s*:(?!=)", re.MULTILINE)
_CTEST = re.compile(r"\b(?:enable_testing\s*\(|include\s*\(\s*CTest\s*\))", re.IGNORECASE)
_C_SOURCES = frozenset({".c", ".cc", ".cpp", ".cxx"})
_DJANGO_SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE")
_NODE_TEST = re.compile(r".*[.-]test\.[cm]?js|test-.*\.[cm]?js")
_NO_NODE_TESTS = "no test specified"
_BUILD = "/tmp/build"  # noqa: S108 - a folder inside the box
_OFFLINE_GO: Mapping[str, str] = MappingProxyType(
    {
        "GOPROXY": "off",
        "GOTOOLCHAIN": "local",
        "GOFLAGS": "-buildvcs=false",
        "GOCACHE": "/box/.cache/go-build",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TestCommand:
    """Test command of such a project, and the programs that it needs."""

    __test__ = False

    command: str
    tools: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def find_test_command(root: Path, files: Sequence[Path]) -> TestCommand | None:
    """Return the command of the first toolchain that the project's top folder declares.

    `files` are the files of the project. Nothing is fetched when the command runs: dependencies
    must be vendored with the project, or be in the image.
    """
    if read_text(root / "Cargo.toml") is not None:
        return TestCommand(command="cargo test --offline", tools=("cargo",))
    if read_text(root / "go.mod") is not None:
        return TestCommand(command="go test ./...", tools=("go",), environment=_OFFLINE_GO)
    return _node(root, files) or _cmake(root) or _make(root, files)


def find_django(root: Path, files: Sequence[Path]) -> Path | None:
    """Return the nearest `manage.py` of a Django project, None if there is none."""
    found = [
        file
        for file in files
        if file.name == "manage.py" and _DJANGO_SETTINGS.search(read_text(file) or "")
    ]
    return min(found, key=lambda file: (len(file.relative_to(root).parts), str(file)), default=None)


def django_command(root: Path, manage: Path, targets: Sequence[Path] = ()) -> str:
    """Return the command that runs a Django project's tests, or those of the given places.

    Files and folders are named as Django does, by module, seen from the folder of `manage.py`.
    """
    folder = manage.parent.relative_to(root).as_posix()
    inside = [
        place.relative_to(manage.parent) for place in targets if place.is_relative_to(manage.parent)
    ]
    labels = [".".join(place.with_suffix("").parts) for place in inside if place.parts]
    go = "" if folder == "." else f"cd {shlex.quote(folder)} && "
    return f"{go}python3 manage.py test --noinput {shlex.join(labels)}".rstrip()


def _node(root: Path, files: Sequence[Path]) -> TestCommand | None:
    text = read_text(root / "package.json")
    if text is None:
        return None
    try:
        scripts = json.loads(text).get("scripts")
        script = scripts.get("test")
    except (ValueError, AttributeError, RecursionError):
        script = None
    if isinstance(script, str) and script.strip() and _NO_NODE_TESTS not in script:
        return TestCommand(command="npm test", tools=("npm", "node"))
    if any(_NODE_TEST.fullmatch(file.name) for file in files):
        return TestCommand(command="node --test", tools=("node",))
    return None


def _cmake(root: Path) -> TestCommand | None:
    if not _CTEST.search(read_text(root / "CMakeLists.txt") or ""):
        return None
    return TestCommand(
        command=f"cmake -S . -B {_BUILD} && cmake --build {_BUILD} --parallel 2"
        f" && ctest --test-dir {_BUILD} --output-on-failure",
        tools=("cmake", "ctest", "cc"),
    )


def _make(root: Path, files: Sequence[Path]) -> TestCommand | None:
    for name in _MAKEFILES:
        target = _MAKE_TARGET.search(read_text(root / name) or "")
        if target is not None:
            compiles = any(file.suffix in _C_SOURCES for file in files)
            tools = ("make", "cc") if compiles else ("make",)
            return TestCommand(command=f"make {target['name']}", tools=tools)
    return None
