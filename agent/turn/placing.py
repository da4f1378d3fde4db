"""Finds the file that a block of a reply is for, and puts its definitions there by the syntax tree.

The path is taken from the label of the block, else from the request, else from the one file that was
shown; a block of tests goes to the tests of that file. Nothing is guessed between two files.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from agent.editing.annotating import with_docstring
from agent.editing.parting import part_tests
from agent.editing.parts_of_files import (
    classes_in,
    is_language_of,
    is_part_of,
    names_in,
    parses,
    place_definitions,
    takes_parts,
    vanished,
)
from agent.editing.python_parts import without_known_tests
from agent.editing.python_source import definitions, parse_python
from agent.editing.source_files import is_test_path
from agent.editing.test_cases import as_methods, base_of_tests
from agent.fixing.sources import Sources
from agent.reply.block_files import NOT_CODE, file_text
from agent.reply.blocks import FencedBlock, scan_blocks
from agent.reply.labels import label_of
from agent.reply.named import Names, Unclear
from agent.reply.parsed import FileEdit, FileEdits, ParsedReply, PlainAnswer, Unusable
from agent.turn.conversation import Conversation
from agent.turn.likely_files import LikelyFiles, holds_test_classes, is_test_name
from agent.turn.only_asked import asks_for_hints
from agent.turn.opening import asks_for_docstrings, writes_text

_WORD = re.compile(r"[A-Za-z_]\w*")
_A_PART = (
    "Nothing was written: the reply leaves values out of {path}. Write the whole file in a fenced "
    "block below its path."
)
_NEW_TESTS = re.compile(
    r"\b(?:add|write|create|generate|make|with|and)\b.*\btests?\b", re.IGNORECASE | re.DOTALL
)
_SPEAKS_OF_TESTS = re.compile(r"test|coverage|\bspecs?\b", re.IGNORECASE)
_ADDS = re.compile(r"\b(?:add|create|give|implement|introduce|like|need|want)\b", re.IGNORECASE)
_OTHER_TESTS = re.compile(
    r"\b(?:adapt|adjust|change|clean|convert|fix|make|merge|move|port|refactor|rename|replace|rewrite|simplify"
    r"|update|use)\b.*\btests\b",
    re.IGNORECASE | re.DOTALL,
)
"""A request that may be for other tests in the place of those that are there."""
_SAME_LINES = 0.8
"""Share of a text's lines that a block must have to be that text, changed."""
_SECTION = re.compile(
    r"\s*(?:Args|Arguments|Parameters|Returns|Raises|Yields|Examples?|Notes?)\b|\s*:\w+|\s*>>>"
)
_NEW_PLACE = re.compile(
    r"\b(?:new|own|separate|other|another|different)\b.*\b(?:file|module|package)s?\b"
    r"|\b(?:copy|extract|move|port|put|split)\w*\b",
    re.IGNORECASE | re.DOTALL,
)
_PLACEABLE = ("label", "no_path", "no_code", "unknown_file")


