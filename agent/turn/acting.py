"""Does what a reply asks for: writes its files, runs its command, or asks for the reply again."""

from __future__ import annotations

from dataclasses import dataclass

from agent.events import Notice, ReplyUnusable
from agent.reply.parsed import FileEdits, ParsedReply, PlainAnswer, ShellCommand, Unusable
from agent.streaming import Emit
from agent.turn.commands import Commands
from agent.turn.outcome import DONE, REASKED_ENOUGH, Outcome
from agent.turn.writing import Writing

MOST_REASKS = 2


@dataclass(kw_only=True)
class Actions:
    """The means of one turn."""

    writing: Writing
    commands: Commands
    emit: Emit
    reasks: int = 0
    """Replies that were asked for again."""

    async def act(self, reading: ParsedReply) -> Outcome:
        """Do what a reply asks for.

        Raises:
            WorkspaceError: If a state of the files cannot be recorded.
        """
        self.writing.begin()
        outcome = await self._done(reading)
        self.reasks += outcome.again
        return outcome

    async def _done(self, reading: ParsedReply) -> Outcome:
        match reading:
            case PlainAnswer(notes=notes):
                self._warn(notes)
                return Outcome(end=DONE)
            case Unusable(reason=reason):
                return self._ask_again(reason)
            case ShellCommand(command=command, notes=notes):
                self._warn(notes)
                return await self.commands.do(command)
            case FileEdits():
                return await self._edit(reading)

    async def _edit(self, reading: FileEdits) -> Outcome:
        written = await self.writing.write(reading)
        if isinstance(written, str):
            return self._ask_again(written)
        if written is not None:
            return written
        if not reading.command:
            return Outcome(end=DONE)
        outcome = await self.commands.do(reading.command)
        return outcome if outcome.end else self.writing.with_kept_parts(outcome)

    def _ask_again(self, reason: str) -> Outcome:
        number = self.reasks + 1
        more = number <= MOST_REASKS
        self.emit(ReplyUnusable(reason, number + 1 if more else 0, MOST_REASKS + 1))
        if not more:
            return Outcome(end=REASKED_ENOUGH, again=True)
        return Outcome(observation=reason, failed=True, unusable=True, again=True)

    def _warn(self, notes: tuple[str, ...]) -> None:
        for note in notes:
            self.emit(Notice(note, "warning"))
