"""Adds the phases of each pytest test up to one result, inside the box.

Loaded by pytest_reporter.py, when the project's folders are on the path already: it imports only
modules that are in memory by then, so that none of the project can stand in for them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sandbox.verdict.reporters.reporting import Reporter

# the worst of the phases of a test is its outcome
_SEVERITY = ("passed", "skipped", "xfailed", "xpassed", "failed", "error")
_DETAIL_LIMIT = 12000
_SECTION_LIMIT = 2000


class PhaseResults:
    """The tests that have begun, each with the worst of its phases so far."""

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._results: dict[str, dict[str, Any]] = {}

    def begin(self, test_id: str) -> None:
        """Say that a test starts."""
        self._reporter.start(test_id)

    def take(self, report: Any, test_id: str) -> None:  # noqa: ANN401
        """Take in the report of one phase of a test; the tear-down is the last."""
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
        f"\n--- {title} ---\n{clipped(text, _SECTION_LIMIT)}"
        for title, text in report.sections
        if text.strip()
    ]
    fields["detail"] = clipped(str(report.longrepr), _DETAIL_LIMIT) + "".join(printed)
    return fields


def _first_line(text: str) -> str:
    return next((line for line in text.splitlines() if line.strip()), "")


def clipped(text: str, limit: int = _DETAIL_LIMIT) -> str:
    """Return the beginning and the end of a long text."""
    if len(text) <= limit:
        return text
    return text[: limit // 2] + "\n[...]\n" + text[-limit // 2 :]
