"""The part of a training example that is about an API: its stale twin, its name's place, its origin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

Span = tuple[int, int]
"""Start and end of a part of a text, in characters; the end is exclusive."""


class UseOrigin(StrEnum):
    """The origin of a verified use of an API."""

    DOCSTRING = "docstring"
    """A `>>>` example of the installed library."""
    SHIPPED_TEST = "shipped_test"
    """A test that the installed library brings along."""
    VARIATION = "variation"
    """Other verified code with names, constants or containers changed on its syntax tree."""
    REPAIR = "repair"
    """A small change that a search found."""
    SPLICE = "splice"
    """A reply that was cut at the absent name and continued with one that exists."""
    RETRY = "retry"
    """A later attempt of the model, told of the error and of facts."""
    OWN = "own"
    """The model's own verified pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiUse:
    """One API in one verified completion. A call that never changed has no stale twin."""

    api: str
    """The change, as `numpy.trapz -> numpy.trapezoid`; of an anchor the plain dotted name."""
    library: str
    """Name under which it is imported."""
    version: str
    """Installed release with which the completion was run."""
    origin: UseOrigin
    stale: str = ""
    """The same completion with the API of older releases, which was run and failed; empty without one."""
    error: str = ""
    """The error of the stale completion, in one line."""
    names: tuple[Span, ...] = ()
    """Places of the new name, and of arguments that belong to it, in the chosen completion, sorted; in a reply
    of the model's own those of the names that failed."""
    noted: bool = False
    """True if the prompt tells of the API: reading such notes must not be unlearned."""
    experiences: tuple[str, ...] = ()
    """Ids of stored experiences that it was made from; forgetting one of them taints what was learned."""
    context: str = ""
    """Id of the verified context that it was made of; empty for a step of a session."""


def first_difference(chosen: str, stale: str) -> int:
    """Index of the first character where two completions differ; the shorter one's length if none does."""
    pairs = enumerate(zip(chosen, stale, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(chosen), len(stale)))


def use_from(record: Mapping[str, object]) -> ApiUse:
    """The use that `dataclasses.asdict` made a record of.

    Raises:
        KeyError, TypeError, ValueError: If it is not one.
    """
    fields = dict(record)
    fields["origin"] = UseOrigin(str(record["origin"]))
    fields["names"] = tuple(_span(item) for item in _list(record["names"]))
    fields["experiences"] = tuple(map(str, _list(record["experiences"])))
    return ApiUse(**fields)  # type: ignore[arg-type]  # checked by whoever wrote the job


def _list(value: object) -> Sequence[object]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"a list was expected, not {type(value).__name__}")
    return value


def _span(value: object) -> Span:
    start, end = map(int, map(str, _list(value)))
    return start, end
