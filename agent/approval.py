"""The one question asked upward: may this happen?

What needs asking is decided here from the mode; how a person is asked is the front end's matter.
Edits inside the repository and commands inside the sandbox are reversible, so `auto` allows them.
What leaves the sandbox is asked about in every mode, with the exact command: a dependency that
cannot be built without a network, and the git hooks of `--commit --hooks`. Nothing else is offered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

Mode = Literal["ask", "auto", "plan"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the model wants to do, shown exactly."""

    kind: Literal["edit", "command", "network build", "host command"]
    subject: str
    """The path of the file, the command line, or the source archive that would be built."""
    detail: str = ""
    """The diff of an edit, or what leaving the sandbox means."""
    problem: str = ""
    """Why the last answer could not be carried out, where this is asked again."""

    @property
    def leaves_sandbox(self) -> bool:
        """Whether a yes lets something out of the box, which no mode allows by itself."""
        return self.kind in ("network build", "host command")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer, with a reason that the model may read when it is no."""

    allowed: bool
    reason: str = ""
    kept: frozenset[int] | None = None
    """Which hunks of an edit may be written, counted from 0 as the diff shows them; None for all."""


class Approver(Protocol):
    """Answers questions about edits and sandboxed commands."""

    async def decide(self, question: Question) -> Decision: ...


Ask = Callable[[Question], Awaitable[Decision]]


@dataclass(frozen=True, slots=True)
class ModeApprover:
    """Answers by mode: `auto` says yes, `plan` says no, `ask` asks the person."""

    mode: Mode
    ask: Ask | None = None
    """How to ask the person; without it, `ask` answers no."""

    async def decide(self, question: Question) -> Decision:
        mode: Mode = "ask" if question.leaves_sandbox else self.mode
        match mode:
            case "auto":
                return Decision(allowed=True)
            case "plan":
                return Decision(allowed=False, reason="plan mode only reads; nothing was changed")
            case "ask" if self.ask is not None:
                return await self.ask(question)
            case "ask":
                return Decision(allowed=False, reason="nobody is there to approve it")
