"""Another agent uses elagent over the Model Context Protocol, by the protocol's own client."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

from agent.events import Event, FixFinished, PlacesRanked, RankedPlace, StageStarted, TestsFinished
from agent.reports import Frame, RunStatus, TestOutcome, TestReport, TestResult, VerdictTrust
from sandbox.box.contract import SandboxError
from tests.fakes.experiences import make_experience
from tui.bridges.mcp_server import serve

ROOT = Path(__file__).resolve().parents[2]
RED = TestResult(
    id="tests/test_shop.py::test_total",
    outcome=TestOutcome.FAILED,
    message="assert 9 == 6",
    exception="AssertionError",
    file="shop.py",
    line=3,
    frames=(Frame(file="shop.py", line=3, function="total"),),
    detail="E assert 9 == 6",
)


@dataclass
class Agent:
    """An assistant whose jobs yield given events."""

    events: list[Event] = field(default_factory=list)
    trouble: Exception | None = None
    running: int = 0
    most: int = 0

    async def _job(self) -> AsyncGenerator[Event, None]:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for event in self.events:
                yield event
            if self.trouble:
                raise self.trouble
        finally:
            self.running -= 1

    def test(self) -> AsyncGenerator[Event, None]:
        return self._job()

    def fix(self) -> AsyncGenerator[Event, None]:
        return self._job()


def _report(*results: TestResult, lacking: tuple[str, ...] = ()) -> TestReport:
    return TestReport(
        status=RunStatus.COMPLETE,
        results=results,
        runner="pytest",
        trust=VerdictTrust.PINNED,
        duration_s=0.1,
        exit_code=1 if results else 0,
        lacking=lacking,
    )


async def _call(agent: Agent, tool: str, **arguments: object) -> CallToolResult:
    server = serve(agent, lambda limit: (make_experience(),)[:limit])
    async with Client(server) as client:
        return await client.call_tool(tool, arguments)


async def _told(agent: Agent, tool: str, **arguments: object) -> dict[str, Any]:
    content: dict[str, Any] | None = (await _call(agent, tool, **arguments)).structured_content
    assert content is not None
    return content


def _sentence(result: CallToolResult) -> str:
    assert result.is_error
    return "".join(part.text for part in result.content if isinstance(part, TextContent))


async def test_a_red_run_names_what_failed() -> None:
    agent = Agent([StageStarted("running all tests"), TestsFinished(_report(RED))])
    told = await _told(agent, "run_tests")
    assert told["green"] is False
    assert told["failures"][0]["test"] == RED.id
    assert told["failures"][0]["file"] == "shop.py"
    assert agent.running == 0


async def test_a_test_that_never_ran_is_not_green() -> None:
    passed = TestResult(id="t", outcome=TestOutcome.PASSED)
    agent = Agent([TestsFinished(_report(passed, lacking=("numpy",)))])
    told = await _told(agent, "run_tests")
    assert (told["green"], told["not_judged"]) == (False, ["numpy"])


async def test_a_failure_is_explained_by_its_traceback() -> None:
    agent = Agent([TestsFinished(_report(RED))])
    told = await _told(agent, "explain_failure", test=RED.id)
    assert told["frames"] == ["shop.py:3 total"]
    unknown = await _call(agent, "explain_failure", test="tests/test_shop.py::other")
    assert RED.id in _sentence(unknown)


async def test_a_repair_tells_what_changed_and_where_it_looked() -> None:
    ended = FixFinished(
        passed_before=1, passed_after=2, red_before=[RED.id], red_after=[], diff="-9\n+6\n",
        reason="all green",
    )  # fmt: skip
    agent = Agent([PlacesRanked((RankedPlace("shop.py", 3, 0.91),)), ended])
    told = await _told(agent, "repair")
    assert told["green"] is True
    assert told["diff"] == "-9\n+6\n"
    assert told["places"] == ["shop.py:3 (0.91)"]


async def test_a_job_that_cannot_be_done_is_one_sentence_and_the_server_goes_on() -> None:
    agent = Agent(trouble=SandboxError("No Docker engine answers."))
    server = serve(agent, lambda _limit: ())
    async with Client(server) as client:
        told = await client.call_tool("run_tests", {})
        assert "No Docker engine answers." in _sentence(told)
        agent.trouble, agent.events = None, [TestsFinished(_report(RED))]
        assert not (await client.call_tool("run_tests", {})).is_error


async def test_experiences_are_found_by_words_of_file_test_and_error() -> None:
    found = await _told(Agent(), "search_experiences", words="Shop assertion")
    assert [row["id"] for row in found["result"]] == ["e1"]
    none = await _told(Agent(), "search_experiences", words="elsewhere")
    assert none["result"] == []


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    (root / "test_x.py").write_text("def test_x():\n    assert 1 + 1 == 3\n")
    subprocess.run(["/usr/bin/git", "init", "-q", str(root)], check=True)
    return root


@pytest.mark.docker
@pytest.mark.usefixtures("sandbox_image")
async def test_a_client_of_the_protocol_runs_tests_in_the_sandbox(
    repository: Path, tmp_path: Path
) -> None:
    server = StdioServerParameters(
        command=sys.executable,
        args=[str(ROOT / "elagent.py"), "mcp", str(repository)],
        env={**os.environ, "ELAGENT_HOME": str(tmp_path / "home"), "ELAGENT_SANDBOX_IMAGE": "lite"},
    )
    async with Client(server) as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {"run_tests", "explain_failure", "repair", "search_experiences"}
        told = (await client.call_tool("run_tests", {})).structured_content
    assert told is not None
    assert [failure["test"] for failure in told["failures"]] == ["test_x.py::test_x"]
