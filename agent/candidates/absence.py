"""Reads from an error that a name is not there, and what the error itself says to use instead."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.advice.succession import succession
from agent.candidates.imports import undefined_name
from agent.candidates.names import absent_name

_INVALID_KEYWORD = re.compile(r"'(\w+)' is an invalid keyword argument")
_NO_MODULE = re.compile(r"No module named '([\w.]+)'")
_ON_BUILTIN = re.compile(r"'(list|dict|set|tuple|str|int|float|NoneType)' object has no attribute")


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence:
    """A name, or another piece of code, that the environment says it does not take."""

    name: str
    stated: str = ""
    """The replacement that the error names; empty if it names none."""
    undefined: bool = False
    """True for a plain name that is used and never defined."""
    on_builtin: bool = False
    """True if a plain Python value lacks the name, so that the value may be what is wrong."""


def absence_in(message: str) -> Absence | None:
    """Find the name that an error's message says is not there; None for other errors."""
    if name := undefined_name(message):
        return Absence(name=name, undefined=True)
    old, new = succession(message)
    if name := _named(message):
        stated = new if name in (old, old.rpartition(".")[2]) else ""
        return Absence(name=name, stated=stated, on_builtin=_ON_BUILTIN.search(message) is not None)
    return Absence(name=old, stated=new) if old and new else None


def _named(message: str) -> str:
    if name := absent_name(message):
        return name
    match = _INVALID_KEYWORD.search(message) or _NO_MODULE.search(message)
    return match[1] if match else ""
