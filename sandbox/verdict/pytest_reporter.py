"""Runs pytest inside the box and reports every test as it ends. Loaded by launch.py."""

# strings, not Path objects: file names here come out of code objects and node ids
# ruff: noqa: PTH110
from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator

    from sandbox.verdict.launch import Reporter

# the worst of the phases of a test is its outcome
_SEVERITY = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")
_DETAIL_LIMIT = 12000
_SECTION_LIMIT = 2000
_CHUNK = 200


def run(reporter: Reporter, only: list[str]) -> int:
    """Run the tests below the current directory, or those named, and return pytest's exit code."""
    files = []
    for test_id in only:
        path = test_id.partition("::")[0]
        if path not in files and os.path.exists(path):
            files.append(path)
    # after the project's own options: stop at nothing, stay in one process
    whole = ["--maxfail=0", "--continue-on-collection-errors", *_single_process()]
    arguments = ["--rootdir=" + reporter.root, *whole, *files]
    return int(pytest.main(arguments, plugins=[Plugin(reporter, only)]))


def _single_process() -> list[str]:
    return ["-n0"] if importlib.util.find_spec("xdist") else []


class Plugin:
    """The hooks that see what happened."""

    def __init__(self, reporter: Reporter, only: list[str]) -> None:
        self._reporter = reporter
        self._only = only
        self._results: dict[str, dict[str, Any]] = {}
        self._broken: list[str] = []

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
        self._reporter.emit(
            "result", id=test_id, outcome="error", detail=detail, duration=0.0, **described
        )

    @pytest.hookimpl(hookwrapper=True)
    def pytest_make_collect_report(self) -> Generator[None, Any, None]:
        outcome = yield
        report = outcome.get_result()
        if report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            self._reporter.emit(
                "result", id=report.nodeid, outcome="skipped", message=str(reason), duration=0.0
            )
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

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(
        self,
        config: pytest.Config,
        items: list[pytest.Item],
    ) -> None:
        if not self._only:
            return
        wanted = [item for item in items if any(_matches(item.nodeid, name) for name in self._only)]
        config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
        items[:] = wanted

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        ids = [item.nodeid for item in session.items]
        for start in range(0, len(ids), _CHUNK):
            self._reporter.emit("collected", ids=ids[start : start + _CHUNK])
        for name in self._only:
            found = any(_matches(test_id, name) for test_id in ids)
            if not found and name.partition("::")[0] not in self._broken:
                self._error(name, LookupError("there is no test of this name any more"), "")

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._reporter.emit("start", id=nodeid)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(self, call: Any) -> Generator[None, Any, None]:  # noqa: ANN401
        outcome = yield
        report = outcome.get_result()
        if report.failed and call.excinfo is not None:
            report.elagent = self._reporter.describe(call.excinfo.value)

    def pytest_runtest_logreport(self, report: Any) -> None:  # noqa: ANN401
        result = self._results.setdefault(
            report.nodeid, {"outcome": "", "duration": 0.0, "message": "", "detail": ""}
        )
        result["duration"] += getattr(report, "duration", 0.0)
        outcome = _outcome(report)
        if _is_worse(outcome, result["outcome"]):
            result.update(outcome=outcome, **_evidence(report))
        if report.when == "teardown":
            del self._results[report.nodeid]
            result["outcome"] = result["outcome"] or "passed"
            self._reporter.emit("result", id=report.nodeid, **result)


def _matches(test_id: str, name: str) -> bool:
    return test_id == name or test_id.startswith((name + "::", name + "["))


def _outcome(report: Any) -> str:  # noqa: ANN401
    if report.failed:
        return "failed" if report.when == "call" else "error"
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
