"""Runs pytest inside the box and reports every test as it ends. Loaded by launch.py."""

# strings, not Path objects: file names here come out of code objects and node ids
# ruff: noqa: PTH110, PTH118, PTH207
from __future__ import annotations

import glob
import os
from contextlib import suppress
from os.path import realpath
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from types import ModuleType

    from sandbox.verdict.reporters.pytest_phases import PhaseResults
    from sandbox.verdict.reporters.reporting import Reporter


def run(reporter: Reporter, orders: dict[str, Any], load: Callable[[str], ModuleType]) -> int:
    """Run the tests below the current directory, or those named, and return pytest's exit code.

    `load` gives one of our own modules by its name.
    """
    only: list[str] = orders["only"]
    files = []
    for test_id in only:
        path = test_id.partition("::")[0]
        place = os.path.join(reporter.root, path)
        if place not in files and os.path.exists(place):
            files.append(place)
    if not only:
        files = [os.path.join(reporter.root, target) for target in orders["targets"]]
    # after the project's own options: stop at nothing, stay in one process
    whole = ["--maxfail=0", "--continue-on-collection-errors"]
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    plugins = load("image_plugins").ImagePlugins(reporter.root, none=orders["bare"])
    if orders["bare"]:
        whole += ["-c", os.devnull, "--noconftest", "-p", "no:cacheprovider"]
    if orders["collect_only"]:
        whole += ["--collect-only", "--quiet"]
    arguments = ["--rootdir=" + reporter.root, *whole, *files]
    phases = load("pytest_phases")
    plugin = Plugin(reporter, only, orders["canary_files"], orders["canaries"], phases)
    plugin.asked = bool(files)
    code: Any = pytest.main(arguments, plugins=[plugin, plugins, *plugins.names])
    plugin.close()
    # as sys.exit reads what a plugin has put there
    return int(code) if isinstance(code, int) else int(code is not None)


class _Unlogged:
    """Hooks of a canary: all others are called as usual, but only our own hear of its end."""

    def __init__(self, hooks: Any, test_id: str, phases: PhaseResults) -> None:  # noqa: ANN401
        self._hooks = hooks
        self._own: dict[str, Callable[..., None]] = {
            "pytest_runtest_logstart": lambda **_: phases.begin(test_id),
            "pytest_runtest_logreport": lambda report: phases.take(report, test_id),
            "pytest_runtest_logfinish": lambda **_: phases.finish(test_id),
            "pytest_exception_interact": lambda **_: None,
        }

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return self._own.get(name) or getattr(self._hooks, name)


