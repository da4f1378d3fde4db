"""Runs of the tests whose verdicts the code under test cannot easily forge.

Joins the user's last commit with the sandbox: what the tests were then, which of them there are,
and which were red earlier in the session, so that their pass is looked at twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from agent.errors import WorkspaceError
from agent.workspace.committed import read_commit
from sandbox.box.contract import Limits, Sandbox, SourceFile
from sandbox.box.status import VerdictTrust
from sandbox.host.children import in_thread
from sandbox.project.detection import Project
from sandbox.verdict.pristine import Footing, Pristine, committed_files, footing
from sandbox.verdict.report import TestOutcome, TestReport, TestResult
from sandbox.verdict.suite import collect_tests, run_tests
from sandbox.verdict.twins.trying import with_twins

_SAYS_NOTHING = {
    TestOutcome.SKIPPED: "is skipped",
    TestOutcome.XFAILED: "is expected to fail",
    TestOutcome.NEEDS_NETWORK: "asks for a network",
}


class VerifiedTests:
    """The test runs of one session, each at the highest trust that its files allow."""

    def __init__(
        self,
        *,
        root: Path,
        sandbox: Sandbox,
        project: Project,
        limits: Limits,
        commit: str = "HEAD",
    ) -> None:
        """`commit` is the one that says which tests there are and what is in them."""
        self._root = root
        self._commit = commit
        self._sandbox = sandbox
        self._project = project
        self._limits = limits
        self._collected: dict[tuple[str, VerdictTrust], frozenset[str] | None] = {}
        self._were_red: dict[str, TestResult] = {}

    async def run(
        self,
        files: Sequence[SourceFile],
        *,
        only: Sequence[str] = (),
        on_output: Callable[[bytes], None] | None = None,
        on_result: Callable[[TestResult], None] | None = None,
    ) -> TestReport:
        """Run all tests, or only those with these ids, on the given files.

        Raises:
            SandboxError: If no answer can be given.
        """
        pristine = await in_thread(read_commit, self._root, commit=self._commit)
        basis = await in_thread(self._footing, files, pristine)
        expected = None
        if pristine is not None and basis.trust.may_train:
            expected = await self._expected(files, pristine, basis)
        doubted = [name for name in reversed(self._were_red) if not only or name in only]
        report = await run_tests(
            self._sandbox,
            self._project,
            files,
            limits=self._limits,
            only=only,
            on_output=on_output,
            on_result=None if on_result is None else lambda r: on_result(self._still_red(r)),
            footing=basis,
            expected=expected,
            doubted=doubted,
        )
        report = replace(report, results=tuple(map(self._still_red, report.results)))
        report = await with_twins(
            self._sandbox,
            self._project,
            files,
            report,
            limits=self._limits,
            footing=basis,
            were_red=self._were_red,
        )
        self._were_red |= {result.id: result for result in report.red}
        return report

    def _still_red(self, result: TestResult) -> TestResult:
        """A test that was red and says nothing now has not been repaired."""
        if result.id not in self._were_red or result.outcome not in _SAYS_NOTHING:
            return result
        how = _SAYS_NOTHING[result.outcome]
        said = f"it was red before, and now it {how}: {result.message}".rstrip(": ")
        return replace(result, outcome=TestOutcome.FAILED, message=said)

    def _footing(self, files: Sequence[SourceFile], pristine: Pristine | None) -> Footing:
        try:
            return footing(self._project, files, pristine)
        except WorkspaceError as err:
            return Footing(
                trust=VerdictTrust.PLAIN, notes=(f"the last commit cannot be read: {err}",)
            )

    async def _expected(
        self, files: Sequence[SourceFile], pristine: Pristine, basis: Footing
    ) -> frozenset[str] | None:
        """The tests that the commit itself has: found once for each commit."""
        key = (pristine.commit, basis.trust)
        if key not in self._collected:
            committed = await in_thread(committed_files, files, pristine)
            self._collected[key] = await collect_tests(
                self._sandbox,
                self._project,
                committed,
                limits=self._limits,
                bare=basis.trust is VerdictTrust.HARDENED,
            )
        return self._collected[key]
