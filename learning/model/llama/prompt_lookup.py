"""Drafts for replies that copy from their prompt: the tokens that once followed what was said last.

Prompt lookup (LLMA, arXiv 2304.04487; n-grams of prompt and reply, no second model). We differ in three
ways: a copy goes on where it was before it looks elsewhere, drafts grow and shrink with what was
accepted, and drafting rests, ever longer, while it costs more than it saves.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

LONGEST_DRAFT = 48
_SHORTEST_DRAFT = 4
_LENGTHS = (8, 4, 3)
"""Numbers of last tokens that must have stood before, the most certain first."""
_COST = 0.1
"""Cost of verifying one drafted token, in tokens made one by one: 0.07 on two cores, 1.5B model."""
_MOST_CREDIT = 8.0
_REST = 16
_LONGEST_REST = 512


class PromptLookup:
    """Remembers the tokens of one reply, and how well drafts have paid."""

    def __init__(self, ids: Sequence[int]) -> None:
        """`ids` is what the model has read, its prompt and the reply so far."""
        self._ids: list[int] = []
        self._places: dict[tuple[int, ...], list[int]] = defaultdict(list)
        self._source = 0
        self._length = 2 * _SHORTEST_DRAFT
        self._credit = 0.0
        self._resting = 0
        self._rest = _REST
        for token in ids:
            self.push(token)
        self._resting = 0

    def push(self, token: int) -> None:
        """Add a token that the model has made."""
        for length in _LENGTHS:
            if len(self._ids) >= length:
                self._places[tuple(self._ids[-length:])].append(len(self._ids))
        self._ids.append(token)
        self._resting = max(0, self._resting - 1)

    def draft(self, limit: int) -> tuple[int, ...]:
        """At most `limit` tokens that may come next; none where a draft is not expected to pay."""
        if self._resting or limit < 1:
            return ()
        start = self._find()
        if start is None:
            return ()
        self._source = start
        return tuple(self._ids[start : start + min(limit, self._length)])

    def judge(self, drafted: int, accepted: int) -> None:
        """Learn from a draft of which the model accepted the first `accepted` tokens."""
        self._source += accepted
        if accepted == drafted:
            self._length = min(LONGEST_DRAFT, 2 * self._length)
        else:
            self._length = max(_SHORTEST_DRAFT, min(self._length, 2 * accepted))
        self._credit = min(_MOST_CREDIT, self._credit + accepted - _COST * drafted)
        if accepted:
            self._rest = max(_REST, self._rest // 2)
        if self._credit < 0:
            self._resting, self._rest = self._rest, min(_LONGEST_REST, 2 * self._rest)
            self._credit = 0.0

    def _find(self) -> int | None:
        """Find where the last tokens stood before, the place of the last copy first."""
        for length in _LENGTHS:
            places = self._places.get(tuple(self._ids[-length:]), ())
            if places:
                return next((place for place in places if place >= self._source), places[-1])
        return None
