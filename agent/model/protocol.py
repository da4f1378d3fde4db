"""The model seam: something that continues a conversation, and the ways in which it can fail.

The client of HTTP servers is in `agent.model.http_model`; finding or starting one is `agent.model.serving`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

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
    "Continuer",
    "Fill",
    "FillRequest",
    "GapFiller",
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
    """The model's reasoning before the reply, if the server tells it apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """The model sent nothing for a while."""

    reason: str
    """Words for what is waited for; they stay the same as long as it is the same."""
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FillRequest:
    """A gap between two pieces of a file, and the fills that are wanted."""

    prefix: str
    suffix: str
    fills: int = 1
    """Fills, each of which begins with another of the likeliest tokens."""
    skip: int = 0
    """So many of the likeliest first tokens are left out."""
    max_tokens: int = 40
    stop: str = "\n"
    """A fill ends before this text."""
    least: float = 0.005
    """Least probability of a first token, among those that are not avoided."""
    avoid: str = ""
    """No fill begins with a token that begins with this text; empty for any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """One text for a gap between two pieces of a file."""

    text: str
    logprob: float
    """Sum of the natural log-probabilities of its tokens."""
    tokens: int


@runtime_checkable
class GapFiller(Protocol):
    """Something that fills a gap in a file."""

    async def fill(self, request: FillRequest, *, timeout_s: float = 60.0) -> Sequence[Fill]:
        """Return fills of a gap, that with the likeliest first token first.

        Empty if the server or the model cannot fill.

        Raises:
            ModelError: If nobody answers within `timeout_s` seconds.
        """
        ...


@runtime_checkable
class Continuer(Protocol):
    """A model whose replies can be begun for it."""

    @property
    def continues(self) -> bool:
        """False where its server is known to have no place for a beginning."""
        ...

    async def choose(
        self,
        messages: Sequence[Message],
        begun: str,
        choices: Sequence[str],
        *,
        timeout_s: float = 60.0,
    ) -> str:
        """Return the choice that is likeliest behind `begun`; empty where nobody can tell.

        Raises:
            ModelError: If nobody answers within `timeout_s` seconds.
        """
        ...

    def stream(
        self, messages: Sequence[Message], *, sampling: Sampling, begun: str = ""
    ) -> AsyncIterator[str | Reply | Waiting]:
        """See `Model.stream`; only what comes behind `begun` is given."""
        ...


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
