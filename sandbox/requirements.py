"""Reads what a repository declares it needs; only reads, never runs a build or a setup script."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from sandbox.declarations import read_ini, read_pyproject, read_text, strings, table
from sandbox.host_pip import is_from_index
from sandbox.lockfiles import pin, read_lock
from sandbox.requirement_files import (
    DEV_FILES,
    REQUIREMENT_FILES,
    TEST_FILES,
    file_lines,
    tox_lines,
)

_TEST_GROUPS = ("test", "tests", "testing", "pytest", "unit-tests")
_DEV_GROUPS = ("dev", "develop", "development", "all")
_PLUGIN_OPTIONS: Mapping[str, str] = {
    "--cov": "pytest-cov",
    "-n": "pytest-xdist",
    "--timeout": "pytest-timeout",
    "--reruns": "pytest-rerunfailures",
    "--benchmark": "pytest-benchmark",
    "--asyncio-mode": "pytest-asyncio",
    "--randomly": "pytest-randomly",
}
_PLUGIN_SETTINGS: Mapping[str, str] = {
    "asyncio_mode": "pytest-asyncio",
    "timeout": "pytest-timeout",
    "env": "pytest-env",
    "DJANGO_SETTINGS_MODULE": "pytest-django",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What the declarations add up to."""

    requirements: tuple[str, ...]
    build_requires: tuple[str, ...]
    installable: bool
    configures_pytest: bool
    skipped: tuple[str, ...]


def read_manifest(root: Path) -> Manifest:
    """Gather the declarations of one repository, with the versions of its lock file if it has one.

    Raises:
        ProjectError: If pyproject.toml or the lock file is not TOML.
    """
    pyproject = read_pyproject(root)
    setup_cfg = read_ini(root / "setup.cfg")
    options = _pytest_options(root, pyproject, setup_cfg)
    own_name = _own_name(pyproject, setup_cfg)
    collected = _Lines(own_name=own_name)
    collected.add(_project_lines(pyproject))
    collected.add(_setup_cfg_lines(setup_cfg))
    collected.add(_setup_py_lines(root / "setup.py"))
    collected.add(file_lines(root, REQUIREMENT_FILES))
    collected.add(_test_lines(root, pyproject, setup_cfg))
    collected.add(_plugins(options or {}))
    requirements, skipped = tuple(collected.kept), tuple(collected.skipped)
    if lock := read_lock(root):
        pinned = pin(requirements, lock, own_name=own_name)
        requirements, skipped = pinned.lines, (*skipped, *pinned.skipped)
    build = table(pyproject, "build-system")
    return Manifest(
        requirements=requirements,
        build_requires=_build_requires(strings(build.get("requires"))),
        installable="build-system" in pyproject or (root / "setup.py").is_file(),
        configures_pytest=options is not None,
        skipped=skipped,
    )


def _build_requires(declared: list[str]) -> tuple[str, ...]:
    """What the build needs, with what Hatchling asks for only once it builds an editable wheel.

    Lines that name a URL are left out: they would not come from the index.
    """
    declared = [line for line in declared if is_from_index(line)]
    editable = any(re.match(r"hatchling\b", line, re.IGNORECASE) for line in declared)
    return (*declared, "editables") if editable else tuple(declared)


def _test_lines(
    root: Path, pyproject: Mapping[str, Any], setup_cfg: Mapping[str, Mapping[str, str]]
) -> list[str]:
    """What the tests need; what developers need stands in for it where tests have no list."""
    tests = [*_extra_lines(pyproject, _TEST_GROUPS), *_cfg_extra_lines(setup_cfg, _TEST_GROUPS)]
    tests += file_lines(root, TEST_FILES)
    tests += tox_lines(root)
    if tests:
        return tests
    dev = [*_extra_lines(pyproject, _DEV_GROUPS), *_cfg_extra_lines(setup_cfg, _DEV_GROUPS)]
    dev += _poetry_lines(table(pyproject, "tool", "poetry", "dev-dependencies"))
    dev += strings(table(pyproject, "tool", "uv").get("dev-dependencies"))
    return dev + file_lines(root, DEV_FILES)


class _Lines:
    """Requirement lines without repetition; the project's own name is not a requirement of it."""

    def __init__(self, own_name: str) -> None:
        self._own_name = canonicalize_name(own_name) if own_name else ""
        self.kept: dict[str, None] = {}
        self.skipped: list[str] = []

    def add(self, lines: Iterable[str]) -> None:
        """Take in lines, parsed and normalised; what is not a plain requirement is skipped."""
        for line in lines:
            try:
                requirement = Requirement(line)
            except InvalidRequirement:
                self.skipped.append(f"{line}: not a plain requirement")
                continue
            if canonicalize_name(requirement.name) == self._own_name:
                continue
            if requirement.url:
                self.skipped.append(f"{line}: only releases from the package index are fetched")
                continue
            self.kept[str(requirement)] = None


def _own_name(pyproject: Mapping[str, Any], setup_cfg: Mapping[str, Mapping[str, str]]) -> str:
    name = table(pyproject, "project").get("name") or setup_cfg.get("metadata", {}).get("name")
    return str(name or table(pyproject, "tool", "poetry").get("name") or "")


