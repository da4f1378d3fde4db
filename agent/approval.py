"""The one question asked upward: may this happen?

What needs asking is decided here from the mode; how a person is asked is the front end's matter.
Edits inside the repository and commands inside the sandbox are reversible, so `auto` allows them.
A file that the request neither names nor needs is asked about in `auto` too.
What leaves the sandbox is asked about in every mode, with the exact command or diff: a dependency
that cannot be built without a network, the git hooks of `--commit --hooks`, a tool of an MCP server, and an edit of a file
that programs on the host run or obey by themselves.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from agent.settings.schema import ApprovalSettings

Mode = Literal["ask", "auto", "plan"]
MODES: tuple[Mode, ...] = ("ask", "auto", "plan")
NOTHING_SETTLED = ApprovalSettings()
_JOINS = re.compile(r"[;&|<>$`\n]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """An action that the model wants to take, shown exactly."""

    kind: Literal["edit", "command", "network build", "host command", "masked copy", "outside tool"]
    subject: str
    """The path of the file, the command line, the source archive that would be built, or the tool."""
    paths: tuple[str, ...] = ()
    """The files of an edit of several, which `subject` only names for people."""
    detail: str = ""
    """The diff of an edit, or what leaving the sandbox means."""
    problem: str = ""
    """The reason why the last answer could not be carried out, if this is asked again."""

    host_use: str = ""
    """The program on the host that would run or obey what is written; empty if none is known."""

    linked: bool = False
    """True if a path leads through a symbolic link, so that another file is written than it names."""

    unasked: str = ""
    """The reason why the request does not seem to want this file; empty if it does."""

    @property
    def leaves_sandbox(self) -> bool:
        """True if a yes lets something out of the box, which no mode allows by itself."""
        return self.kind not in ("edit", "command") or bool(self.host_use)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The answer, with a reason that the model may read when it is no."""

    allowed: bool
    reason: str = ""
    instead: str = ""
    """What to do instead, with which the turn goes on."""
    ours: bool = False
    """True if `instead` is ours, because nobody is there to say it."""
    kept: frozenset[int] | None = None
    """Numbers of the hunks that may be written, from 0 as the diff shows them; None for all."""


class Approver(Protocol):
    """Answers questions about edits and sandboxed commands."""

    async def decide(self, question: Question) -> Decision: ...


Ask = Callable[[Question], Awaitable[Decision]]


def is_settled(question: Question, settled: ApprovalSettings) -> bool:
    """True for an edit of files, or a command, whose every name fits a pattern of the person's."""
    if question.kind == "edit":
        names, patterns = question.paths or (question.subject,), settled.edits
    else:
        names, patterns = (question.subject,), settled.commands
    wanted = [each.strip() for each in (patterns or "").split(",") if each.strip()]
    if question.linked or (len(wanted) > 1 and "*" in wanted):  # a `*` that a comma left over
        return False
    return all(any(_fits(name, each) for each in wanted) for name in names)


def _fits(name: str, pattern: str) -> bool:
    """True if a pattern stands for a name; `*` stands for nothing that joins commands of a shell."""
    return fnmatch.fnmatchcase(name, pattern) and set(_JOINS.findall(name)) <= set(pattern)


_AS_ASKED = "Do what was asked, in the file that it is about, and write no other file."


@dataclass(frozen=True, slots=True)
class ModeApprover:
    """Answers by mode: `auto` says yes, `plan` says no, `ask` asks the person."""

    mode: Mode
    ask: Ask | None = None
    """Asks the person; without it, `ask` answers no."""
    settled: ApprovalSettings = NOTHING_SETTLED
    """Files and commands that the person allowed beforehand in mode `ask`."""

    async def decide(self, question: Question) -> Decision:
        stays = not (question.leaves_sandbox or question.unasked)
        match self.mode:
            case "plan" if question.kind in ("edit", "command"):
                return Decision(allowed=False, reason="plan mode only reads; nothing was changed")
            case "auto" | "ask" if stays and (
                self.mode == "auto" or is_settled(question, self.settled)
            ):
                return Decision(allowed=True)
        if self.ask is not None:
            return await self.ask(question)
        if question.host_use:
            reason = f"{question.host_use}; start elagent in a terminal to be asked"
            return Decision(allowed=False, reason=reason)
        if question.unasked:
            reason = f"{question.unasked}, and nobody is there to ask"
            return Decision(allowed=False, reason=reason, instead=_AS_ASKED, ours=True)
        return Decision(allowed=False, reason="nobody is there to approve it")
