"""Conversations from outside any repository, on which a round should change nothing.

The distance of an adapter from the base model on such text predicts how much it forgets (arXiv
2509.04259), so a term of the loss keeps it small. Nothing here imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from learning.records import Message
from learning.training.chat_format import Format

_TEXTS = Path(__file__).with_name("replay.md")
_SEPARATOR = "\n---\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored:
    """One conversation on which the student should stay at the base model."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    """Indices of the reply's tokens."""


def replay(chat: Format, *, max_tokens: int = 128) -> Sequence[Anchored]:
    """The shipped conversations as token ids, each cut to `max_tokens`."""
    return [
        anchored
        for text in _TEXTS.read_text(encoding="utf-8").split(_SEPARATOR)
        if (anchored := _anchored(text, chat, max_tokens)).positions
    ]


def _anchored(text: str, chat: Format, max_tokens: int) -> Anchored:
    asked, _, reply = text.strip().partition("\n\n")
    prompt = chat.encode([Message(role="user", content=asked)])
    ids = (*prompt, *chat.encode_text(reply))[:max_tokens]
    return Anchored(ids=ids, positions=tuple(range(len(prompt), len(ids))))
