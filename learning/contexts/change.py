"""One change of an API: what is gone from the installed release, and what it has instead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class ChangeKind(StrEnum):
    """The changed part of an API; it decides how the old form is put back into code."""

    NAME = "name"
    """An attribute or function: `cumsum` → `cum_sum`, `str.strip` → `str.strip_chars`."""
    KEYWORD = "keyword"
    """A keyword argument of one function: `interpolation=` → `method=`."""
    VALUE = "value"
    """A text given as an argument: `"outer"` → `"full"`."""
    CALL = "call"
    """A call with fixed arguments that became another without any: `fillna(method="ffill")` → `ffill()`."""
    FUNCTION = "function"
    """A method that became a function of the module: `array.ptp()` → `np.ptp(array)`."""


class Grounds(StrEnum):
    """Grounds for taking one name for the successor of another, the strongest first."""

    SAID = "said"
    """The error itself says so."""
    DOCUMENTED = "documented"
    """The successor's documentation names the old one in a sentence about a change."""
    REPAIRED = "repaired"
    """A verified fix of the same failure uses it where the failed code used the old one."""
    MOVED = "moved"
    """The same name exists at another place of the library."""
    SPELLING = "spelling"
    """The same letters, or a short form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiChange:
    """A name that a library no longer has, and its successor."""

    library: str
    version: str
    holder: str
    """Plain name of the class, module or function that lacks the old name: `DataFrame`, `percentile`."""
    old: str
    new: str
    kind: ChangeKind
    grounds: Grounds
    about: str = ""
    """First sentence of the successor's documentation."""

    @property
    def api(self) -> str:
        """The change in one line, the same for every context of it."""
        match self.kind:
            case ChangeKind.KEYWORD:
                return f"{self.library}.{self.holder}({self.old}=) -> {self.holder}({self.new}=)"
            case ChangeKind.VALUE:
                return f"{self.library}: {self.old!r} -> {self.new!r}"
            case _:
                return f"{self.library}.{self.holder}.{self.old} -> {self.new}"

    @property
    def words(self) -> frozenset[str]:
        """Identifiers of which code that uses the successor has at least the last one."""
        return frozenset({self.new.rpartition(".")[2]})


def surest(changes: Iterable[ApiChange]) -> ApiChange | None:
    """The change on the strongest grounds; the first of equal ones, None without any.

    The same letters are surer than all but what an error says: `groupby` is `group_by`, whatever else the
    documentation says was renamed.
    """
    order = list(Grounds)

    def doubt(change: ApiChange) -> tuple[int, int]:
        said = change.grounds is Grounds.SAID
        same = _letters(change.old) == _letters(change.new)
        return (0 if said else 1 if same else 2), order.index(change.grounds)

    return min(changes, key=doubt, default=None)


def _letters(name: str) -> str:
    return re.sub(r"[._]", "", name).lower()
