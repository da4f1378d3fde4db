"""Runs one turn of the conversation: ask the model, act on its reply, tell it the outcome."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.approval import Approver, Decision, Question
from agent.editing.python_source import definitions
from agent.editing.source_files import is_test_path
from agent.events import (
    Event,
    Notice,
    StageStarted,
    TurnEnding,
    TurnFinished,
)
from agent.fixing.sources import Sources
from agent.intent.wanted import Wanted
from agent.model.protocol import ContextLengthError, Model, ReplyRefusedError
from agent.prompt_files import Name, filled
from agent.reply.parsed import FileEdits, ParsedReply, ShellCommand, Unusable
from agent.settings.schema import TurnSettings
from agent.streaming import Emit, stream_events
from agent.turn.acting import DONE, Actions, End, Outcome, RunTests
from agent.turn.asking import ONLY_THOUGHT, ask, unsaid
from agent.turn.best import BestState, Checkpoints
from agent.turn.conversation import INTERRUPTED, NOT_USABLE, Conversation
from agent.turn.demanded import unmet
from agent.turn.history import TurnHistory
from agent.turn.opening import Background, asks_for_test, is_for_tests
from agent.turn.reading import read_reply
from agent.turn.repeating import end_of_first_round, end_of_tests
from agent.turn.steps import TurnLog, TurnRecorder, TurnStep
from agent.turn.stuck import Step, stuck_reason
from agent.turn.tools import Explain, RunCommand
from learning.records import Action, Message, Sampling

__all__ = ["Background", "Conversation", "RunCommand", "run_turn"]

_MOST_CONTINUED = 2
"""Times that a reply which reaches its limit goes on; one that was asked for again does not."""
_TEMPERATURE_AGAIN = 0.4
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
) -> AsyncGenerator[Event, None]:
    """Answer one request of the user; the last event is `TurnFinished`.

    `wanted` is the kind of the request: after a question, an explanation or a run no file changes,
    whatever the model says. `facts` are what was seen for it already; they go along with it.

    `asked` are the person's own words, where `user_text` is a step of a plan for them; empty where
    they are noted already. Only they say which files are written without a question.

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
        turn = _Turn(
            conversation=conversation,
            user_text=user_text,
            asked=user_text if asked is None else asked,
            model=model,
            approver=approver,
            limits=limits,
            sampling=Sampling(temperature=temperature),
            history=TurnHistory(
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
            ),
            log=TurnLog(kept, emit, sources.text),
            emit=emit,
            wanted=wanted,
        )
        turn.actions = Actions(
            conversation=conversation,
            user_text=user_text,
            sources=sources,
            decide=turn.decide,
            emit=emit,
            best=BestState(checkpoints, sources.text),
            run_command=run_command,
            run_tests=run_tests,
            explain=explain,
            allow_test_edits=allow_test_edits,
        )
        end = await turn.run()
        emit(TurnFinished(end.reason, end.ending))

    return stream_events(work)


