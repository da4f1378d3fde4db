"""Adds imports that an edit forgot, and names what stays undefined. Names are resolved by pyflakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace

from agent.candidates.imports import import_edits
from agent.candidates.source import ParsedFile
from agent.editing.mutable_defaults import with_factories
from agent.editing.python_source import parse_python
from agent.events import Notice
from agent.fixing.sources import Sources
from agent.reply.parsed import FileEdit

_MOST_FILES = 300
"""Files of the project that are read for the imports which they use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """An edit with the imports that it needs."""

    edit: FileEdit
    added: tuple[str, ...] = ()
    """The import statements that were added."""
    is_part: bool = False
    """True if only the docstrings or hints of the reply were taken (`agent.turn.only_asked`)."""
    has_factories: bool = False
    """True if defaults of data classes became factories (`agent.editing.mutable_defaults`)."""
    undefined: tuple[str, ...] = ()
    """Names that nothing in the project or the standard library explains."""

    def notices(self) -> Iterator[Notice]:
        """Words for the person on what was left out or added, and on what is missing."""
        path = self.edit.path
        if self.is_part:
            yield Notice(
                f"{path}: of the reply only the docstrings or hints were taken; it had more"
            )
        if self.has_factories:
            yield Notice(f"{path}: a default that Python refuses in a data class became a factory")
        for statement in self.added:
            yield Notice(f"{path}: `{statement}` was added, which the reply left out")
        for name in self.undefined:
            yield Notice(f"{path} uses {name}, which is defined nowhere", "warning")


def completed(edit: FileEdit, before: str | None, sources: Sources) -> Completed:
    """The edit with an import for each name that it newly uses without defining it, and factories for defaults.

    The way in which the project's other files import a name comes first.
    """
    made = with_factories(edit.content) if edit.path.endswith(".py") else edit.content
    has_factories, edit = made != edit.content, replace(edit, content=made)
    lacking = newly_undefined(before or "", edit.content) if edit.path.endswith(".py") else ()
    if not lacking:
        return Completed(edit=edit, has_factories=has_factories)
    project = _parsed(sources, without=edit.path, names=lacking)
    text, added, undefined = edit.content, list[str](), list[str]()
    for name in lacking:
        here = ParsedFile.of(text)
        ways = import_edits(edit.path, name, {**project, edit.path: here}) if here else iter(())
        first = next(ways, None)
        if here is None or first is None:
            undefined.append(name)
            continue
        text = here.edited(first)
        added.append(first.kind)
    return Completed(
        edit=replace(edit, content=text) if added else edit,
        added=tuple(added),
        undefined=tuple(undefined),
        has_factories=has_factories,
    )


def newly_undefined(before: str, after: str) -> tuple[str, ...]:
    """Names that some Python uses without defining them, without those that it had used so before."""
    known = _undefined(before)
    return tuple(name for name in _undefined(after) if name not in known)


def _undefined(source: str) -> Counter[str]:
    from pyflakes.checker import Checker
    from pyflakes.messages import UndefinedName

    tree = parse_python(source)
    if tree is None:
        return Counter()
    try:
        found = Checker(tree).messages
    except RecursionError:  # an expression that is nested a thousand deep: nothing is known of it
        return Counter()
    return Counter(each.message_args[0] for each in found if isinstance(each, UndefinedName))


def _parsed(sources: Sources, *, without: str, names: Collection[str]) -> Mapping[str, ParsedFile]:
    """The project's other files that have one of the names at all."""
    paths = sorted(path for path in sources.files if path.endswith(".py") and path != without)
    texts = ((path, sources.text(path) or "") for path in paths[:_MOST_FILES])
    near = ((path, text) for path, text in texts if any(name in text for name in names))
    files = ((path, ParsedFile.of(text)) for path, text in near)
    return {path: file for path, file in files if file is not None}
