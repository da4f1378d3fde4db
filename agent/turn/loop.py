"""Runs one turn of the conversation: ask the model, act on its reply, tell it the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.approval import Approver, Decision, Question
from agent.events import (
    Event,
    Notice,
    TurnEnding,
    TurnFinished,
)
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.model.protocol import Model
from agent.prompt_files import Name
from agent.reply.parsed import FileEdits, ParsedReply, ShellCommand
from agent.settings.schema import TurnSettings
from agent.streaming import Emit, stream_events
from agent.turn.acting import Actions
from agent.turn.beginning import Beginning
from agent.turn.best import BestState, Checkpoints
from agent.turn.commands import Commands, RunTests
from agent.turn.conversation import NOT_USABLE, Conversation
from agent.turn.following import FollowUp
from agent.turn.history import TurnHistory
from agent.turn.opening import Background
from agent.turn.outcome import End, Outcome
from agent.turn.replying import Replies
from agent.turn.steps import TurnLog, TurnRecorder, TurnStep
from agent.turn.stuck import Step, stuck_reason
from agent.turn.tools import Explain, RunCommand
from agent.turn.writing import Writing
from learning.records import Action, Message, Sampling

__all__ = ["Background", "Conversation", "RunCommand", "run_turn"]

_NOT_KEPT = (
    "nothing of this is kept to learn from: the conversation holds output of an MCP server's tool;"
    " /clear begins one without"
)
_WORTH_GOING_BACK = (TurnEnding.STUCK, TurnEnding.LIMIT, TurnEnding.UNUSABLE)


_LIMITS = TurnSettings()


def run_turn(
    conversation: Conversation,
    user_text: str,
    *,
    root: Path,
    files: Sequence[str],
    model: Model,
    approver: Approver,
    run_command: RunCommand | None = None,
    run_tests: RunTests | None = None,
    limits: TurnSettings = _LIMITS,
    temperature: float = 0.0,
    allow_test_edits: bool = True,
    checkpoints: Checkpoints | None = None,
    background: Background | None = None,
    system: Name = "system",
    recorder: TurnRecorder | None = None,
    explain: Explain | None = None,
    wanted: Wanted | None = None,
    facts: str = "",
    asked: str | None = None,
    begun: str = "",
) -> AsyncGenerator[Event, None]:
    """Answer one request of the user; the last event is `TurnFinished`.

    `wanted` is the kind of the request: after a question, an explanation or a run no file changes,
    whatever the model says. `facts` are what was seen for it already; they go along with it.

    `asked` are the person's own words, where `user_text` is a step of a plan for them; empty where
    they are noted already. Only they say which files are written without a question. `begun` is
    how the first reply begins.

    `files` are the repository's files relative to `root`. `recorder` is told of every action with
    what came of it. `explain` asks the environment why a command failed. `checkpoints` lets a turn
    that got stuck go back to the best state that the tests have seen. Edits that were applied stay
    when this is cancelled; each is whole.

    Raises:
        ModelError: If the model gives no answer.
        WorkspaceError: If a state of the files cannot be recorded.
    """

    async def work(emit: Emit) -> None:
        sources = Sources(root, files)
        kept = recorder
        if recorder is not None and conversation.holds_outside:
            kept = None
            emit(Notice(_NOT_KEPT))
        history = TurnHistory(
            conversation=conversation,
            user_text=user_text,
            model=model,
            limits=limits,
            background=background or Background(),
            system=system,
            sources=sources,
            emit=emit,
            wanted=wanted,
            facts=facts,
        )
        turn = _Turn(
            conversation=conversation,
            asked=user_text if asked is None else asked,
            approver=approver,
            limits=limits,
            history=history,
            replies=Replies(
                conversation=conversation,
                user_text=user_text,
                model=model,
                history=history,
                sampling=Sampling(temperature=temperature, max_tokens=limits.max_reply_tokens),
                emit=emit,
                wanted=wanted,
                begun=Beginning(text=begun) if begun else None,
            ),
            following=FollowUp(user_text=user_text, wanted=wanted, sources=sources, emit=emit),
            log=TurnLog(kept, emit, sources.text),
            emit=emit,
            wanted=wanted,
        )
        best = BestState(checkpoints, sources.text)
        writing = Writing(
            conversation=conversation,
            user_text=user_text,
            sources=sources,
            decide=turn.decide,
            emit=emit,
            best=best,
            allow_test_edits=allow_test_edits,
        )
        commands = Commands(
            conversation=conversation,
            sources=sources,
            decide=turn.decide,
            emit=emit,
            best=best,
            run_command=run_command,
            run_tests=run_tests,
            explain=explain,
        )
        turn.actions = Actions(writing=writing, commands=commands, emit=emit)
        end = await turn.run()
        emit(TurnFinished(end.reason, end.ending))

    return stream_events(work)


@dataclass(kw_only=True)
class _Turn:
    """One turn's tools, and its progress."""

    conversation: Conversation
    asked: str
    approver: Approver
    limits: TurnSettings
    history: TurnHistory
    replies: Replies
    following: FollowUp
    log: TurnLog
    emit: Emit
    wanted: Wanted | None = None
    actions: Actions = field(init=False)
    clock: asyncio.Timeout = field(init=False)
    steps: list[Step] = field(default_factory=list)

    async def run(self) -> End:
        """The reason why the turn ended, with the best state in place if it went wrong."""
        try:
            async with asyncio.timeout(self.limits.max_seconds) as self.clock:
                end = await self._run()
        except TimeoutError:
            if not self.clock.expired():
                raise
            end = _limit(f"the time limit of {self.limits.max_seconds:g} s is reached")
        if end.ending not in _WORTH_GOING_BACK:
            return end
        went_back = await self.actions.writing.best.go_back()
        if went_back:
            self.log.put_back()
        return replace(end, reason=f"{end.reason}; {went_back}") if went_back else end

    async def decide(self, question: Question) -> Decision:
        """Ask whether it may happen; the clock stands still meanwhile."""
        left = (self.clock.when() or 0.0) - asyncio.get_running_loop().time()
        self.clock.reschedule(None)
        try:
            return await self.approver.decide(question)
        finally:
            if not self.clock.expired():
                self.clock.reschedule(asyncio.get_running_loop().time() + left)

    async def _run(self) -> End:
        self.conversation.asked(self.asked)
        if problem := await self.history.open():
            return problem
        for left in reversed(range(self.limits.max_replies)):
            history = self.conversation.messages
            answer = await self.replies.next(reasks=self.actions.reasks)
            if isinstance(answer, End):
                return answer
            outcome = None
            try:
                reading = self.replies.read(answer, self.actions.writing.sources)
                self.actions.commands.room_tokens = self.replies.free_tokens // 2
                outcome = await self.actions.act(reading)
            finally:
                # Whatever happened, roles go on alternating, and what was said stays said; but a
                # reply that could not be used is not shown to the model again, which would repeat it.
                unusable = outcome is not None and outcome.unusable
                self.conversation.say(
                    "assistant", NOT_USABLE if unusable else answer.text or NOT_USABLE
                )
            await self._record(history, answer, reading, outcome)
            outcome = await self._follow_up(outcome) if left else outcome
            if outcome.end is not None:
                if self._only_answers and self.history.looked_at:
                    self.emit(Notice(f"looked at {', '.join(self.history.looked_at)}"))
                return outcome.end
            if end := self._no_further(answer, outcome, left):
                return end
            if problem := await self.history.go_on(outcome.observation):
                return problem
            self.replies.begun = outcome.begun
        raise AssertionError("the last reply ends the turn")

    def _no_further(self, answer: Action, outcome: Outcome, left: int) -> End | None:
        """The reason why there is no further reply; None if there is one."""
        report = outcome.report
        red = None if report is None else frozenset(f"{r.id} {r.message}" for r in report.red)
        step = Step(
            action=answer.text,
            observation=outcome.observation,
            failed=outcome.failed,
            edits=len(self.actions.writing.edits),
            red=red,
        )
        self.steps.append(step)
        if reason := stuck_reason(self.steps):
            thinks = f"{self.replies.model.name} only thinks and gives no answer"
            reason = thinks if self.replies.only_thought else reason
            return End(ending=TurnEnding.STUCK, reason=f"stuck: {reason}")
        if (outcome.unusable or outcome.again) and self._is_late:
            return End(ending=TurnEnding.UNUSABLE, reason=self._late)
        if not left:
            return _limit(f"the limit of {self.limits.max_replies} replies is reached")
        if self.replies.used_tokens >= self.limits.max_tokens:
            return _limit(f"the limit of {self.limits.max_tokens} tokens is reached")
        return None

    @property
    def _is_late(self) -> bool:
        return self.replies.answering_s >= self.limits.again_s

    @property
    def _late(self) -> str:
        return (
            f"no usable reply in {self.replies.answering_s:.0f} s; the model is not asked once more"
            f" after {self.limits.again_s:g} s (turn.again_s)"
        )

    async def _follow_up(self, outcome: Outcome) -> Outcome:
        if self._is_late:
            return outcome
        writing = self.actions.writing
        return await self.following.after(outcome, writing.edits, writing.kept_parts)

    @property
    def _only_answers(self) -> bool:
        """True if no file may change in this turn."""
        return self.wanted is not None and not self.wanted.may_write

    async def _record(
        self, history: Sequence[Message], action: Action, reading: ParsedReply, outcome: Outcome
    ) -> None:
        """Keep an action with its outcome."""
        step = TurnStep(
            messages=tuple(history),
            action=action,
            edits=tuple(self.actions.writing.edits),
            command=reading.command if isinstance(reading, (FileEdits, ShellCommand)) else "",
            observation=outcome.observation or (outcome.end.reason if outcome.end else ""),
        )
        in_part = self.actions.writing.in_part
        await self.log.record(step, outcome.report, in_part=in_part)


def _limit(reason: str) -> End:
    return End(ending=TurnEnding.LIMIT, reason=reason)
