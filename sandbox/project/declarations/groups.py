"""The standard's dependency groups (PEP 735): lists that may include each other, by any spelling."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from packaging.utils import canonicalize_name

from sandbox.project.declarations.items import Item, Unread
from sandbox.project.declarations.reading import table

PLACE = "pyproject.toml"
_DEEPEST = 50
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
    if fault := _fault(declared, name, above):
        yield Unread(reason=f"{PLACE}: {fault}")
    if name in seen or len(above) > _DEEPEST:
        return
    seen.add(name)
    entries = [each for listed in declared.get(name, ()) for each in _entries(listed)]
    for entry in entries:
        match entry:
            case {"include-group": str(other), **rest} if not rest:
                inner = canonicalize_name(other)
                yield from _lines(declared, inner, (*above, name), seen, read)
            case _:
                yield from read(entry, f"dependency-groups.{name}")


def _entries(listed: object) -> list[object]:
    """Return the entries of a list, each fit to be read alone; what is no list stays as it is."""
    if not isinstance(listed, list):
        return [listed]
    return [entry if _is_include(entry) else [entry] for entry in listed]


def _is_include(entry: object) -> bool:
    return isinstance(entry, dict) and "include-group" in entry


def _fault(declared: Mapping[str, object], name: str, above: tuple[str, ...]) -> str:
    """Say what is wrong with a group that is included where it is."""
    if name in above:
        listed = " and ".join(above[above.index(name) :])
        return f"the dependency groups {listed} include each other in a circle"
    if len(above) > _DEEPEST:
        return f"the dependency groups of {above[0]} are nested too deeply"
    if name not in declared:
        return f"the dependency group {above[-1]} includes {name}: there is none"
    return ""
