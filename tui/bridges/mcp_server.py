"""Offers the sandbox, the repairs and what was captured to another agent, as an MCP server.

One assistant serves one repository; its jobs run one after the other, and a cancelled request ends
its job. What a repair writes can be taken back with `elagent undo`, as always.

The values that tools return have no slots: the SDK takes the descriptors of slots for defaults.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Protocol

from mcp.server import MCPServer
from mcp.server.mcpserver import Context as Request
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations
from pydantic import Field

from agent.errors import EXPECTED
from agent.events import Event, FixFinished, PlacesRanked, StageStarted, TestsFinished
from agent.library.experiences import Experience
from agent.reports import RunStatus, TestReport, TestResult
from agent.text import display_safe

_INSTRUCTIONS = (
    "Runs the tests of this repository in a Docker sandbox without network, and repairs what fails"
    " by trying small changes. Call run_tests before you claim that something works."
)
_DETAIL = 4000
_LATEST = 500
_READS = ToolAnnotations(read_only_hint=True, open_world_hint=False)
_WRITES = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)


class RepairingAgent(Protocol):
    """The part of the assistant that the bridge uses."""

    def test(self) -> AsyncGenerator[Event, None]: ...

    def fix(self) -> AsyncGenerator[Event, None]: ...


@dataclass(frozen=True, kw_only=True)
class RedTest:
    """One test that failed or could not run."""

    test: str
    outcome: str
    exception: str
    message: str
    file: str
    line: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run of all tests; `green` means that all could run and none is red."""

    green: bool
    status: str
    counts: dict[str, int]
    failures: list[RedTest]
    not_judged: list[str]
    """Tests and files that did not enter the sandbox, and libraries that its image lacks."""
    ending: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One red test with the frames of its traceback and the runner's own report."""

    failure: RedTest
    frames: list[str]
    report: str


@dataclass(frozen=True, kw_only=True)
class Repair:
    """The outcome of a repair; a change that does not help is put back."""

    green: bool
    passed_before: int
    passed_after: int
    red_before: list[str]
    red_after: list[str]
    not_judged: list[str]
    places: list[str]
    """Places that were taken to be at fault, each as `path:line (score)`."""
    diff: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Found:
    """One captured experience: an edit, its verdict, and the errors that followed."""

    id: str
    verdict: str
    file: str
    tests: list[str]
    errors: list[str]


Latest = Callable[[int], Sequence[Experience]]
"""Reads the newest experiences, at most so many."""


class Bridge:
    """The tools of the server; their docstrings are what the other agent reads."""

    def __init__(self, agent: RepairingAgent, latest: Latest) -> None:
        self._agent = agent
        self._latest = latest
        self._one_job = asyncio.Lock()

    async def run_tests(self, request: Request[None]) -> Run:
        """Run all tests of the repository in the sandbox and return what failed."""
        return _run_of(await self._tested(request))

    async def explain_failure(
        self, test: Annotated[str, Field(description="Id of the test.")], request: Request[None]
    ) -> Explanation:
        """Run the tests and return one failing test's traceback and report."""
        report = await self._tested(request)
        red = next((result for result in report.red if result.id == test), None)
        if red is None:
            names = ", ".join(result.id for result in report.red[:5]) or "none"
            raise ToolError(f"{test} is not red in this run; red are: {names}")
        return Explanation(
            failure=_failure(red),
            frames=[f"{frame.file}:{frame.line} {frame.function}" for frame in red.frames],
            report=display_safe(red.detail[-_DETAIL:]),
        )

    async def repair(self, request: Request[None]) -> Repair:
        """Run the tests and repair the code that fails; tests are not edited.

        Files change only where tests turn green and none turns red. `elagent undo` takes it back.
        """
        places: list[str] = []
        ended: FixFinished | None = None
        async for event in self._job(self._agent.fix, request):
            if isinstance(event, PlacesRanked):
                places.extend(place.label for place in event.places)
            elif isinstance(event, FixFinished):
                ended = event
        if ended is None:
            raise ToolError("the repair ended without a result; see elagent's log file")
        return _repair_of(ended, places)

    async def search_experiences(
        self,
        words: Annotated[str, Field(description="Words of a file, a test or an error.")],
        limit: Annotated[int, Field(ge=1, le=50)] = 10,
    ) -> list[Found]:
        """Find earlier edits here by words of the file, the test or the error; newest first."""
        wanted = words.casefold().split()
        rows = await asyncio.to_thread(_latest_or_error, self._latest)
        found = [row for row in map(_found_of, rows) if _mentions(row, wanted)]
        return found[:limit]

    async def _tested(self, request: Request[None]) -> TestReport:
        async for event in self._job(self._agent.test, request):
            if isinstance(event, TestsFinished):
                return event.report
        raise ToolError("the tests ended without a result; see elagent's log file")

    async def _job(
        self, start: Callable[[], AsyncGenerator[Event, None]], request: Request[None]
    ) -> AsyncIterator[Event]:
        """Run one job, tell its stages to the client, and yield its events.

        Raises:
            ToolError: If the job cannot be done; the message is the sentence that a person reads.
        """
        stages = 0
        async with self._one_job, aclosing(start()) as events:
            try:
                async for event in events:
                    if isinstance(event, StageStarted):
                        stages += 1
                        await request.report_progress(stages, message=event.text)
                    yield event
            except EXPECTED as err:
                raise ToolError(str(err)) from err


