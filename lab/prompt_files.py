"""The words that are added to tasks, kept as files in `lab/prompts` and read when they are needed."""

from __future__ import annotations

from importlib import resources
from string import Template


def words(name: str) -> str:
    """The text of one file, as it is."""
    file = resources.files("lab") / "prompts" / f"{name}.md"
    return file.read_text(encoding="utf-8")


def filled(name: str, **values: str) -> str:
    """The text of one file with its values filled in."""
    return Template(words(name)).substitute(values)