@dataclass(kw_only=True)
class BlockPlacer:
    """Places the blocks of one reply."""

    conversation: Conversation
    user_text: str
    sources: Sources

    @cached_property
    def _likely(self) -> LikelyFiles:
        return LikelyFiles(
            conversation=self.conversation, user_text=self.user_text, sources=self.sources
        )

    def placed(self, reply: str, reading: ParsedReply) -> ParsedReply:
        """The reading of a reply with its definitions put into their files, where that is clear."""
        match reading:
            case FileEdits(edits=edits):
                taken = {edit.path for edit in edits}
                at = [self._at_its_tests(edit, taken) for edit in edits]
                at = [self._at_its_code(edit) for edit in at] if len(at) == 1 else at
                placed = tuple(self._whole(self._with_old_tests(edit)) for edit in at)
                if path := next((edit.path for edit in placed if self._loses_values(edit)), ""):
                    return Unusable(kind="label", reason=_A_PART.format(path=path))
                parted, notes = self._with_tests_apart(placed)
                edits = tuple(map(self._of_unittest, parted))
                return replace(reading, edits=edits, notes=(*reading.notes, *notes))
            case PlainAnswer(text=prose) | Unusable(reason=prose):
                if isinstance(reading, Unusable) and reading.kind not in _PLACEABLE:
                    return reading
                blocks = scan_blocks(reply.replace("\r\n", "\n")).blocks
                edits = (
                    self._from_blocks(blocks) or self._text_file(blocks) or self._docstring(blocks)
                )
                edits, notes = self._with_tests_apart(edits)
                edits = tuple(map(self._of_unittest, edits))
                return FileEdits(edits=edits, prose=prose, notes=tuple(notes)) if edits else reading
            case _:
                return reading

    def _of_unittest(self, edit: FileEdit) -> FileEdit:
        """An edit of tests with its new functions in a class, where the project's tests are classes of unittest."""
        if not (edit.path.endswith(".py") and is_test_path(edit.path)):
            return edit
        before = self.sources.text(edit.path) or ""
        base = base_of_tests(before) if before.strip() else self._base_of_all_tests
        return replace(edit, content=as_methods(edit.content, before, base)) if base else edit

    @cached_property
    def _base_of_all_tests(self) -> str:
        """The base class of the project's classes of unittest; empty where some tests are no such classes."""
        tests = [p for p in sorted(self.sources.files) if p.endswith(".py") and is_test_path(p)]
        texts = [text for path in tests if (text := self.sources.text(path) or "").strip()]
        bases = [base_of_tests(text) for text in texts if "def test" in text]
        return bases[0] if bases and all(bases) else ""

    def _with_tests_apart(
        self, edits: Sequence[FileEdit]
    ) -> tuple[tuple[FileEdit, ...], list[str]]:
        """The edits with new tests that stand among the code in an edit of the tests' file, and notes on it."""
        taken, found, notes = {edit.path for edit in edits}, list[FileEdit](), list[str]()
        texts: dict[str, str] = {}
        for edit in edits:
            before = self.sources.text(edit.path)
            parted = None
            if before is not None and not is_test_path(edit.path):
                parted = part_tests(edit.content, before, without=self._words)
            adds = _ADDS.search(self.user_text) and not _SPEAKS_OF_TESTS.search(self.user_text)
            if parted and adds:
                found.append(replace(edit, content=parted.code))
                notes.append(f"{edit.path}: tests that nobody asked for were left out")
                continue
            parted = parted if self._wants_tests else None
            path = ""
            if parted:
                path = self._likely.tests_file(list(parted.tests), edit.path, edit.content)
            if parted is None or not path or path in taken:
                found.append(edit)
                continue
            old = texts.get(path, self.sources.text(path))
            block, left = parted.block(old or "", edit.path, about=self._words)
            text = self._text_with(path, old, block) if block else old
            if block and text is None:
                found.append(edit)
                continue
            found.append(replace(edit, content=parted.code))
            texts |= {path: text} if text is not None and text != old else {}
            notes += [
                f"{path} has {name} already: the one of the reply was left out" for name in left
            ]
        found += [FileEdit(path=path, content=text, exact=True) for path, text in texts.items()]
        return tuple(found), notes

    @property
    def _wants_tests(self) -> bool:
        return _NEW_TESTS.search(self.user_text) is not None

    def _at_its_tests(self, edit: FileEdit, taken: Collection[str]) -> FileEdit:
        """An edit of nothing but tests at the project's own tests, where its label is code or a new file.

        A path that the request names stays, and so does one where the tests' file has an edit of its own.
        """
        given = names_in(edit.path, edit.content) if edit.path.endswith(".py") else frozenset()
        of_tests = all(map(is_test_name, given)) or holds_test_classes(edit.content)
        if edit.exact or not self._wants_tests or not given or not of_tests:
            return edit
        if given & (self._likely.names_in_file(edit.path) | self._words):  # code that is called so
            return edit
        if edit.path in self.sources.files and is_test_path(edit.path):
            return edit
        if edit.path in self.user_text and is_test_path(edit.path):
            return edit
        path, name = (
            self._likely.tests_file(given, edit.path, edit.content),
            edit.path.rpartition("/")[2],
        )
        is_found = name.startswith("test_") or name.endswith("_test.py")
        if not path or path in taken or (is_found and path not in self.sources.files):
            return edit
        return replace(edit, path=path)

    def _at_its_code(self, edit: FileEdit) -> FileEdit:
        """The one edit, of known definitions, at the file that has them, where its own path was made up by the model.

        Only where nothing but docstrings or hints of these definitions is wanted: any other request may want a new file.
        """
        is_new = edit.path.endswith(".py") and edit.path not in self.sources.files
        if edit.exact or not is_new or not self._annotates:
            return edit
        given = names_in(edit.path, edit.content)
        if not given or edit.path.rpartition("/")[2] in self.user_text or not given <= self._words:
            return edit
        holders = [
            path
            for path in self._likely.candidates_like(edit.path)
            if given <= self._likely.names_in_file(path)
        ]
        return replace(edit, path=holders[0]) if len(holders) == 1 else edit

    @property
    def _annotates(self) -> bool:
        """True for a request for docstrings or type hints that asks for no new file."""
        asks = asks_for_docstrings(self.user_text) or asks_for_hints(self.user_text)
        return asks and not _NEW_PLACE.search(self.user_text)

    def _with_old_tests(self, edit: FileEdit) -> FileEdit:
        """An edit of a test file that leaves the tests as they are that the request does not name."""
        before = self.sources.text(edit.path)
        if edit.exact or before is None:
            return edit
        return replace(edit, content=self._new_tests(edit.path, edit.content, before))

    def _new_tests(self, path: str, content: str, before: str) -> str:
        """The block without the tests that its file has already, where the request is for new ones."""
        asked = self.user_text
        wants_new = _NEW_TESTS.search(asked) is not None and not _OTHER_TESTS.search(asked)
        if not (wants_new and path.endswith(".py") and is_test_path(path)):
            return content
        return without_known_tests(content, before, asked=self._words)

    def _whole(self, edit: FileEdit) -> FileEdit:
        """The edit of a whole file; a part of one is put into the file as it is now."""
        before = self.sources.text(edit.path)
        if edit.exact or before is None or not takes_parts(edit.path):
            return edit
        if not is_part_of(edit.path, edit.content, before, may_vanish=self._words):
            return edit
        return self._into(edit.path, before, edit.content) or edit

    def _loses_values(self, edit: FileEdit) -> bool:
        """True for a part of a file that could not be put in, and in which no definition is missing."""
        before = self.sources.text(edit.path)
        if edit.exact or before is None or not takes_parts(edit.path):
            return False
        return is_part_of(edit.path, edit.content, before, may_vanish=self._words) and not vanished(
            edit.path, before, edit.content, may_vanish=self._words
        )

    def _into(self, path: str, before: str, block: str) -> FileEdit | None:
        """A file with a block put in; None where it is not clear, or not as the model has seen it."""
        shown, on_disk = self.conversation.shown_text(path), self.sources.text(path)
        if shown is not None and shown != on_disk:
            return None
        of_class = self._class_in(path, before)
        placed = place_definitions(
            path, before, block, of_class=of_class, may_vanish=self._vanishing
        )
        if placed is None:
            return None
        if on_disk is not None:
            # what is not in the block stays as it is there, so the model need not have seen it
            self.conversation.mark_shown(path, on_disk)
        return FileEdit(path=path, content=placed.text, exact=True)

    def _from_blocks(self, blocks: Sequence[FencedBlock]) -> tuple[FileEdit, ...]:
        """One edit for each file that blocks without a usable label are for; none if one is unclear."""
        texts: dict[str, str] = {}
        for block in blocks:
            if not block.closed or block.language in NOT_CODE:
                continue
            content = textwrap.dedent(block.content)
            kind = self._kind_of(block, content)
            if kind and names_in(kind, content):
                path = self._path_of(block, content, kind)
                # a second docstring goes beside the first, though the request may name just one
                more = path in texts and self._annotates
                beside = self._into(path, texts[path], content) if more else None
                before = texts.get(path, self.sources.text(path))
                text = beside.content if beside else self._text_with(path, before, content)
                if not path or text is None:
                    return ()
                texts[path] = text
            elif self._strange_label(block):
                return ()
        return tuple(FileEdit(path=path, content=text, exact=True) for path, text in texts.items())

    def _text_file(self, blocks: Sequence[FencedBlock]) -> tuple[FileEdit, ...]:
        """The one file of text that the request is to change, if the reply is one block, which begins as it does."""
        names = Names(self.sources.files)
        named = dict.fromkeys([*names.mentioned(self.user_text), *names.with_name(self.user_text)])
        path, *others = [*named, ""]
        before = self.conversation.shown_text(path) if path else None
        if others[1:] or before is None or takes_parts(path) or len(blocks) != 1:
            return ()
        (block,) = blocks
        old = [line.strip() for line in before.split("\n") if line.strip()]
        new = {line.strip() for line in block.content.split("\n")}
        is_whole = bool(old) and sum(line in new for line in old) >= _SAME_LINES * len(old)
        begins = bool(old) and block.content.lstrip().startswith(old[0])
        heads = all(line in new for line in old if line.startswith("#"))
        if not (block.closed and is_whole and begins and heads and writes_text(self.user_text)):
            return ()
        return (FileEdit(path=path, content=file_text(block.content)),)

    def _docstring(self, blocks: Sequence[FencedBlock]) -> tuple[FileEdit, ...]:
        """The file with a docstring that came without its definition, where the request names just one.

        Its first paragraph counts, and the sections behind it: other text is often about the rest of the file.
        """
        if len(blocks) != 1 or not asks_for_docstrings(self.user_text):
            return ()
        tree = parse_python(textwrap.dedent(blocks[0].content))
        said = ast.get_docstring(tree) if tree is not None and len(tree.body) == 1 else None
        path = self._likely.candidates[0] if len(self._likely.candidates) == 1 else ""
        before = self.sources.text(path) if path.endswith(".py") else None
        if not said or before is None or self.conversation.shown_text(path) != before:
            return ()
        names = [each for each in definitions(before) if each.rpartition(".")[2] in self._words]
        if len(names) != 1:
            return ()
        text = with_docstring(before, names[0], _of_one(said))
        return (FileEdit(path=path, content=text, exact=True),) if text != before else ()

    def _text_with(self, path: str, before: str | None, content: str) -> str | None:
        """The text of a file with a block in it; None where the file is another than was shown."""
        if before is None or not before.strip():
            return file_text(content)
        content = self._new_tests(path, content, before)
        if is_part_of(path, content, before, may_vanish=self._words):
            edit = self._into(path, before, content)
            # one that cannot be put in is checked as the whole file that it is not, and refused
            return edit.content if edit else self._as_whole(path, before, content)
        return file_text(content) if self.conversation.shown_text(path) is not None else None

    def _as_whole(self, path: str, before: str, content: str) -> str | None:
        gone = vanished(path, before, content, may_vanish=self._words)
        stale = self.conversation.shown_text(path) != self.sources.text(path)
        return file_text(content) if gone or stale else None

    def _kind_of(self, block: FencedBlock, content: str) -> str:
        """A path of the language that a block is in: any for Python, else one that is in question."""
        if is_language_of("a.py", block.language) and parses("a.py", content):
            return "a.py"
        fits = (path for path in self._likely.candidates if is_language_of(path, block.language))
        return next((path for path in fits if parses(path, content)), "")

    def _path_of(self, block: FencedBlock, content: str, kind: str) -> str:
        """The file that a block is for; empty if that is not clear."""
        label = label_of(block, Names(self.sources.files, self.user_text))[0]
        if isinstance(label, str) and label in self.sources.files:
            return label
        path = self._likely.inferred(content, kind)
        strange = self._strange_label(block)
        return path if not strange or path.rpartition("/")[2] == strange.rpartition("/")[2] else ""

    def _strange_label(self, block: FencedBlock) -> str:
        """A label that names no file of the project, such as one with a placeholder in it."""
        label = label_of(block, Names(self.sources.files, self.user_text))[0]
        return label.label if isinstance(label, Unclear) and label.is_label else ""

    def _class_in(self, path: str, source: str) -> str:
        """The one class of a file that the request names; else its only class."""
        classes = classes_in(path, source)
        named = [name for name in classes if name.rpartition(".")[2] in self._words]
        if named:
            return named[0] if len(named) == 1 else ""
        return classes[0] if len(classes) == 1 else ""

    @cached_property
    def _words(self) -> frozenset[str]:
        return frozenset(_WORD.findall(self.user_text))

    @cached_property
    def _vanishing(self) -> frozenset[str]:
        """The names that the person asks to remove or rename; no words of a plan count."""
        asks = re.search(
            r"\b(?:remove|delete|drop|rid|rename|replace)\b",
            self.conversation.request,
            re.IGNORECASE,
        )
        return frozenset(_WORD.findall(self.conversation.request)) if asks else frozenset()


def _of_one(docstring: str) -> str:
    """The first paragraph of a docstring, with the sections that follow it."""
    first, *others = docstring.split("\n\n")
    sections = [part for part in others if _SECTION.match(part)]
    return "\n\n".join([first, *sections])
