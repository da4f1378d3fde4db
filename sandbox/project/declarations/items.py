"""Items of a declaration, in one form for all tools."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement

_MOST_LINES = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """A requirement as the standard writes it: `name[extra]>=1; marker`."""

    line: str
    place: str
    """The file that says so, for messages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A limit on versions, should something need that package."""

    line: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A project in a folder, with the extras and groups of it that are meant."""

    path: Path
    place: str
    extras: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    marker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unread:
    """A declaration that is not followed, as a sentence for a person."""

    reason: str


Item = Need | Constraint | Folder | Unread


def needs(value: object, *, place: str, key: str) -> Iterator[Item]:
    """Yield the requirements of a list in a file; what is no list, or no text in it, is named."""
    if value is None:
        return
    if not isinstance(value, list):
        yield Unread(reason=f"{place}: {key} is not a list, so nothing of it was read")
        return
    if len(value) > _MOST_LINES:
        yield Unread(reason=f"{place}: {key} has more than {_MOST_LINES} lines: only those count")
    for line in value[:_MOST_LINES]:
        if isinstance(line, str):
            yield Need(line=line, place=place)
        else:
            yield Unread(reason=f"{place}: {key} holds {shortened(line)}, which is no requirement")


def parsed(line: str) -> Requirement | None:
    """Return a requirement, None if the line is none."""
    try:
        return Requirement(line)
    except (InvalidRequirement, RecursionError):
        return None


def limited(item: Item, marker: str) -> Item:
    """Return a requirement that counts only where a marker holds, too."""
    if not isinstance(item, Need) or not marker.strip():
        return item
    line, _, own = item.line.partition(";")
    both = f"({own.strip()}) and ({marker.strip()})" if own.strip() else marker.strip()
    return Need(line=f"{line.strip()} ; {both}", place=item.place)


def elsewhere(name: str, origin: str, *, place: str) -> Unread:
    """Say of a package that it is meant to come from somewhere that nobody fetches from here."""
    return Unread(
        reason=f"{place}: {name} comes from {shown(origin)}; "
        "only releases from the package index are fetched"
    )


def shown(address: str) -> str:
    """Return an address without the user and password that it may hold."""
    try:
        parts = urlsplit(address)
        host = parts.netloc.rpartition("@")[2]
        return shortened(parts._replace(netloc=host).geturl() if "@" in parts.netloc else address)
    except ValueError:
        return "an address that cannot be read"


def shortened(value: object) -> str:
    """Return a value's text on one line, cut where it is long."""
    text = " ".join(str(value).split())
    return text if len(text) <= 120 else f"{text[:117]}..."  # noqa: PLR2004