def serve(agent: RepairingAgent, latest: Latest) -> MCPServer[None]:
    """The server with its four tools, not yet running."""
    server: MCPServer[None] = MCPServer(
        "elagent", version=version("elagent"), instructions=_INSTRUCTIONS, log_level="ERROR"
    )
    bridge = Bridge(agent, latest)
    server.tool(annotations=_READS, structured_output=True)(bridge.run_tests)
    server.tool(annotations=_READS, structured_output=True)(bridge.explain_failure)
    server.tool(annotations=_WRITES, structured_output=True)(bridge.repair)
    server.tool(annotations=_READS, structured_output=True)(bridge.search_experiences)
    return server


def _run_of(report: TestReport) -> Run:
    complete = report.status is RunStatus.COMPLETE and not report.left_out
    return Run(
        green=report.all_green and complete,
        status=report.status.value,
        counts=dict(report.counts),
        failures=[_failure(result) for result in report.red],
        not_judged=[*(refusal.path for refusal in report.left_out), *report.lacking],
        ending=display_safe(report.ending),
    )


def _failure(result: TestResult) -> RedTest:
    return RedTest(
        test=result.id,
        outcome=result.outcome.value,
        exception=result.exception,
        message=display_safe(result.message),
        file=result.file,
        line=result.line,
    )


def _repair_of(ended: FixFinished, places: Sequence[str]) -> Repair:
    missing = [*ended.left_out, *ended.lacking]
    red = bool(ended.red_after or missing or ended.overruled)
    return Repair(
        green=not red and ended.passed_after > 0,
        passed_before=ended.passed_before,
        passed_after=ended.passed_after,
        red_before=list(ended.red_before),
        red_after=list(ended.red_after),
        not_judged=missing,
        places=list(places),
        diff=ended.diff,
        reason=ended.reason,
    )


def _latest_or_error(latest: Latest) -> Sequence[Experience]:
    try:
        return latest(_LATEST)
    except EXPECTED as err:
        raise ToolError(str(err)) from err


def _found_of(row: Experience) -> Found:
    return Found(
        id=row.id[:12],
        verdict=row.verdict.value,
        file=row.path,
        tests=list(row.targets),
        errors=[display_safe(f"{fact.exception}: {fact.message}") for fact in row.evidence],
    )


def _mentions(row: Found, wanted: Sequence[str]) -> bool:
    text = " ".join([row.file, *row.tests, *row.errors]).casefold()
    return all(word in text for word in wanted)
