"""The standard's dependency groups (PEP 735): lists that may include each other, by any spelling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from packaging.utils import canonicalize_name

from sandbox.declarations.items import Item, Unread
from sandbox.declarations.reading import table

PLACE = "pyproject.toml"
ReadLines = Callable[[object, str], tuple[Item, ...]]


def read_groups(value: object, read: ReadLines) -> dict[str, tuple[Item, ...]]:
    """Return every group with what it includes; `read` reads a list of lines for a key."""
    declared: dict[str, list[object]] = {}
    for name, entries in table(value).items():
        declared.setdefault(canonicalize_name(name), []).append(entries)
    return {name: tuple(_lines(declared, name, (), set(), read)) for name in declared}


def _lines(
    declared: Mapping[str, list[object]],
    name: str,
    above: tuple[str, ...],
    seen: set[str],
    read: ReadLines,
) -> Iterator[Item]:
    if name in above:
        listed = " and ".join(dict.fromkeys((*above[above.index(name) :], name)))
        yield Unread(
            reason=f"{PLACE}: the dependency groups {listed} include each other in a circle"
        )
    if name in seen:
        return
    seen.add(name)
    if name not in declared:
        yield Unread(
            reason=f"{PLACE}: the dependency group {above[-1]} includes {name}: there is none"
        )
    for entries in declared.get(name, ()):
        if not isinstance(entries, list):
            yield from read(entries, f"dependency-groups.{name}")
            continue
        for entry in entries:
            match entry:
                case {"include-group": str(other), **rest} if not rest:
                    yield from _lines(
                        declared, canonicalize_name(other), (*above, name), seen, read
                    )
                case _:
                    yield from read([entry], f"dependency-groups.{name}")
