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

_TEST_GROUPS = ("test", "tests", "testing", "pytest", "unit-tests")
_DEV_GROUPS = ("dev", "develop", "development", "all")
_REQUIREMENT_FILES = (
    "requirements.txt",
    "requirements/base.txt",
    "requirements/requirements.txt",
)
_TEST_REQUIREMENT_FILES = (
    "requirements-test.txt",
    "requirements-tests.txt",
    "requirements_test.txt",
    "test-requirements.txt",
    "test_requirements.txt",
    "requirements/test.txt",
    "requirements/tests.txt",
    "requirements/testing.txt",
    "tests/requirements.txt",
)
_DEV_REQUIREMENT_FILES = (
    "requirements-dev.txt",
    "requirements_dev.txt",
    "dev-requirements.txt",
    "requirements/dev.txt",
)
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
    """Gather the declarations of one repository.

    Raises:
        ProjectError: If pyproject.toml is not TOML.
    """
    pyproject = read_pyproject(root)
    setup_cfg = read_ini(root / "setup.cfg")
    options = _pytest_options(root, pyproject, setup_cfg)
    collected = _Lines(own_name=_own_name(pyproject, setup_cfg))
    collected.add(_project_lines(pyproject))
    collected.add(_setup_cfg_lines(setup_cfg))
    collected.add(_setup_py_lines(root / "setup.py"))
    collected.add(_file_lines(root, _REQUIREMENT_FILES))
    tests = [*_extra_lines(pyproject, _TEST_GROUPS), *_cfg_extra_lines(setup_cfg, _TEST_GROUPS)]
    tests += _file_lines(root, _TEST_REQUIREMENT_FILES)
    if not tests:
        tests = [*_extra_lines(pyproject, _DEV_GROUPS), *_cfg_extra_lines(setup_cfg, _DEV_GROUPS)]
        tests += _file_lines(root, _DEV_REQUIREMENT_FILES)
    collected.add(tests)
    collected.add(_plugins(options or {}))
    build = table(pyproject, "build-system")
    return Manifest(
        requirements=tuple(collected.kept),
        build_requires=tuple(str(line) for line in build.get("requires", [])),
        installable="build-system" in pyproject or (root / "setup.py").is_file(),
        configures_pytest=options is not None,
        skipped=tuple(collected.skipped),
    )


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
    poetry = table(pyproject, "tool", "poetry", "dependencies")
    return [
        *strings(table(pyproject, "project").get("dependencies")),
        *(_poetry_line(name, spec) for name, spec in poetry.items() if name != "python"),
    ]


def _poetry_line(name: str, spec: object) -> str:
    """Translate Poetry's own version syntax."""
    if isinstance(spec, dict):
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
        lines += [
            _poetry_line(package, spec)
            for package, spec in table(poetry, name, "dependencies").items()
        ]
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


def _file_lines(root: Path, names: tuple[str, ...]) -> list[str]:
    seen: set[Path] = set()
    return [line for name in names for line in _requirement_file(root, root / name, seen)]


def _requirement_file(root: Path, path: Path, seen: set[Path]) -> Iterator[str]:
    """Yield the requirements of a file and of those it includes, all of them inside the root."""
    resolved = path.resolve()
    if resolved in seen or not resolved.is_relative_to(root.resolve()):
        return
    seen.add(resolved)
    text = (read_text(path) or "").replace("\\\n", " ")
    for raw in text.splitlines():
        line = re.sub(r"(^|\s)#.*$", "", raw).strip()
        if match := re.match(r"(?:-r|--requirement)[ =]\s*(\S+)", line):
            yield from _requirement_file(root, path.parent / match[1], seen)
        elif line and not line.startswith(("-", ".", "/")):
            yield re.split(r"\s+--", line)[0]


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