class Plugin:
    """Hooks that report each test, and put the canaries among them."""

    def __init__(
        self,
        reporter: Reporter,
        only: list[str],
        canary_files: list[str],
        canaries: list[str],
        phases: ModuleType,
    ) -> None:
        self._reporter = reporter
        self._phases: PhaseResults = phases.PhaseResults(reporter)
        self._clipped: Callable[[str], str] = phases.clipped
        self._only = only
        self.asked = False
        """True if the arguments name tests, so that the project's own choice does not count."""
        self._canary_files = {
            realpath(os.path.join(reporter.root, path)): path for path in canary_files
        }
        self._canary_ids = frozenset(canaries)
        self._canaries: dict[str, pytest.Item] = {}
        self._codes: dict[str, tuple[Any, Any]] = {}
        self._broken: list[str] = []
        self._skipped: set[str] = set()
        self._why = ""
        self._deselected = 0
        self._listed_only = False

    def close(self) -> None:
        """Say of the session's end what its exit code and the results do not."""
        self._reporter.emit(
            "ending", why=self._why, deselected=self._deselected, listed_only=self._listed_only
        )

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        if hasattr(config.option, "numprocesses"):  # xdist: stay in one process
            config.option.numprocesses, config.option.dist, config.option.tx = None, "no", []
        self._listed_only = bool(config.getoption("collectonly", False))
        # beside the project's own choice of what to collect, which arguments would replace
        args = config.args if self.asked else _own_choice(config)
        hidden = (os.path.join(self._reporter.root, path) for path in self._canary_files.values())
        config.args = [*hidden, *args]

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Import the first canary before anything of the project, whatever order pytest reads files in.

        pytest 9 drops the argument of a file whose folder is another argument.
        """
        for path in list(self._canary_files)[:1]:
            # where it cannot be imported, it will be missed
            with suppress(Exception, pytest.skip.Exception):
                _ = pytest.Module.from_parent(session, path=Path(path)).obj

    def _canary(self, node: Any) -> str:  # noqa: ANN401
        """Return the id of a canary or of its file; empty for everything else."""
        path = self._canary_files.get(
            realpath(getattr(node, "path", None) or getattr(node, "fspath", None) or "/")
        )
        if path is None:
            return ""
        _, mark, inside = node.nodeid.partition("::")
        return f"{path}{mark}{inside}"

    @pytest.hookimpl(hookwrapper=True)
    def pytest_load_initial_conftests(self) -> Generator[None, Any, None]:
        outcome = yield
        if outcome.excinfo is not None:
            self._conftest_failed(outcome.excinfo[1])

    def _conftest_failed(self, error: BaseException) -> None:
        path = getattr(error, "path", None)
        if path is None:
            return  # a wrong option: pytest's own words are in the output
        cause: BaseException = error.__cause__ or getattr(error, "cause", None) or error
        test_id = self._reporter.relative(str(path)) or "conftest.py"
        self._error(test_id, cause, "")

    def _error(self, test_id: str, error: BaseException, detail: str) -> None:
        described = self._reporter.describe(error)
        described["file"] = described["file"] or test_id.partition("::")[0]
        self._reporter.result(test_id, outcome="error", detail=detail, duration=0.0, **described)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self, collector: Any) -> Generator[None, Any, None]:  # noqa: ANN401
        outcome = yield
        report = outcome.get_result()
        if self._canary(collector):
            report.elagent_canary = True
            if report.failed:  # a copy that cannot be loaded twice does not pass, and is no error
                report.outcome, report.longrepr, report.result = "passed", None, []
            _forget_folders(collector.session)
            return
        if report.skipped:
            self._file_skipped(collector, report)
        if not report.failed:
            return
        test_id = report.nodeid or "collection"
        self._broken.append(test_id.partition("::")[0])
        error: BaseException | None = None
        call = report.__dict__.get("call")
        if call is not None and call.excinfo is not None:
            error = call.excinfo.value
            while error.__cause__ is not None and type(error).__name__ == "CollectError":
                error = error.__cause__
        if error is None:
            error = RuntimeError("collection failed")
        self._error(test_id, error, self._clipped(str(report.longrepr)))

    def _file_skipped(self, collector: Any, report: Any) -> None:  # noqa: ANN401
        test_id = report.nodeid
        if test_id in self._skipped:  # a file is collected once more for its doctests
            test_id += f"::{type(collector).__name__}"
        self._skipped.add(test_id)
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
        self._reporter.result(test_id, outcome="skipped", message=str(reason), duration=0.0)

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self, collector: Any, name: str) -> Any:  # noqa: ANN401
        # whatever functions the project's configuration calls tests
        if (
            f"{self._canary(collector)}::{name}" in self._canary_ids
            and "::" not in collector.nodeid
        ):
            return pytest.Function.from_parent(collector, name=name)
        return None

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        canary = self._canary(item)
        if canary in self._canary_ids:
            self._canaries.setdefault(canary, item)
        function = getattr(item, "function", None)
        self._codes[item.nodeid] = (function, getattr(function, "__code__", None))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectreport(self, report: Any) -> None:  # noqa: ANN401
        if hasattr(report, "elagent_canary"):
            report.result = []  # the items are known by now, and are not to be counted

    @pytest.hookimpl(hookwrapper=True)
    def pytest_collection_modifyitems(
        self, config: pytest.Config, items: list[pytest.Item]
    ) -> Generator[None, Any, None]:
        # before anybody else deselects, and after
        items[:] = [item for item in items if not self._canary(item)]
        before = len(items)
        outcome = yield
        outcome.get_result()
        self._deselected = before - len(items)
        if self._only:
            only = [item for item in items if self._is_asked_for(item.nodeid)]
            config.hook.pytest_deselected(items=[item for item in items if item not in only])
            items[:] = only
        if self._listed_only:
            self._canaries.clear()
        for canary, item in self._canaries.items():
            item.__class__ = _unlogged(item, _Unlogged(item.ihook, canary, self._phases))
        # at both ends, where no fixture of the project has to be torn down for them
        canaries = list(self._canaries.values())
        items[:] = [*canaries[:1], *items, *canaries[1:]]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        session.testscollected -= len(self._canaries)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        items = (item for item in session.items if not self._canary(item))
        ids = [self._reporter.named(item.nodeid) for item in items]
        self._reporter.collected(ids)
        for name in self._only:
            found = any(_matches(test_id, name) for test_id in ids)
            if not found and name.partition("::")[0] not in self._broken:
                self._error(name, LookupError("there is no test of this name any more"), "")

    def _is_asked_for(self, test_id: str) -> bool:
        told = self._reporter.named(test_id)
        return any(_matches(told, name) for name in self._only)

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:  # noqa: ANN401
        self._why = str(getattr(excinfo.value, "msg", None) or excinfo.value) or self._why

    def pytest_internalerror(self, excinfo: Any) -> None:  # noqa: ANN401
        self._why = str(self._reporter.describe(excinfo.value)["message"])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        stopped = (session.shouldfail, session.shouldstop)
        self._why = self._why or next((text for text in stopped if isinstance(text, str)), "")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._phases.begin(nodeid)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, None]:
        # not its fixtures: those of a module are set up in the time of one test
        if not _limits_itself(item):
            self._reporter.begin_body()
        yield
        self._reporter.end_body()

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, None]:  # noqa: ANN401
        self._reporter.end_body()
        function, code = self._codes.get(item.nodeid, (None, None))
        if getattr(function, "__code__", None) is not code:
            self._reporter.emit("tampered", note=f"the code of {item.nodeid} was replaced")
        outcome = yield
        report = outcome.get_result()
        if report.failed and call.excinfo is not None:
            report.elagent = self._reporter.describe(call.excinfo.value)

    def pytest_runtest_logreport(self, report: Any) -> None:  # noqa: ANN401
        self._phases.take(report, report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._phases.finish(nodeid)


def _unlogged(item: pytest.Item, hooks: _Unlogged) -> Any:  # noqa: ANN401
    """Return the item's own class with these hooks."""
    kind: Any = type(item)
    return type(kind)(kind.__name__, (kind,), {"ihook": hooks})


def _forget_folders(session: Any) -> None:  # noqa: ANN401
    """Have the folders of a canary read again: pytest 8 skips those that an earlier argument went through."""
    getattr(session, "_collection_cache", {}).clear()


def _limits_itself(item: pytest.Item) -> bool:
    """Tell whether the project has this test ended by pytest-timeout."""
    config = item.config
    if not config.pluginmanager.hasplugin("timeout"):
        return False
    asked = getattr(config.option, "timeout", None) or config.inicfg.get("timeout")
    return bool(asked) or item.get_closest_marker("timeout") is not None


def _own_choice(config: pytest.Config) -> list[str]:
    """Return the project's `testpaths`, which pytest heeds only in the root folder of the run."""
    if config.inipath is None or config.inipath.parent != config.invocation_params.dir:
        return config.args
    if config.args != [str(config.invocation_params.dir)]:
        return config.args
    found = [
        p
        for pattern in config.getini("testpaths")
        for p in sorted(glob.glob(pattern, recursive=True))
    ]
    return found or config.args


def _matches(test_id: str, name: str) -> bool:
    return test_id == name or test_id.startswith((name + "::", name + "["))