def _project_lines(pyproject: Mapping[str, Any]) -> list[str]:
    return [
        *strings(table(pyproject, "project").get("dependencies")),
        *_poetry_lines(table(pyproject, "tool", "poetry", "dependencies")),
    ]


def _poetry_lines(dependencies: Mapping[str, Any]) -> list[str]:
    return [_poetry_line(name, spec) for name, spec in dependencies.items() if name != "python"]


def _poetry_line(name: str, spec: object) -> str:
    """Translate Poetry's own syntax; what comes from elsewhere than the index keeps its address."""
    if isinstance(spec, dict):
        if origin := next((spec[key] for key in ("git", "path", "url") if key in spec), None):
            return f"{name} @ {origin}"
        if extras := strings(spec.get("extras")):
            name = f"{name}[{','.join(extras)}]"
        spec = spec.get("version", "*")
    text = str(spec).strip()
    if text in ("*", ""):
        return name
    if match := re.fullmatch(r"\^(\d+)(\.\d+)?(.*)", text):
        major, minor, rest = int(match[1]), match[2] or "", match[3]
        ceiling = f"{major + 1}" if major else f"0.{int(minor[1:] or 0) + 1}"
        return f"{name}>={major}{minor}{rest},<{ceiling}"
    if match := re.fullmatch(r"~(\d+(?:\.\d+)*)", text):
        return f"{name}~={match[1]}" if "." in match[1] else f"{name}=={match[1]}.*"
    return f"{name}=={text}" if text[0].isdigit() else f"{name}{text}"


def _extra_lines(pyproject: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    extras = table(pyproject, "project", "optional-dependencies")
    groups = table(pyproject, "dependency-groups")
    poetry = table(pyproject, "tool", "poetry", "group")
    lines: list[str] = []
    for name in names:
        lines += strings(extras.get(name))
        lines += _group_lines(groups, name, depth=0)
        lines += _poetry_lines(table(poetry, name, "dependencies"))
    return _expand_self(lines, pyproject, extras)


def _group_lines(groups: Mapping[str, Any], name: str, *, depth: int) -> list[str]:
    lines: list[str] = []
    entries = groups.get(name)
    for entry in entries if isinstance(entries, list) and depth < 8 else []:  # noqa: PLR2004
        match entry:
            case str(line):
                lines.append(line)
            case {"include-group": str(other)}:
                lines += _group_lines(groups, other, depth=depth + 1)
            case _:
                continue
    return lines


def _expand_self(
    lines: list[str], pyproject: Mapping[str, Any], extras: Mapping[str, Any]
) -> list[str]:
    """Replace `name[extra]`, where name is the project itself, by what that extra lists."""
    own = canonicalize_name(str(table(pyproject, "project").get("name", "")))
    expanded: list[str] = []
    for line in lines:
        match = re.fullmatch(r"([\w.-]+)\[([^\]]+)\]", line.strip())
        if match and canonicalize_name(match[1]) == own:
            for extra in match[2].split(","):
                expanded += strings(extras.get(extra.strip()))
        else:
            expanded.append(line)
    return expanded


def _setup_cfg_lines(setup_cfg: Mapping[str, Mapping[str, str]]) -> list[str]:
    options = setup_cfg.get("options", {})
    return [*_block(options.get("install_requires")), *_block(options.get("tests_require"))]


def _cfg_extra_lines(
    setup_cfg: Mapping[str, Mapping[str, str]], names: tuple[str, ...]
) -> list[str]:
    extras = setup_cfg.get("options.extras_require", {})
    return [line for name in names for line in _block(extras.get(name))]


def _block(text: str | None) -> list[str]:
    return [line.strip() for line in (text or "").splitlines() if line.strip()]


def _setup_py_lines(path: Path) -> Iterator[str]:
    """Yield literal `install_requires` and `tests_require` lists; anything computed is not seen."""
    try:
        tree = ast.parse(read_text(path) or "")
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if not isinstance(node, ast.keyword) or node.arg not in (
            "install_requires",
            "tests_require",
        ):
            continue
        for item in getattr(node.value, "elts", ()):
            if isinstance(item, ast.Constant) and isinstance(item.value, str):
                yield item.value


def _pytest_options(
    root: Path, pyproject: Mapping[str, Any], setup_cfg: Mapping[str, Mapping[str, str]]
) -> dict[str, Any] | None:
    """Return pytest's settings, None if the project has none."""
    tool = table(pyproject, "tool", "pytest")
    if tool:
        return table(tool, "ini_options") or tool
    for name in ("pytest.ini", ".pytest.ini"):
        if (root / name).is_file():
            return dict(read_ini(root / name).get("pytest", {}))
    for section in (read_ini(root / "tox.ini").get("pytest"), setup_cfg.get("tool:pytest")):
        if section is not None:
            return dict(section)
    return None


def _plugins(options: Mapping[str, Any]) -> list[str]:
    """Name the plugins that the options imply: without them pytest would refuse to start."""
    addopts = options.get("addopts", "")
    words = addopts.split() if isinstance(addopts, str) else strings(addopts)
    implied = [
        package
        for option, package in _PLUGIN_OPTIONS.items()
        if any(word == option or word.startswith((f"{option}=", f"{option}-")) for word in words)
    ]
    return implied + [
        package for setting, package in _PLUGIN_SETTINGS.items() if setting in options
    ]
