"""Places an API in the tokens of a completion: the new name, and the first token of its stale twin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from learning.training.chat_format import Format
from learning.training.job import Example
from learning.training.spans import spell


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiTokens:
    """Tokens of a row about an API that changed, as indices into its token ids."""

    names: tuple[int, ...]
    """The tokens that spell the new name and the arguments that belong to it."""
    differs: int | None = None
    """The first token that the stale completion has not; None without one."""
    stale_id: int | None = None
    """The vocabulary id that the stale completion has there."""

    def moved(self, by: int, *, end: int) -> ApiTokens:
        """The same tokens `by` places further on, without those at or behind `end`."""
        fits = self.differs is not None and self.differs + by < end
        return ApiTokens(
            names=tuple(name + by for name in self.names if name + by < end),
            differs=self.differs + by if fits and self.differs is not None else None,
            stale_id=self.stale_id if fits else None,
        )


def api_tokens(example: Example, chat: Format) -> ApiTokens:
    """Find the place of a row's API among the tokens of its completion.

    A token that reaches into the name is part of it. The place of the contrast is the first token, not
    the first character, in which the two completions differ: up to it their token ids are the same.
    A pair whose name has no place is given that token as its name.
    """
    use, action = example.use, example.step.action
    names = named_tokens(example, chat)
    differs, stale_id = _first_difference(
        action.token_ids, chat.encode_text(use.stale) if use is not None and use.stale else ()
    )
    if not names and differs is not None:
        names = (differs,)
    return ApiTokens(names=names, differs=differs, stale_id=stale_id)


def named_tokens(example: Example, chat: Format) -> tuple[int, ...]:
    """Indices of the tokens of a row's completion that reach into a name of its use."""
    spelled = spell(example.step.action.token_ids, chat.decode)
    spans = example.use.names if example.use and spelled.text == example.chosen else ()
    return tuple(
        index
        for index, (start, end) in enumerate(spelled.spans)
        if any(start < stop and end > begin for begin, stop in spans)
    )


def _first_difference(
    chosen: Sequence[int], stale: Sequence[int]
) -> tuple[int, int] | tuple[None, None]:
    """Index and stale id of the first token that differs; none where one is the other's beginning."""
    for index, (new, old) in enumerate(zip(chosen, stale, strict=False)):
        if new != old:
            return index, old
    return None, None
