"""Sorts the fenced blocks of a reply by the file that each is for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agent.reply.blocks import FencedBlock
from agent.reply.labels import label_of, sole_path
from agent.reply.named import Names, Unclear
from agent.reply.parsed import FileEdit

SHELL = frozenset({"sh", "bash", "shell", "console", "zsh", "terminal", "run", "shell-session"})
NOT_CODE = SHELL | {"text", "txt", "output", "plaintext", "log", "traceback", "diff", "patch"}
_TEXT = frozenset({"text", "txt", "plaintext"})
_SHELL_FILES = (".sh", ".bash", ".zsh")
_TEXT_FILES = (".txt", ".log", ".diff", ".patch")


@dataclass(kw_only=True)
class SortedBlocks:
    """Blocks of a reply sorted by their labels."""

    labelled: list[FileEdit] = field(default_factory=list)
    unlabelled: list[FencedBlock] = field(default_factory=list)
    unclear: list[Unclear] = field(default_factory=list)


def sorted_by_label(
    blocks: Sequence[FencedBlock], names: Names, default_path: str | None
) -> SortedBlocks:
    """Sort blocks by their labels. A block that is only a path labels the next block."""
    found = SortedBlocks()
    pending = ""
    for block in blocks:
        path, content = label_of(block, names)
        lone = "" if path and content.strip() else sole_path(block.content, names)
        if isinstance(path, Unclear):
            if default_path is not None and path.is_label:
                path = path.label
            elif block.language not in NOT_CODE:
                found.unclear.append(path)
        if isinstance(lone, str) and lone:
            pending = lone
        elif (
            isinstance(path, str) and (path or pending) and _may_hold(block, path or pending, names)
        ):
            line = "" if content == block.content else block.content.partition("\n")[0]
            edit = FileEdit(path=path or pending, content=file_text(content), label_line=line)
            found.labelled.append(edit)
            pending = ""
        else:
            found.unlabelled.append(block)
    return found


def _may_hold(block: FencedBlock, path: str, names: Names) -> bool:
    """True if a labelled block can be the file itself, not a command or output about it."""
    if block.language not in NOT_CODE or path in names.known:
        return True
    name = path.rpartition("/")[2].lower()
    if block.language in SHELL:
        return name.endswith(_SHELL_FILES) or "." not in name
    return block.language in _TEXT or name.endswith(_TEXT_FILES)


def file_text(content: str) -> str:
    """The text of a file: no blank lines before it, one line end after it."""
    return content.strip("\n") + "\n" if content.strip() else ""
