"""The two parts of an API's contexts: those that rounds learn, and those that judge their adapters.

The parts are the same in every round, whatever is built later: contexts are only added, and the digest
of a context says if it is kept back.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from learning.contexts.context import ApiContext

AN_API = 12
"""Contexts of an API that a round learns: public rows of a deprecation project put the threshold at 6 to 20."""
_ONE_OF = 3
"""One of so many contexts that can be asked for judges, and is not learned."""
_LONGEST_SHOWN = 400
"""Characters of a call with its value in a request; a frame of data takes some."""


def learned_part(contexts: Iterable[ApiContext], *, an_api: int = AN_API) -> list[ApiContext]:
    """Contexts to learn: at most `an_api` of each API, the first ones, none of which is kept to judge."""
    by_api: dict[str, list[ApiContext]] = defaultdict(list)
    for each in contexts:
        if each.stale and not is_kept_back(each):
            by_api[each.api].append(each)
    return [each for group in by_api.values() for each in group[:an_api]]


def judging_part(
    contexts: Sequence[ApiContext], *, apis: Collection[str], learned: Collection[str] = ()
) -> list[ApiContext]:
    """Contexts of these APIs that can be asked for and are never learned; none of the ids `learned`."""
    never = {each.id for each in learned_part(contexts)} | set(learned)
    return [
        each
        for each in contexts
        if each.api in apis and each.stale and can_be_asked(each) and each.id not in never
    ]


def is_kept_back(context: ApiContext) -> bool:
    """True if a context is kept from learning: it can be asked for, and its digest says so."""
    return bool(context.stale) and can_be_asked(context) and int(context.id, 16) % _ONE_OF == 0


def can_be_asked(context: ApiContext) -> bool:
    """True if a request, arguments and a short value, plain data, say what the function has to do."""
    takes_data = not context.head.partition("->")[0].rstrip(" :").endswith("()")
    short = len(shown_pair(context)) <= _LONGEST_SHOWN
    return bool(context.request) and takes_data and short and _is_plain(context.value)


def _is_plain(value: str) -> bool:
    try:
        ast.literal_eval(value)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def shown_pair(context: ApiContext) -> str:
    """The call and its value, in words."""
    return f"{context.call} gives {' '.join(context.value.split())}"
