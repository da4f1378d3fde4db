"""The task of an evaluation, a reply to it, and the verdicts on the reply."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from learning.evaluation.prompting import Prompt
from learning.records import Sampling

PASS = "pass"  # noqa: S105 - not a password


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """One reply and its cost."""

    text: str
    finish: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    duration_s: float = 0.0
    prompt_ids: tuple[int, ...] = ()
    token_ids: tuple[int, ...] = ()
    """Every token that was made, those after a stop included; empty where a server tells none."""
    logprobs: tuple[float, ...] | None = None


class Generator(Protocol):
    """A model that answers evaluation prompts."""

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generated:
        """Answer one prompt, cut before the first of its stops."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdicts on one reply."""

    raw: str
    """The answer as it stands in the reply: code, or a number."""
    clean: str
    """The answer with everything else taken away; its verdict counts."""
    raw_verdict: str
    """A word of `sandbox.box.status.Status`."""
    verdict: str
    message: str = ""
    """The reason why the clean answer failed, in one line."""
    sandbox_s: float = 0.0
    stale: bool = False
    """True if the code failed with the error of an API that the library does not have."""

    @property
    def passed(self) -> bool:
        return self.verdict == PASS


async def _believed() -> None:
    """Check no reference: the judge compares with a known answer and runs nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A prompt, and the judge of replies to it."""

    id: str
    prompt: Prompt
    judge: Callable[[Generated], Awaitable[Judged]]
    check_reference: Callable[[], Awaitable[None]] = _believed
    """Judges the task's own solution and raises if that fails: then no verdict can be believed."""
    split: str = ""
    """The part of a set to which the task belongs, where tasks themselves say so."""
