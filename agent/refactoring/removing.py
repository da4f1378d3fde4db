"""Plans the removal of a definition, with its tests where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from agent.editing.python_source import definitions, parse_python, without_nodes
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.refactoring.asked import AskedRefactoring
from agent.refactoring.planned import Refactored, RefactoringError, still_there
from agent.refactoring.tests_of import without_tests_of


def removed(asked: AskedRefactoring, path: str, sources: Sources) -> Refactored:
    """The file without a definition, its decorators and the blank lines around it.

    Raises:
        RefactoringError: If the name is no function or class, or the file would not be right without it.
    """
    text = sources.text(path) or ""
    fits = (
        node
        for name, node in definitions(text).items()
        if asked.old in (name, name.rpartition(".")[2])
    )
    if (node := next(fits, None)) is None:
        raise RefactoringError(f"{asked.old} is no function or class")
    after = without_nodes(text, [node])
    if parse_python(after) is None or not after.strip():
        raise RefactoringError(f"{path} would not be right without {asked.old}")
    name = asked.old.rpartition(".")[2]
    texts: dict[str, str | None] = {path: after}
    if asked.with_tests:
        texts |= without_tests_of(name, path, sources)
    kept = {file: text for file, text in texts.items() if text is not None}
    gone = tuple(file for file, text in texts.items() if text is None)
    return Refactored(
        texts=kept,
        before={file: sources.text(file) or "" for file in texts},
        removed=gone,
        left=still_there(name, sources, {**kept, **dict.fromkeys(gone, "")}),
        names=frozenset({name, *_tests_between(sources, kept, gone)}),
    )


def _tests_between(
    sources: Sources, kept: Mapping[str, str], gone: Sequence[str]
) -> frozenset[str]:
    """The names of the tests that a plan removes."""
    now = {**kept, **dict.fromkeys(gone, "")}
    return frozenset(
        name.rpartition(".")[2]
        for path, text in now.items()
        if is_test_path(path)
        for name in definitions(sources.text(path) or "").keys() - definitions(text).keys()
    )
