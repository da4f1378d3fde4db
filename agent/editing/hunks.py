"""Hunks of an edit, of which a person may keep some."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

_CONTEXT_LINES = 3


def diff_lines(text: str) -> list[str]:
    """The lines with their ends, as git counts them: only a line feed ends one."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def keep_hunks(before: str, after: str, kept: Collection[int]) -> str:
    """The old text with only the kept hunks, which are counted from 0 as in `unified_diff`.

    The result is a new text, which has to be checked again.
    """
    old, new = diff_lines(before), diff_lines(after)
    matcher = difflib.SequenceMatcher(None, old, new)
    text: list[str] = []
    at = 0
    for number, hunk in enumerate(matcher.get_grouped_opcodes(_CONTEXT_LINES)):
        start, end = hunk[0][1], hunk[-1][2]
        text += old[at:start]
        text += new[hunk[0][3] : hunk[-1][4]] if number in kept else old[start:end]
        at = end
    return "".join([*text, *old[at:]])
