"""Runs the commands that a reply asks for; one that only looks is answered from the files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from agent.approval import Decision, Question
from agent.events import Notice, OutputChunk, StageStarted, TestsFinished, TurnEnding
from agent.fixing.context import estimate_tokens
from agent.fixing.sources import Sources
from agent.reply.named import Names
from agent.streaming import Emit
from agent.turn.best import BestState
from agent.turn.conversation import Conversation
from agent.turn.lookups import Lookup, as_lookups, look
from agent.turn.outcome import DECLINED, End, Outcome
from agent.turn.tools import Explain, RunCommand, command_digest, failing_files, tests_digest
from sandbox.box.contract import Execution, SandboxError
from sandbox.verdict.report import TestReport

RunTests = Callable[[], Awaitable[TestReport]]
"""Runs all tests on the files as they are now. Raises SandboxError."""


@dataclass(kw_only=True)
class Commands:
    """The ways in which one turn looks and runs."""

    conversation: Conversation
    sources: Sources
    decide: Callable[[Question], Awaitable[Decision]]
    emit: Emit
    best: BestState
    run_command: RunCommand | None = None
    run_tests: RunTests | None = None
    explain: Explain | None = None
    room_tokens: int = 0
    """Tokens of the context that are free for an observation."""

    async def do(self, command: str) -> Outcome:
        """Answer from the files if the command only looks; else run it in the sandbox."""
        lookups = as_lookups(command)
        if self.run_tests is not None and lookups and lookups[-1].kind == "tests":
            before = [self._looked(item) for item in lookups[:-1] if item.kind != "tests"]
            return await self._tests(command, "\n\n".join(before))
        if lookups and all(item.kind != "tests" for item in lookups):
            return Outcome(observation="\n\n".join(self._looked(item) for item in lookups))
        return await self._run(command)

    def _looked(self, lookup: Lookup) -> str:
        self.emit(StageStarted(str(lookup)))
        found = look(lookup, self.sources, budget_tokens=self.room_tokens, count=estimate_tokens)
        self.room_tokens -= estimate_tokens(found.text)
        for path, text in found.shown:
            self.conversation.mark_shown(path, text)
        return found.text

    async def _refused(self, command: str) -> Outcome | None:
        decision = await self.decide(Question(kind="command", subject=command))
        if decision.allowed:
            return None
        self.emit(Notice(f"{command} was not run: {decision.reason or DECLINED.reason}"))
        return Outcome(end=DECLINED)

    async def _tests(self, command: str, before: str) -> Outcome:
        if self.run_tests is None:
            return await self._run(command)
        if refused := await self._refused(command):
            return refused
        self.emit(StageStarted("running all tests"))
        try:
            report = await self.run_tests()
        except SandboxError as err:
            return _no_answer(err)
        self.emit(TestsFinished(report))
        self.conversation.look_at(failing_files(report, self.sources))
        await self.best.judged(report)
        told = tests_digest(report, self.sources)
        if not report.all_green:
            told += await self._explained(report)
        return Outcome(
            observation=f"{before}\n\n{told}" if before else told,
            failed=not report.all_green,
            report=report,
        )

    async def _run(self, command: str) -> Outcome:
        if self.run_command is None:
            told = "Commands cannot be run here. Answer without running anything."
            return Outcome(observation=told, failed=True)
        if refused := await self._refused(command):
            return refused
        self.emit(StageStarted(f"running {command}"))
        try:
            execution = await self.run_command(command)
        except SandboxError as err:
            return _no_answer(err)
        digest = command_digest(command, execution)
        if not execution.succeeded:
            self.conversation.look_at(Names(self.sources.files).mentioned(digest))
            digest += await self._explained(execution)
        self.emit(OutputChunk(digest))
        return Outcome(observation=digest, failed=not execution.succeeded)

    async def _explained(self, failed: Execution | TestReport) -> str:
        said = await self.explain(failed, self.sources) if self.explain is not None else ()
        return "".join(f"\n{sentence}" for sentence in said)


def _no_answer(err: SandboxError) -> Outcome:
    reason = f"the sandbox gave no answer: {err}"
    return Outcome(end=End(ending=TurnEnding.FAILED, reason=reason))
