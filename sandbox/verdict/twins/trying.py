"""Runs the twins of the tests that decided, and says whether the pass is believed."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from sandbox.box.contract import Limits, Sandbox, SourceFile
from sandbox.box.status import VerdictTrust
from sandbox.project.detection import Project
from sandbox.verdict.pristine import Footing
from sandbox.verdict.report import RunStatus, TestReport, TestResult
from sandbox.verdict.suite import run_tests
from sandbox.verdict.twins.making import Twins, make_twins

_NAMES_SHOWN = 3


async def with_twins(
    sandbox: Sandbox,
    project: Project,
    files: Sequence[SourceFile],
    report: TestReport,
    *,
    limits: Limits,
    footing: Footing,
    were_red: Mapping[str, TestResult],
) -> TestReport:
    """Return the report, trusted only if the twins of all tests that turned green fail.

    `were_red` are tests that failed earlier, with how. Nothing is run where no pass could count.

    Raises:
        SandboxError: If no answer can be given.
    """
    turned = _turned(report.passed_ids, were_red)
    if not turned or not report.trust.may_train or report.status is not RunStatus.COMPLETE:
        return report
    twins = await asyncio.to_thread(make_twins, files, turned, changed=footing.changed)

    async def failing(changed: Sequence[SourceFile]) -> frozenset[str]:
        """Return the tests whose twin failed, as it must."""
        only = sorted(twins.ids)
        run = await run_tests(sandbox, project, changed, limits=limits, only=only, footing=footing)
        seen = () if run.status is RunStatus.TAMPERED else run.red
        return frozenset(result.id for result in seen)

    failed = twins.ids.intersection(*await asyncio.gather(*map(failing, twins.rounds)))
    if doubts := tuple(_doubts(twins, failed)):
        return replace(
            report,
            trust=VerdictTrust.PLAIN,
            notes=(*report.notes, *doubts),
            remarks=(*report.remarks, *map(_sentence, doubts)),
        )
    return report


def _turned(passed: frozenset[str], were_red: Mapping[str, TestResult]) -> Mapping[str, TestResult]:
    """Return the passing tests that were red, or whose file or class could not be loaded."""
    found = {}
    for name in sorted(passed):
        parts = re.split(r"(::|\.)", name) if "::" not in name else re.split(r"(::)", name)
        owners = ("".join(parts[:end]) for end in range(len(parts), 0, -2))
        if (
            red := next((were_red[owner] for owner in owners if owner in were_red), None)
        ) is not None:
            found[name] = red
    return found


def _doubts(twins: Twins, failed: frozenset[str]) -> Iterator[str]:
    if held := twins.ids - failed:
        yield f"not believed: {_few(held)} passed, too, when something else was expected"
    if twins.unmade:
        yield f"not believed: {_few(twins.unmade)} expects nothing that could be changed to try it"


def _sentence(doubt: str) -> str:
    return f"{doubt[:1].upper()}{doubt[1:]}; nothing is learned from this pass."


def _few(names: frozenset[str]) -> str:
    rest = len(names) - _NAMES_SHOWN
    return ", ".join(sorted(names)[:_NAMES_SHOWN]) + (f" and {rest} more" if rest > 0 else "")
