"""Finds the files that definitions of a reply are likely for: by their names, the request, and what was shown."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property

from agent.editing.parts_of_files import is_language_of, names_in, takes_parts
from agent.editing.python_source import imports, parse_python
from agent.editing.source_files import is_test_path
from agent.fixing.sources import Sources
from agent.reply.named import Names
from agent.turn.conversation import Conversation
from agent.turn.needed import subject_files

_WORD = re.compile(r"[A-Za-z_]\w*")


@dataclass(kw_only=True)
class LikelyFiles:
    """The files that one request may be about."""

    conversation: Conversation
    user_text: str
    sources: Sources

    def inferred(self, content: str, kind: str) -> str:
        """The file that definitions are for by their names, or the one that the request is about."""
        given = names_in(kind, content)
        candidates = self.candidates_like(kind)
        if all(map(is_test_name, given)) or holds_test_classes(content):
            return self.tests_file(given, kind, content)
        holders = [path for path in candidates if given & self.names_in_file(path)]
        if len(holders) == 1:
            return holders[0]
        return candidates[0] if len(candidates) == 1 else ""

    @cached_property
    def candidates(self) -> tuple[str, ...]:
        """The files that the request is about."""
        names = Names(self.sources.files)
        named = dict.fromkeys([*names.mentioned(self.user_text), *names.with_name(self.user_text)])
        files = list(named) or list(subject_files(self.user_text, self.sources))
        files = files or [
            path for path in self.conversation.shown_files if path in self.sources.files
        ]
        return tuple(path for path in files if takes_parts(path))

    def candidates_like(self, kind: str) -> tuple[str, ...]:
        """Those of the candidates that are in one language; no tests, where there is other code."""
        tag = kind.rpartition(".")[2]
        code = [path for path in self.candidates if is_language_of(path, tag)]
        return tuple(path for path in code if not is_test_path(path)) or tuple(code)

    def tests_file(self, given: Collection[str], kind: str, content: str) -> str:
        """The file of tests that the request names, or that belongs to its file.

        Where the request is about several files, it is the one whose definition the tests import. The file of
        tests may be a new one in Python alone, where a test needs nothing around it.
        """
        names, tag = Names(self.sources.files), kind.rpartition(".")[2]
        named = [p for p in names.mentioned(self.user_text) if is_test_path(p)]
        if len(named) == 1:
            return named[0]
        tests = [
            path
            for path in sorted(self.sources.files)
            if is_test_path(path) and is_language_of(path, tag)
        ]
        holders = [path for path in tests if self.names_in_file(path) & set(given)]
        if len(holders) == 1:
            return holders[0]
        candidates = self.candidates_like(kind)
        if len(candidates) != 1:
            candidates = self._imported_by(content) or candidates
        if len(candidates) != 1:
            return tests[0] if len(tests) == 1 else ""
        stem, _, ending = candidates[0].rpartition("/")[2].rpartition(".")
        usual = (f"test_{stem}.{ending}", f"{stem}_test.{ending}")
        own = [path for path in tests if path.rpartition("/")[2] in usual]
        if own or ending != "py":
            return own[0] if own else ""
        folders = {path.rpartition("/")[0] for path in tests}
        folder = min(folders) if folders else ""
        return f"{folder}/test_{stem}.py".lstrip("/")

    def _imported_by(self, content: str) -> tuple[str, ...]:
        """The files of the project from which tests import a definition that the request names."""
        words = set(_WORD.findall(self.user_text))
        named = [item for item in imports(textwrap.dedent(content)) if item.name in words]
        files = (self.sources.imported_file(item, importer="") for item in named)
        return tuple(dict.fromkeys(path for path in files if path and not is_test_path(path)))

    def names_in_file(self, path: str) -> frozenset[str]:
        return names_in(path, self.sources.text(path) or "")


def holds_test_classes(content: str) -> bool:
    """True for Python that has nothing but classes of unittest, and imports."""
    tree = parse_python(textwrap.dedent(content))
    found = [node for node in tree.body if isinstance(node, ast.ClassDef)] if tree else []
    alone = (
        all(isinstance(n, ast.ClassDef | ast.Import | ast.ImportFrom) for n in tree.body)
        if tree
        else False
    )
    return (
        bool(found)
        and alone
        and all(
            any(ast.unparse(base).endswith("TestCase") for base in node.bases) for node in found
        )
    )


def is_test_name(name: str) -> bool:
    """True for a name that pytest collects."""
    return re.match(r"test_|Test(?![a-z])", name) is not None
