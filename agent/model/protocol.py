"""The model seam: something that continues a conversation, and the ways in which it can fail.

The client of HTTP servers is in `agent.model.http_model`; finding or starting one is `agent.model.serving`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from agent.errors import (
    AdapterRefusedError,
    AuthenticationError,
    ContextLengthError,
    ModelError,
    ModelMissingError,
    ReplyRefusedError,
    ReplyTimeoutError,
    ServerStartError,
    ServerUnreachableError,
)
from learning.records import Action, Message, Sampling

__all__ = [
    "AdapterRefusedError",
    "AuthenticationError",
    "ContextLengthError",
    "Model",
    "ModelError",
    "ModelMissingError",
    "Reply",
    "ReplyRefusedError",
    "ReplyTimeoutError",
    "ServerStartError",
    "ServerUnreachableError",
    "Waiting",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One finished reply and what it cost."""

    action: Action
    prompt_tokens: int = 0
    """0 when the server did not say."""
    cached_tokens: int = 0
    """Prompt tokens that the server did not have to read again."""
    completion_tokens: int = 0
    duration_s: float = 0.0
    thought: str = ""
    """What the model thought before, where the server tells that apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Nothing came for a while."""

    reason: str
    """For what is waited; the same words as long as it is the same."""
    elapsed_s: float


class Model(Protocol):
    """Something that continues a conversation."""

    @property
    def name(self) -> str:
        """The base model."""
        ...

    @property
    def adapter(self) -> str | None:
        """The adapter that will make the replies; None for the bare base model."""
        ...

    @property
    def context_length(self) -> int:
        """Largest number of prompt plus reply tokens."""
        ...

    def stream(
        self, messages: Sequence[Message], *, sampling: Sampling
    ) -> AsyncIterator[str | Reply | Waiting]:
        """Yield pieces of text as they come, then exactly one Reply, then end.

        In between may come any number of words about what is waited for.
        Cancelling the task that iterates ends the generation on the server at once.

        Raises:
            ModelError: If there is no answer; a leaf of its tree says why.
        """
        ...

    async def count_tokens(self, messages: Sequence[Message]) -> int:
        """Length of the prompt in tokens; an upper estimate where the server cannot count.

        Raises:
            ModelError: If the server does not answer.
        """
        ...
