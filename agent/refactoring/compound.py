"""Reads requests for a refactoring and something behind it: a second one, a docstring, a test."""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.intent.wording import FURTHER_WISH
from agent.refactoring.asked import (
    A_FILE,
    AT_THE_TOP,
    CONSTANT_NAME,
    IN_FILE,
    LITERAL,
    LONGEST_OF_MORE,
    NAME,
    PLAIN_WORDS,
    AskedRefactoring,
    asked_refactoring,
    asked_rename,
)

_BETWEEN = re.compile(
    r"(?:\s*[.;!]\s+|,?\s+(?=and\b|then\b))(?:(?:and|then|also|please)\s+)*", re.IGNORECASE
)
_RENAMES_IT = re.compile(
    r"(?:(?:and|then|also|please)\s+)*rename it (?:in)?to [`'\"]?[A-Za-z_]\w*[`'\"]?[\s.!]*",
    re.IGNORECASE,
)
_RENAMES_TOO = re.compile(
    r"(?:(?:and|then|also|please)\s+)*(?P<pair>(?:`[A-Za-z_][\w.]*`|[A-Za-z_][\w.]*\(\)|[A-Za-z]+_\w+|(?-i:[A-Z][a-z]\w*[A-Z]\w*))\s+to\s+"
    r"[`'\"]?(?!__)[A-Za-z_]\w*(?:\(\))?[`'\"]?(?:[\s.!,]+(?:everywhere|please|pls|thanks|thx|throughout|too))*)[\s.!]*",
    re.IGNORECASE,
)
"""A second pair of names behind a rename: `rename a to b and c_d to d`; a plain word may be a verb."""
_TWO_CONSTANTS = re.compile(
    rf"^(?:please\s+|pls\s+)*(?:in\s+{A_FILE.format('file')}\s+)?(?:there\s+are|we\s+have|i\s+see)\s+(?:the\s+|two\s+|some\s+)*"
    rf"(?:magic\s+)?(?:numbers|strings|values|literals)\s+{LITERAL.format('one')}\s+and\s+{LITERAL.format('two')}"
    rf"(?:\s+in\s+{A_FILE.format('late')})?[\s,.;:]+(?:please\s+|pls\s+|can you\s+|could you\s+|so\s+)*"
    r"(?:pull|move|extract|make|turn)\s+(?:them|both|these|those)(?:\s+out)?\s+(?:in)?(?:to\s+)?(?:named\s+|module\s+)?constants\s+"
    rf"(?:called\s+|named\s+)?{CONSTANT_NAME.format('first')}\s+and\s+{CONSTANT_NAME.format('second')}{AT_THE_TOP}[\s.!]*(?:please|pls)?[\s.!]*$",
    re.IGNORECASE,
)
_TWO_MOVES = re.compile(
    rf"^(?:please\s+|pls\s+|can you\s+|could you\s+)*(?:move|put)\s+(?:both\s+)?{NAME.format('one')}\s+(?:and|\+|&)\s+{NAME.format('two')}"
    rf"{IN_FILE.format('file')}\s+(?:over\s+)?(?:in)?(?:to)?\s+(?:(?:their|its|a|an|the|own|new|separate|other|module|file)[,:]?\s+)*"
    r"[`'\"@]?(?P<new>[\w./-]+\.py)[`'\"]?"
    r"(?:,?\s+and\s+import\s+(?:it|them|both)\s+(?:from|in|into|there|where)\b[\w\s.]{0,30})?[\s.!]*(?:please|pls|thanks)?[\s.!]*$",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefactoringFirst:
    """A refactoring, and what a request asks for behind it."""

    asked: AskedRefactoring
    rest: str
    """Words of the person; `it` is the name that the thing has then."""


def refactoring_first(text: str) -> RefactoringFirst | None:
    """The refactoring that a request begins with, where a docstring, hints, a test or a new name are asked for behind it."""
    if len(text) > LONGEST_OF_MORE:
        return None
    if both := _read_two_constants(text.strip()) or _read_two_moves(text.strip()):
        return both
    for between in _BETWEEN.finditer(text):
        rest = text[between.end() :].strip()
        if pair := _RENAMES_TOO.fullmatch(rest):
            first = asked_rename(text[: between.start()])
            if first is not None and asked_refactoring(order := f"rename {pair['pair']}"):
                return RefactoringFirst(asked=first, rest=order)
        if not (FURTHER_WISH.fullmatch(rest) or _RENAMES_IT.fullmatch(rest)):
            continue
        asked = asked_refactoring(text[: between.start()])
        if asked is not None and asked.kind in ("rename", "move"):
            name = asked.new if asked.kind == "rename" else asked.old
            named = re.sub(r"\bit\b", name, rest, count=1, flags=re.IGNORECASE)
            return RefactoringFirst(asked=asked, rest=named)
    return None


def _read_two_constants(said: str) -> RefactoringFirst | None:
    if (match := _TWO_CONSTANTS.match(said)) is None:
        return None
    file = match["file"] or match["late"] or ""
    asked = AskedRefactoring(kind="constant", old=match["one"], new=match["first"], file=file)
    where = f" in {file}" if file else ""
    return RefactoringFirst(
        asked=asked, rest=f"make {match['two']}{where} a constant called {match['second']}"
    )


def _read_two_moves(said: str) -> RefactoringFirst | None:
    """Both moves, that of a constant first: what uses it finds it there."""
    if (match := _TWO_MOVES.match(said)) is None or match["one"].lower() in PLAIN_WORDS:
        return None
    first, second = sorted((match["one"], match["two"]), key=lambda name: not name.isupper())
    file, new = match["file"] or "", match["new"]
    where = f" in {file}" if file else ""
    return RefactoringFirst(
        asked=AskedRefactoring(kind="move", old=first, new=new, file=file),
        rest=f"move {second}{where} to {new}",
    )
