"""The conversion between conversations and token ids, as far as training needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from learning.records import Message


class Format(Protocol):
    """Converts between conversations and token ids, as `learning.model.chat.ChatFormat` does."""

    def encode(self, messages: Sequence[Message]) -> list[int]: ...

    def encode_text(self, text: str) -> list[int]: ...

    def decode(self, ids: Sequence[int]) -> str: ...
