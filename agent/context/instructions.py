"""The project's own words for agents: AGENTS.md from the root down to the current folder."""

from __future__ import annotations

from pathlib import Path

from agent.editing.source_files import SourceFileError, read_text_file, resolve_inside

NAME = "AGENTS.md"
MAX_CHARACTERS = 4000


def read_instructions(root: Path, cwd: Path, *, cap: int = MAX_CHARACTERS) -> str:
    """The texts of all `AGENTS.md` from `root` to `cwd`, each with its path; empty if there is none.

    Where they are longer than `cap` characters together, the nearest one keeps its room first, and
    a note says how much was left out.
    """
    parts: list[str] = []
    left = cap
    for path in reversed(_paths(root.resolve(), cwd.resolve())):
        text = _text(root, path)
        if not text:
            continue
        shown = text[:left]
        left -= len(shown)
        more = len(text) - len(shown)
        cut = f"\n[{more} more characters of {path} are not shown]" if more else ""
        parts.append(f"{path}:\n{shown}{cut}")
    return "\n\n".join(reversed(parts))


def _paths(root: Path, cwd: Path) -> list[str]:
    inner = cwd.relative_to(root).parts if cwd.is_relative_to(root) else ()
    return ["/".join((*inner[:depth], NAME)) for depth in range(len(inner) + 1)]


def _text(root: Path, path: str) -> str:
    try:
        target = resolve_inside(root, path)
        return read_text_file(target).text.strip() if target.exists() else ""
    except SourceFileError:
        return ""
