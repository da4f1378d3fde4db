"""Notes on changed APIs that may leave the machine: the names, and the shape of one call.

A context is made of a library's documentation and tests, whose licence is the library's own: it stays where
it was made, whatever that licence allows. A note has none of its texts, numbers and data.
"""

from __future__ import annotations

import ast
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from learning.contexts.context import ApiContext

FORMAT_VERSION = 1
_LONGEST_LINE = 110
_MOST_CHARACTERS = 2_000_000
_NAME = r"[A-Za-z_]\w{0,63}"
_DOTTED = rf"{_NAME}(?:\.{_NAME}){{0,5}}"
_PLACE = rf"{_DOTTED}(?:\({_NAME}=\))?"
_API = re.compile(rf"{_PLACE} -> {_PLACE}|{_NAME}: '[\w-]{{1,40}}' -> '[\w-]{{1,40}}'")
_LIBRARY = re.compile(_NAME)
_VERSION = re.compile(r"[\w.+!-]{0,64}")
_MALFORMED = (ValueError, KeyError, TypeError, AttributeError, RecursionError)


class NoteError(ValueError):
    """A note has another form than the notes that leave a machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryNote:
    """Replacement for an API that a release does not have any more."""

    library: str
    version: str
    api: str
    """The change, as `ApiChange.api` words it."""
    note: str
    """The shape of a call that was run: an expression in which `...` stands for data."""

    def __post_init__(self) -> None:
        """Check the form: nothing but names fits into it, whoever wrote it.

        Raises:
            NoteError: If it has another one.
        """
        texts = (self.library, self.version, self.api, self.note)
        if not all(isinstance(text, str) for text in texts):
            raise NoteError("a field of a note is no text")
        sound = (
            _LIBRARY.fullmatch(self.library)
            and _VERSION.fullmatch(self.version)
            and _API.fullmatch(self.api)
            and re.match(rf"{self.library}\b", self.api)
            and _new_name(self.api) in re.findall(r"\w+", self.note)
            and shape_of(self.note, self.api) == self.note
        )
        if not sound:
            raise NoteError(f"a note on {self.library[:64]!r} has another form")

    @property
    def request(self) -> str:
        """Empty: the words of a documentation do not leave a machine."""
        return ""

    @property
    def is_change(self) -> bool:
        """True: notes on what did not change are not shared."""
        return True


def notes_of(contexts: Iterable[ApiContext]) -> list[LibraryNote]:
    """The notes that verified contexts allow, one for each change of a release, the shortest ones."""
    found: dict[tuple[str, str, str], LibraryNote] = {}
    for each in contexts:
        if not each.is_change or not each.note:
            continue
        key = (each.library, each.version, each.api)
        try:
            note = LibraryNote(
                library=each.library,
                version=each.version,
                api=each.api,
                note=shape_of(each.note, each.api),
            )
        except NoteError:
            continue
        if key not in found or len(note.note) < len(found[key].note):
            found[key] = note
    return list(found.values())


def shape_of(line: str, api: str) -> str:
    """An expression with `...` for its data; empty if it is none, or too long.

    A text stays where it is what the change is about, as `'full'` instead of `'outer'`.
    """
    new = re.search(r"-> '([\w-]{1,40})'$", api)
    try:
        tree = ast.parse(line.strip(), mode="eval")
        shape: str = ast.unparse(_Shape(kept=new[1] if new else None).visit(tree))
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return ""
    return shape if len(shape) <= _LONGEST_LINE and "\n" not in shape else ""


class _Shape(ast.NodeTransformer):
    """Puts `...` where an expression has data."""

    def __init__(self, *, kept: str | None) -> None:
        self._kept = kept

    def visit(self, node: ast.AST) -> ast.AST:
        """Replace a node if it is data, else what is data in it."""
        if isinstance(node, ast.JoinedStr) or (isinstance(node, ast.expr) and self._is_data(node)):
            return ast.Constant(value=...)
        found: ast.AST = super().generic_visit(node)
        return found

    def _is_data(self, node: ast.expr) -> bool:
        """True for constants, and for lists and the like that hold nothing else."""
        match node:
            case ast.Constant(value=value):
                return not (isinstance(value, bool) or value is None or value == self._kept)
            case ast.UnaryOp(operand=operand):
                return self._is_data(operand)
            case ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
                inner = [each for each in ast.iter_child_nodes(node) if isinstance(each, ast.expr)]
                return all(isinstance(each, ast.Constant) or self._is_data(each) for each in inner)
        return False


def _new_name(api: str) -> str:
    names: list[str] = re.findall(r"\w+", api.partition(" -> ")[2])
    return names[-1] if names else ""


def read_note(record: Mapping[str, object]) -> LibraryNote:
    """The note of a JSON record.

    Raises:
        NoteError: If it is none.
    """
    try:
        fields = dict(record)
        if fields.pop("v") != FORMAT_VERSION:
            raise NoteError("another format of notes")
        return LibraryNote(**fields)  # type: ignore[arg-type]  # checked by the note itself
    except _MALFORMED as err:
        raise NoteError(str(err)) from err


class TeamNotes:
    """The notes that were fetched from the team for one repository, in a file that is replaced whole."""

    def __init__(self, folder: Path) -> None:
        """`folder` is that of the repository's contexts."""
        self._path = folder / "team" / "notes.jsonl"

    def read(self) -> list[LibraryNote]:
        """All notes; lines that cannot be read are left out."""
        try:
            text = self._path.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return []
        found = []
        for line in text[:_MOST_CHARACTERS].splitlines():
            try:
                found.append(read_note(json.loads(line)))
            except _MALFORMED:
                continue
        return found

    def write(self, notes: Sequence[LibraryNote]) -> None:
        """Replace all notes.

        Raises:
            OSError: If the file cannot be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lines = (json.dumps({"v": FORMAT_VERSION, **asdict(note)}) + "\n" for note in notes)
        temporary = self._path.with_name(f".{self._path.name}-{os.getpid()}")
        temporary.write_text("".join(lines), encoding="utf-8")
        temporary.replace(self._path)
