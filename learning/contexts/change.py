"""One change of an API: what is gone from the installed release, and what it has instead."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

_IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
_KEYWORDS = re.compile(r"(\w+)=")


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
    JOINED = "joined"
    """A method that became a function of a list: `a.append(b)` → `pd.concat([a, b])`."""
    VARIANT = "variant"
    """A call with one fixed argument that became one without it, of another function or of the same:
    `mean_squared_error(a, b, squared=False)` → `root_mean_squared_error(a, b)`."""
    CHAIN = "chain"
    """A keyword that a method before it takes: `s.sum(level=0)` → `s.groupby(level=0).sum()`."""
    WRAP = "wrap"
    """A method of what a plain type makes of the object: `view.values()` → `dict(view).values()`."""


class Grounds(StrEnum):
    """Grounds for taking one name for the successor of another, the strongest first."""

    SAID = "said"
    """The error itself says so."""
    DOCUMENTED = "documented"
    """The successor's documentation names the old one in a sentence about a change."""
    REPAIRED = "repaired"
    """A verified fix of the same failure uses it where the failed code used the old one."""
    ALIAS = "alias"
    """The successor's documentation says that other libraries call it by the missing name."""
    DESCRIBED = "described"
    """One optional parameter alone is described as the missing keyword: `A regex pattern` for `regex`."""
    ASKED = "asked"
    """The request says the successor's name word for word, and the failed function's name is a part of it."""
    CAPTION = "caption"
    """A documented example is headed by the missing name and the class that lacks it."""
    SHOWN = "shown"
    """Code that comes with the library writes it so, and fails with the very error where the old form is put."""
    MOVED = "moved"
    """The same name exists at another place of the library."""
    SPELLING = "spelling"
    """The same letters, a short form, or another last word alone."""


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
        """Identifiers that code which uses the successor has."""
        if self.kind in (ChangeKind.CHAIN, ChangeKind.WRAP):
            return frozenset(_IDENTIFIER.findall(self.new))
        return frozenset({self.last})

    @property
    def last(self) -> str:
        """Plain name of what takes the old one's place."""
        if self.kind in (ChangeKind.CHAIN, ChangeKind.WRAP):
            return str(_IDENTIFIER.findall(self.new)[0])
        return self.new.rpartition(".")[2]

    @property
    def gone(self) -> tuple[str, ...]:
        """Names of which an error about the old form has one: of a call with a fixed argument its keyword."""
        if self.kind in (ChangeKind.CALL, ChangeKind.VARIANT, ChangeKind.CHAIN):
            return tuple(_KEYWORDS.findall(self.old)[:1])
        return tuple(filter(None, (part.strip("'\"`") for part in self.old.split("."))))


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
