"""The interface of engines: token ids in, token ids out, and declared capabilities.

Engines are synchronous and used from as many threads at a time as they say, most of them from one; the
server wraps them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from learning.errors import LearningError
from learning.records import Sampling


class LocalModelError(LearningError):
    """Base of everything that fetching, opening or running a model can raise."""


class EngineError(LocalModelError):
    """The engine cannot answer; the message says what to do."""


class PromptTooLongError(EngineError):
    """The prompt does not fit into the model's context."""


class AdapterMismatchError(EngineError):
    """An adapter was made for other weights, another tokenizer or another chat template."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Abilities of an engine beyond producing text."""

    token_ids: bool
    logprobs: bool
    adapters: bool
    at_once: int = 1
    """Number of replies that may be made at the same time, each in a thread of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One generated token."""

    id: int
    logprob: float
    """Natural log-probability under the model's own distribution (temperature 1, no top-p)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Counted work of one generation."""

    prompt_tokens: int
    cached_tokens: int
    """Prompt tokens taken from the KV cache of an earlier request instead of re-read."""
    completion_tokens: int
    drafted_tokens: int = 0
    """Tokens that were guessed from the prompt and verified, of which `accepted_tokens` were right."""
    accepted_tokens: int = 0


def check_effect(name: str, base: Sequence[float], adapted: Sequence[float]) -> None:
    """Check that an adapter has an effect, by log-probabilities of the same tokens without and with it.

    Raises:
        EngineError: If the adapter changes nothing, or breaks the model's arithmetic.
    """
    if not all(math.isfinite(value) for value in adapted):
        raise EngineError(f"The adapter {name} makes the model's numbers infinite; do not use it.")
    if list(base) == list(adapted):
        raise EngineError(f"The adapter {name} has no effect on what the model says.")


class Engine(Protocol):
    """A model that continues token sequences."""

    @property
    def capabilities(self) -> Capabilities: ...

    @property
    def context_length(self) -> int:
        """Largest number of prompt plus completion tokens."""
        ...

    @property
    def alive(self) -> bool:
        """False if the computing process has died and `revive` must be called first."""
        ...

    def revive(self) -> None:
        """Restart a dead engine with its adapters; do nothing if it is alive. Called in the engine's thread.

        Raises:
            EngineError: If that fails; the engine stays dead.
        """
        ...

    def generate(
        self,
        prompt_ids: Sequence[int],
        *,
        sampling: Sampling,
        stop_ids: Sequence[int],
        adapter: str | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        on_usage: Callable[[Usage], None] = lambda _: None,
    ) -> Iterator[Token]:
        """Yield tokens until a stop id (not yielded), `max_tokens`, or `cancelled()` is true.

        `on_usage` is called once, at the end.

        Raises:
            PromptTooLongError: If the prompt leaves no room for one token.
            EngineError: If `adapter` is not loaded, or the engine died.
        """
        ...

    def prepare_adapter(self, name: str, folder: Path) -> Callable[[], None]:
        """Do the slow part of loading a PEFT folder, in any thread, while replies go on.

        The returned function makes the adapter usable under its immutable name. It is called in the
        engine's thread, between two replies. By then the adapter is warm and known to have an effect.

        Raises:
            EngineError: From either part, if the folder is not a valid adapter or has no effect.
        """
        ...

    def close(self) -> None:
        """Free the weights. Safe to call twice."""
        ...
