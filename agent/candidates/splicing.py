"""Splices a reply again and again, until no name in it is absent or what may be spent is spent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from agent.advice.existing import ExistingNames
from agent.candidates.absence import Absence, absence_in
from agent.candidates.splice import Cut, cuts, with_import


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumed:
    """A model's continuation of the beginning of a reply."""

    text: str
    tokens: int


class Voice(Protocol):
    """The model that wrote a reply, which can go on from any place in it."""

    async def choose(self, begun: str, choices: tuple[str, ...]) -> str:
        """The choice that is likeliest behind `begun`; empty where nobody can tell.

        Raises:
            ModelError: If the model does not answer.
        """
        ...

    async def resume(self, begun: str, max_tokens: int) -> Resumed | None:
        """Go on behind `begun` to the end of the reply; None where the server cannot.

        Raises:
            ModelError: If the model does not answer.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SpliceLimits:
    """Limits of splicing one reply."""

    cuts: int = 6
    tokens: int = 512
    """New tokens for all cuts together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The failure of a reply: its error, and the names that exist there."""

    message: str
    there: Callable[[], Awaitable[ExistingNames]]


Judge = Callable[[str], Awaitable[Failed | None]]
"""Judges a whole reply; None if it passes."""


@dataclass(slots=True, kw_only=True)
class Spliced:
    """A reply after splicing."""

    reply: str
    passed: bool = False
    done: list[str] = field(default_factory=list)
    """Each change in words: `trapz: .trapezoid`."""
    tokens: int = 0


async def spliced(
    reply: str,
    failed: Failed,
    *,
    voice: Voice,
    judge: Judge,
    limits: SpliceLimits = SpliceLimits(),
) -> Spliced:
    """Cut a reply before what is absent, put in what exists, let the model go on, and judge it.

    Where no error names an absent piece any more, where the model cannot go on, or where the limits
    are reached, the last reply is returned as it is.

    Raises:
        ModelError: If the model does not answer.
    """
    made = Spliced(reply=reply)
    steps = _Steps(voice)
    now: Failed | None = failed
    while now is not None and len(made.done) < limits.cuts and made.tokens < limits.tokens:
        absence = absence_in(now.message)
        left = limits.tokens - made.tokens
        step = await steps.next(made.reply, absence, await now.there(), left) if absence else None
        if step is None:
            break
        made.reply, made.tokens = step.reply, made.tokens + step.tokens
        made.done.append(step.words)
        now = await judge(made.reply)
    made.passed = now is None
    return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Step:
    """One piece put in its place."""

    reply: str
    words: str
    tokens: int = 0


class _Steps:
    """Makes one change after the other, none twice."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._made: set[str] = set()

    async def next(
        self, reply: str, absence: Absence, there: ExistingNames, most_tokens: int
    ) -> _Step | None:
        """The next change, or None if there is none that was not made before."""
        if absence.undefined:
            return self._import(reply, absence, there.statement)
        for cut in cuts(reply, absence, there):
            new = tuple(text for text in cut.choices if cut.begun + text not in self._made)
            if not new or not (chosen := await self._chosen(cut, new)):
                continue
            begun = cut.begun + chosen
            self._made.add(begun)
            resumed = await self._voice.resume(begun, most_tokens)
            if resumed is None:
                return None
            return _Step(
                reply=begun + resumed.text,
                words=f"{absence.name}: {chosen.strip(' ,')}",
                tokens=resumed.tokens,
            )
        return None

    def _import(self, reply: str, absence: Absence, statement: str) -> _Step | None:
        if not statement or statement in self._made:
            return None
        self._made.add(statement)
        return _Step(reply=with_import(reply, statement), words=f"{absence.name}: {statement}")

    async def _chosen(self, cut: Cut, choices: tuple[str, ...]) -> str:
        """The only choice, else the model's, else the first where the environment itself names it."""
        if len(choices) == 1:
            return choices[0]
        chosen = await self._voice.choose(cut.begun, choices)
        return chosen or (choices[0] if cut.advised else "")
