"""Runs pytest inside the box and reports every test as it ends. Loaded by launch.py."""

# strings, not Path objects: file names here come out of code objects and node ids
# ruff: noqa: PTH110, PTH113, PTH118, PTH123, PTH207
from __future__ import annotations

import glob
import importlib.metadata
import os
import sys
from os.path import realpath
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from sandbox.verdict.reporters.reporting import Reporter

# the worst of the phases of a test is its outcome
_SEVERITY = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")
_DETAIL_LIMIT = 12000
_SECTION_LIMIT = 2000
INSTALLED = "/tmp/elagent-env"  # noqa: S108


def run(reporter: Reporter, orders: dict[str, Any]) -> int:
    """Run the tests below the current directory, or those named, and return pytest's exit code."""
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
    plugins = ImagePlugins(reporter.root, none=orders["bare"])
    if orders["bare"]:
        whole += ["-c", os.devnull, "--noconftest", "-p", "no:cacheprovider"]
    if orders["collect_only"]:
        whole += ["--collect-only", "--quiet"]
    arguments = ["--rootdir=" + reporter.root, *whole, *files]
    plugin = Plugin(reporter, only, orders["canary_files"], orders["canaries"])
    plugin.asked = bool(files)
    code: Any = pytest.main(arguments, plugins=[plugin, plugins, *plugins.names])
    plugin.close()
    # as sys.exit reads what a plugin has put there
    return int(code) if isinstance(code, int) else int(code is not None)


class _Unlogged:
    """The hooks of a test that is nobody's to look at: all are called, only we hear of its end."""

    def __init__(self, hooks: Any, test_id: str, plugin: Plugin) -> None:  # noqa: ANN401
        self._hooks = hooks
        self._own: dict[str, Callable[..., None]] = {
            "pytest_runtest_logstart": lambda **_: plugin.begin(test_id),
            "pytest_runtest_logreport": lambda report: plugin.take(report, test_id),
            "pytest_runtest_logfinish": lambda **_: plugin.finish(test_id),
            "pytest_exception_interact": lambda **_: None,
        }

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return self._own.get(name) or getattr(self._hooks, name)


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


class Plugin:
    """The hooks that see what happened."""

    def __init__(
        self, reporter: Reporter, only: list[str], canary_files: list[str], canaries: list[str]
    ) -> None:
        self._reporter = reporter
        self._only = only
        self.asked = False
        """True if the arguments name tests, so that the project's own choice does not count."""
        self._canary_files = {
            realpath(os.path.join(reporter.root, path)): path for path in canary_files
        }
        self._canary_ids = frozenset(canaries)
        self._canaries: dict[str, pytest.Item] = {}
        self._codes: dict[str, tuple[Any, Any]] = {}
        self._results: dict[str, dict[str, Any]] = {}
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
        # beside the project's own choice of what to collect, which arguments would replace; first,
        # so that whatever code does to the tests when it is imported finds these there as well
        args = config.args if self.asked else _own_choice(config)
        hidden = (os.path.join(self._reporter.root, path) for path in self._canary_files.values())
        config.args = [*hidden, *args]

    def _canary(self, node: Any) -> str:  # noqa: ANN401
        """The id of a test that must fail, or of its file; empty for everything else."""
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
        self._error(test_id, error, _clipped(str(report.longrepr), _DETAIL_LIMIT))

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
            item.__class__ = _unlogged(item, _Unlogged(item.ihook, canary, self))
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
        self.begin(nodeid)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: Any) -> Generator[None, Any, None]:  # noqa: ANN401
        function, code = self._codes.get(item.nodeid, (None, None))
        if getattr(function, "__code__", None) is not code:
            self._reporter.emit("tampered", note=f"the code of {item.nodeid} was replaced")
        outcome = yield
        report = outcome.get_result()
        if report.failed and call.excinfo is not None:
            report.elagent = self._reporter.describe(call.excinfo.value)

    def pytest_runtest_logreport(self, report: Any) -> None:  # noqa: ANN401
        self.take(report, report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.finish(nodeid)

    def begin(self, test_id: str) -> None:
        """Say that a test starts."""
        self._reporter.start(test_id)

    def take(self, report: Any, test_id: str) -> None:  # noqa: ANN401
        """Take in what one phase of a test came to; its tear-down is the last."""
        result = self._results.setdefault(
            test_id, {"outcome": "", "duration": 0.0, "message": "", "detail": ""}
        )
        result["duration"] += getattr(report, "duration", 0.0)
        outcome = _outcome(report)
        if _is_worse(outcome, result["outcome"]):
            result.update(outcome=outcome, **_evidence(report))
        if report.when == "teardown":
            result["outcome"] = result["outcome"] or "passed"
            self.finish(test_id)

    def finish(self, test_id: str) -> None:
        """Tell the result of a test that has one: a child that crashed leaves no tear-down."""
        result = self._results.pop(test_id, None)
        if result is not None and result["outcome"]:
            self._reporter.result(test_id, **result)


def _unlogged(item: pytest.Item, hooks: _Unlogged) -> Any:  # noqa: ANN401
    """The item's own class, with these hooks."""
    kind: Any = type(item)
    return type(kind)(kind.__name__, (kind,), {"ihook": hooks})


def _own_choice(config: pytest.Config) -> list[str]:
    """The project's `testpaths`, which pytest itself heeds only in the root folder of the run."""
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


def _outcome(report: Any) -> str:  # noqa: ANN401
    if report.failed:
        return "error" if report.when in ("setup", "teardown") else "failed"
    if type(report).__name__.lower() == "subtestreport":
        return ""  # the test's own report says what came of it, unless a subtest failed
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    if report.skipped:
        return "skipped"
    return "passed" if report.when == "call" and report.passed else ""


def _is_worse(outcome: str, than: str) -> bool:
    if not outcome:
        return False
    return not than or _SEVERITY.index(outcome) > _SEVERITY.index(than)


def _evidence(report: Any) -> dict[str, Any]:  # noqa: ANN401
    if report.passed:
        return {}
    if report.skipped:
        reason = getattr(report, "wasxfail", "")
        if not reason and isinstance(report.longrepr, tuple):
            reason = report.longrepr[2]
        return {"message": str(reason)}
    fields: dict[str, Any] = dict(getattr(report, "elagent", {}))
    fields.setdefault("message", _first_line(str(report.longrepr)))
    if fields.get("exception") == "FixtureLookupError":
        said = [line for line in str(report.longrepr).splitlines() if line.startswith("E ")]
        fields["message"] = said[0][1:].strip() if said else fields["message"]
    if not fields.get("file"):
        path, line, _ = report.location
        fields.update(file=path, line=(line or 0) + 1)
    printed = [
        f"\n--- {title} ---\n{_clipped(text, _SECTION_LIMIT)}"
        for title, text in report.sections
        if text.strip()
    ]
    fields["detail"] = _clipped(str(report.longrepr), _DETAIL_LIMIT) + "".join(printed)
    return fields


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def _clipped(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[: limit // 2] + "\n[...]\n" + text[-limit // 2 :]
