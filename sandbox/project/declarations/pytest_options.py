"""pytest's own settings: whether there are any, and which plugins they imply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from sandbox.project.declarations.items import Need
from sandbox.project.declarations.reading import FileTree, strings, table

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


def pytest_options(
    tree: FileTree, root: Path, pyproject: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Return pytest's settings, None if the project has none."""
    tool = table(pyproject, "tool", "pytest")
    if tool:
        return table(tool, "ini_options") or tool
    for name in ("pytest.ini", ".pytest.ini"):
        if tree.is_file(root / name):
            return dict(tree.ini(root / name).get("pytest", {}))
    for name, section in (("tox.ini", "pytest"), ("setup.cfg", "tool:pytest")):
        sections = tree.ini(root / name)
        if section in sections:
            return dict(sections[section])
    return None


def implied_plugins(options: Mapping[str, Any]) -> Iterator[Need]:
    """Yield the plugins that the options imply: without them pytest would refuse to start."""
    addopts = options.get("addopts", "")
    words = addopts.split() if isinstance(addopts, str) else strings(addopts)
    for option, package in _PLUGIN_OPTIONS.items():
        if any(word == option or word.startswith((f"{option}=", f"{option}-")) for word in words):
            yield Need(line=package, place="pytest's options")
    for setting, package in _PLUGIN_SETTINGS.items():
        if setting in options or setting.lower() in options:
            yield Need(line=package, place="pytest's options")
