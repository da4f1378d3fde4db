"""Finds the pytest plugins of the image's own packages, inside the box.

Loaded by pytest_reporter.py, when the project's folders are on the path already: it imports only
modules that are in memory by then, so that none of the project can stand in for them.
"""

# strings, not Path objects: file names here come out of code objects and node ids
# ruff: noqa: PTH113, PTH118, PTH123
from __future__ import annotations

import importlib.metadata
import os
import sys
from os.path import realpath
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

INSTALLED = "/tmp/elagent-env"  # noqa: S108


class ImagePlugins:
    """The plugins that the image's own packages declare: loaded by name, nothing else is looked for.

    Until they are, nothing of the project is on the path: a folder that looks like the metadata of
    an installed package would name a plugin, too.
    """

    def __init__(self, root: str, *, none: bool) -> None:
        self._none = none
        self._path = list(sys.path)
        sys.path[:] = [entry for entry in sys.path if not _below(entry, root)]
        found = [] if none else list(importlib.metadata.distributions())
        # what was made while the project was installed has plugins only if its configuration says so
        own = [dist for dist in found if _below(str(dist.locate_file("")), INSTALLED)]
        self.names = _declared(dist for dist in found if dist not in own)
        self._own = _declared(own) if _declares_plugins(root) else []

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_cmdline_parse(self, pluginmanager: Any) -> Generator[None, Any, None]:  # noqa: ANN401
        sys.path[:] = self._path
        for name in self._own:
            pluginmanager.import_plugin(name, consider_entry_points=True)
        yield
        if not self._none:  # for runs of pytest that the tests start
            os.environ.pop("PYTEST_DISABLE_PLUGIN_AUTOLOAD", None)


def _declared(distributions: Iterable[Any]) -> list[str]:
    points = [point for dist in distributions for point in dist.entry_points]
    return list(dict.fromkeys(point.name for point in points if point.group == "pytest11"))


def _declares_plugins(root: str) -> bool:
    files = [os.path.join(root, name) for name in ("pyproject.toml", "setup.cfg", "setup.py")]
    texts = [open(path, "rb").read() for path in files if os.path.isfile(path)]  # noqa: SIM115
    return any(b"pytest11" in text for text in texts)


def _below(path: str, folder: str) -> bool:
    return (realpath(path or ".") + os.sep).startswith(folder + os.sep)
