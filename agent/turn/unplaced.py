"""Code that was meant for a file and came without its path, as replies of small models do."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from agent.editing.python_source import definitions
from agent.reply.blocks import scan_blocks


def unplaced_change(reply: str, shown: Mapping[str, str]) -> str:
    """The file of which a block without a path changes a definition; empty if there is none.

    `shown` are the texts of the files that the model has seen. A block that only quotes one of
    them changes nothing.
    """
    for block in scan_blocks(reply).blocks:
        names = _names(textwrap.dedent(block.content))
        for path, text in shown.items():
            if names & _names(text) and not _quotes(block.content, text):
                return path
    return ""


def _names(source: str) -> set[str]:
    return {qualified.rpartition(".")[2] for qualified in definitions(source)}


def _quotes(block: str, text: str) -> bool:
    return set(map(str.strip, block.splitlines())) <= {"", *map(str.strip, text.splitlines())}
