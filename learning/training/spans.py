"""Maps the tokens of an action to their text: spans, changed lines, and kinds of text.

Tokens and lines have different borders; a token that reaches into a line counts as part of it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from learning.model.chat import TextStream

_FENCE = "```"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelled:
    """An action's text and the span of each token in it.

    Tokens that end inside a character share the span of the one that completes it.
    """

    text: str
    spans: tuple[tuple[int, int], ...]

    @property
    def lines(self) -> list[str]:
        return self.text.splitlines(keepends=True)

    def tokens_of(self, numbers: Sequence[int]) -> list[int]:
        """Indices of the tokens that reach into one of these lines."""
        starts = self._starts()
        wanted = [(starts[number], starts[number + 1]) for number in numbers]
        return [
            index
            for index, (start, end) in enumerate(self.spans)
            if any(start < stop and end > begin for begin, stop in wanted)
        ]

    def roles(self, *, prose: float) -> tuple[float, ...]:
        """The weight of each token by its kind of text: code 1, fences 0, the rest `prose`.

        A reply without any fence counts as code.
        """
        if _FENCE not in self.text:
            return (1.0,) * len(self.spans)
        weights: list[float] = []
        inside = False
        for line in self.lines:
            fence = line.lstrip().startswith(_FENCE)
            inside ^= fence
            weights += [0.0 if fence else 1.0 if inside else prose] * len(line)
        return tuple(weights[min(start, len(weights) - 1)] for start, _ in self.spans)

    def _starts(self) -> list[int]:
        starts = [0]
        for line in self.lines:
            starts.append(starts[-1] + len(line))
        return starts


def spell(ids: Sequence[int], decode: Callable[[Sequence[int]], str]) -> Spelled:
    """Decode the tokens and find the span of each."""
    stream = TextStream(decode)
    pieces = [stream.push(id_) for id_ in ids]
    rest = stream.flush()
    if pieces:
        pieces[-1] += rest
    spans: list[tuple[int, int]] = []
    end = sum(map(len, pieces))
    text = "".join(pieces)
    start = end
    for piece in reversed(pieces):
        if piece:
            end, start = start, start - len(piece)
        spans.append((start, end))
    return Spelled(text=text, spans=tuple(reversed(spans)))


def changed_lines(before: str, after: str, reply: Sequence[str]) -> list[int]:
    """Numbers of the reply's lines that the new file has and that a diff against the old file adds.

    For a pure deletion, the number of the line that now follows.
    """
    kept = {line.rstrip() for line in after.splitlines()}
    old, new = [[text.rstrip() for text in side] for side in (before.splitlines(), reply)]
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    changed: set[int] = set()
    for operation, old_from, old_to, new_from, new_to in matcher.get_opcodes():
        if operation == "delete" and any(old[old_from:old_to]):
            changed.add(new_from)
        elif operation != "equal":
            changed.update(range(new_from, new_to))
    return sorted(n for n in changed if n < len(new) and new[n] and new[n] in kept)
