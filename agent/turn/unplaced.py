"""Code that was meant for a file and came without its path, as replies of small models do."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Mapping

from agent.editing.parts_of_files import names_in
from agent.reply.blocks import scan_blocks
from agent.reply.named import Names

_ALIKE = 0.6
_SHORT = 1000
"""Characters up to which texts are compared by the letter, and not by the line."""


def unplaced_change(reply: str, shown: Mapping[str, str]) -> str:
    """The file of which a block without a path changes a definition; empty if there is none.

    `shown` are the texts of the files that the model has seen. A block that only quotes one of
    them changes nothing.
    """
    for block in scan_blocks(reply).blocks:
        content = textwrap.dedent(block.content)
        for path, text in shown.items():
            if names_in(path, content) & names_in(path, text) and not _quotes(block.content, text):
                return path
    return ""


def has_definitions(reply: str, shown: Mapping[str, str]) -> bool:
    """True if a reply has a whole block of Python with a definition that is no quotation of a shown file."""
    return any(
        block.closed
        and names_in("a.py", textwrap.dedent(block.content))
        and not any(_quotes(block.content, text) for text in shown.values())
        for block in scan_blocks(reply).blocks
    )


def repeated_file(path: str, content: str, shown: Mapping[str, str], request: str) -> str:
    """The shown file that a new one, called by a part of its path, gives again; empty if none.

    A small model writes `ops.py` for the `src/ops.py` that it was shown, or `b/ops.py` as a patch
    would. Where the person names both, both are meant.
    """
    names = Names((), request)
    for other, text in shown.items():
        is_part = other.endswith(f"/{path}") or path in (f"a/{other}", f"b/{other}")
        if not is_part or (names.asks_for(path) and names.asks_for(other)):
            continue
        if names_in(other, content) & names_in(other, text) or _resemble(content, text):
            return other
    return ""


def _resemble(new: str, old: str) -> bool:
    is_short = len(new) < _SHORT and len(old) < _SHORT
    pair = (new, old) if is_short else (new.splitlines(), old.splitlines())
    return bool(old.strip()) and difflib.SequenceMatcher(None, *pair).ratio() >= _ALIKE


def _quotes(block: str, text: str) -> bool:
    return set(map(str.strip, block.splitlines())) <= {"", *map(str.strip, text.splitlines())}
