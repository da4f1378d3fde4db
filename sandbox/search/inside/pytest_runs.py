"""Runs tests by pytest for the search."""

# ruff: noqa: PTH118
from __future__ import annotations

import os
import unittest
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sandbox.search.inside.course import Watch

_KNOWN_BY_NOW = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"
"""Plugins are in memory from earlier runs in this process; a project may make errors of warnings."""


class PytestRuns:
    """Runs of the tests of one project."""

    def __init__(self, root: str, orders: dict[str, Any], load: Callable[[str], Any]) -> None:
        """`load` gives one of our own modules by its name."""
        self._root = root
        self._targets = orders["targets"]
        os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        self._plugins = load("image_plugins").ImagePlugins(root, none=False)

    def run(
        self, watch: Watch, only: list[str] | None = None, *, first_failure_ends: bool = False
    ) -> None:
        """Run the tests with these ids, or all, and tell `watch` of each."""
        places = [
            os.path.join(self._root, name) for name in (self._targets if only is None else only)
        ]
        arguments = ["--rootdir=" + self._root, "-q", "-p", "no:cacheprovider"]
        arguments += ["--exitfirst"] if first_failure_ends else []
        arguments += ["-W", _KNOWN_BY_NOW]
        arguments += ["--tb=no", "--no-header", "--continue-on-collection-errors", *places]
        pytest.main(arguments, plugins=[_Hooks(watch), self._plugins, *self._plugins.names])


class _Hooks:
    """The hooks that tell a watch how each test ended."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: Any) -> None:  # noqa: ANN401
        if hasattr(config.option, "numprocesses"):  # xdist: stay in one process
            config.option.numprocesses, config.option.dist, config.option.tx = None, "no", []

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        if self._watch.skip:
            items[:] = [item for item in items if item.nodeid not in self._watch.skip]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self) -> bool | None:
        return None if self._watch.collected() else True

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: Any) -> Generator[None, Any, None]:  # noqa: ANN401
        self._watch.begin(item.nodeid)
        yield
        if self._watch.end(item.nodeid):
            item.session.shouldstop = "enough is known"

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:  # noqa: ANN401
        """Answer before anybody words the failure, which takes longer than many a test."""
        on_failure = self._watch.on_failure
        if on_failure is None or call.excinfo is None or not _is_plain(item, call.excinfo):
            return
        self._watch.message = call.excinfo.exconly()[:300]
        on_failure()

    def pytest_collectreport(self, report: Any) -> None:  # noqa: ANN401
        if report.failed:
            self._watch.failed(report.nodeid, str(report.longrepr)[-300:])

    def pytest_runtest_logreport(self, report: Any) -> None:  # noqa: ANN401
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            self._watch.failed(report.nodeid, str(crash or "")[:300])
        elif report.when == "call" and report.passed:
            self._watch.passed(report.nodeid)


def _is_plain(item: Any, excinfo: Any) -> bool:  # noqa: ANN401
    """Tell whether an exception is a failure whatever markers and plugins say of it."""
    if any(item.get_closest_marker(name) for name in ("xfail", "flaky")):
        return False
    if getattr(item.config.option, "reruns", 0):
        return False
    return isinstance(excinfo.value, Exception) and not isinstance(
        excinfo.value, (unittest.SkipTest, pytest.skip.Exception)
    )