@dataclass(kw_only=True)
class _Turn:
    """One turn's tools, and its progress."""

    conversation: Conversation
    user_text: str
    asked: str
    model: Model
    approver: Approver
    limits: TurnSettings
    sampling: Sampling
    history: TurnHistory
    log: TurnLog
    emit: Emit
    wanted: Wanted | None = None
    before: dict[str, str | None] = field(default_factory=dict)
    """The texts of the files that this turn wrote, as they were; None for a new file."""
    asked_for_rest: bool = False
    asked_for_test: bool = False
    actions: Actions = field(init=False)
    clock: asyncio.Timeout = field(init=False)
    steps: list[Step] = field(default_factory=list)
    used_tokens: int = 0
    only_thought: bool = False
    """True if the last reply held thoughts and no answer."""

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
        went_back = await self.actions.best.go_back()
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
            answer = await self._reply()
            if isinstance(answer, End):
                return answer
            outcome = None
            try:
                reading = self._read(answer)
                outcome = await self.actions.act(reading)
            finally:
                # Whatever happened, roles go on alternating, and what was said stays said; but a
                # reply that could not be used is not shown to the model again, which would repeat it.
                unusable = outcome is not None and outcome.unusable
                self.conversation.say(
                    "assistant", NOT_USABLE if unusable else answer.text or NOT_USABLE
                )
            await self._record(history, answer, reading, outcome)
            outcome = self._follow_up(outcome) if left else outcome
            if outcome.end is not None:
                if self._only_answers and self.history.looked_at:
                    self.emit(Notice(f"looked at {', '.join(self.history.looked_at)}"))
                return outcome.end
            if end := self._no_further(answer, outcome, left):
                return end
            if problem := await self.history.go_on(outcome.observation):
                return problem
        raise AssertionError("the last reply ends the turn")

    def _no_further(self, answer: Action, outcome: Outcome, left: int) -> End | None:
        """The reason why there is no further reply; None if there is one."""
        report = outcome.report
        red = None if report is None else frozenset(f"{r.id} {r.message}" for r in report.red)
        step = Step(
            action=answer.text,
            observation=outcome.observation,
            failed=outcome.failed,
            edits=len(self.actions.edits),
            red=red,
        )
        self.steps.append(step)
        if reason := stuck_reason(self.steps):
            thinks = f"{self.model.name} only thinks and gives no answer"
            reason = thinks if self.only_thought else reason
            return End(ending=TurnEnding.STUCK, reason=f"stuck: {reason}")
        if not left:
            return _limit(f"the limit of {self.limits.max_replies} replies is reached")
        if self.used_tokens >= self.limits.max_tokens:
            return _limit(f"the limit of {self.limits.max_tokens} tokens is reached")
        return None

    async def _reply(self) -> Action | End:
        """The next reply; a reason if there is none, and then the history is closed already."""
        messages = self.conversation.messages
        room = await self.history.reply_room()
        if isinstance(room, End):
            return room
        sampling = replace(self.sampling, max_tokens=min(room, self.limits.max_reply_tokens))
        if self.actions.reasks:  # the same words at the same temperature give the same reply
            again = max(sampling.temperature, _TEMPERATURE_AGAIN)
            sampling = replace(sampling, temperature=again, seed=self.actions.reasks)
        limit = self.model.context_length
        used = f"{limit - room} of {limit} tokens are used"
        self.emit(StageStarted(f"{self.model.name} answers ({used})"))
        heard: list[str] = []
        said = False
        try:
            reply = await ask(
                self.model,
                messages,
                sampling=sampling,
                emit=self.emit,
                on_text=heard.append,
                circle=end_of_tests
                if is_for_tests(self.wanted, self.user_text)
                else end_of_first_round,
                prose_alone=self.wanted is Wanted.EXPLAIN,
                goes_on=0 if self.actions.reasks else _MOST_CONTINUED,
            )
            said = True
        except ContextLengthError as err:
            return End(ending=TurnEnding.CONTEXT_FULL, reason=str(err))
        except ReplyRefusedError as err:
            return End(ending=TurnEnding.UNUSABLE, reason=str(err))
        finally:
            if not said:
                self.conversation.say("assistant", f"{''.join(heard)}{INTERRUPTED}")
        self.used_tokens += reply.prompt_tokens - reply.cached_tokens + reply.completion_tokens
        self.actions.room_tokens = max(0, (room - reply.completion_tokens) // 2)
        self.only_thought = bool(unsaid(reply))
        if reply.action.finish == "length" and not self.only_thought:
            self.emit(
                Notice(f"the reply was cut off at {reply.completion_tokens} tokens", "warning")
            )
        return reply.action

    def _read(self, action: Action) -> ParsedReply:
        if self.only_thought:
            return Unusable(kind="empty", reason=ONLY_THOUGHT)
        return read_reply(
            action,
            user_text=self.user_text,
            conversation=self.conversation,
            sources=self.actions.sources,
            wanted=self.wanted,
            emit=self.emit,
        )

    def _follow_up(self, outcome: Outcome) -> Outcome:
        """The outcome; or, once each, the request for what the written code lacks, and for a test alone."""
        for edit in self.actions.edits:
            self.before.setdefault(edit.path, edit.before)
        if outcome.end is not DONE or not self.before:
            return outcome
        missing = "" if self.actions.kept_parts else "; ".join(self._unmet())
        if missing and not self.asked_for_rest:
            self.asked_for_rest = True
            self.emit(Notice(f"not there yet: {missing}; asking once more"))
            told = filled("then_complete", missing=missing, request=self.user_text)
            return replace(outcome, end=None, observation=told)
        if missing:
            self.emit(Notice(f"not there yet: {missing}", "warning"))
        wants = self.wanted is Wanted.NEW and asks_for_test(self.user_text)
        if self.asked_for_test or not wants or any(map(is_test_path, self.before)):
            return outcome
        self.asked_for_test = True
        told = filled("then_test", what=", ".join(self._new_names()) or "it")
        return replace(outcome, end=None, observation=told)

    def _new_names(self) -> list[str]:
        """The definitions that this turn added to Python code."""
        return [
            name
            for path, before in self.before.items()
            if path.endswith(".py")
            for name in definitions(self.actions.sources.text(path) or "")
            if name not in definitions(before or "")
        ]

    def _unmet(self) -> tuple[str, ...]:
        """What the request demands by name and the files of this turn do not have."""
        if self.wanted not in (Wanted.NEW, Wanted.EDIT):
            return ()
        now = {path: self.actions.sources.text(path) or "" for path in self.before}
        return unmet(self.user_text, now)

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
            edits=tuple(self.actions.edits),
            command=reading.command if isinstance(reading, (FileEdits, ShellCommand)) else "",
            observation=outcome.observation or (outcome.end.reason if outcome.end else ""),
        )
        other = any(
            each.added or each.is_part or each.has_factories
            for each in self.actions.completed.values()
        )
        in_part = bool(self.actions.kept_parts) or other
        await self.log.record(step, outcome.report, in_part=in_part)


def _limit(reason: str) -> End:
    return End(ending=TurnEnding.LIMIT, reason=reason)
