"""Resolves a written path to the file that it spells, and never to another file.

A written path may differ from the file's path in spelling only: `./`, doubled slashes,
the folder that a box has the project in, composed or decomposed characters, the separators of
Windows, the escapes of Markdown. An ambiguous path is resolved to no file.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from unicodedata import normalize

from agent.reply.words import is_path_like
from sandbox.box.policy import WORK_DIR

_ESCAPE = re.compile(r"\\([^\w\s.]|_| )")
_PLACEHOLDER = re.compile(r"(?:.*/)?path/to/", re.IGNORECASE)
_CITED = re.compile(r"\d+:\d+:")
"""The first and last line of a part of a file, as editors cite it."""
_FOREIGN = re.compile(r"/|~(?:\w*)/|[A-Za-z]:[\\/]|\\\\")
QUOTED = re.compile(
    r"(?<!\w)(?:`([^`\n]+)`|\"([^\"\n]+)\"|'([^'\n]+)'|“([^”\n]+)”|«([^»\n]+)»)(?!\w)"
)
JOINERS = "\u200c\u200d"
"""Invisible characters that belong to words of some scripts."""


@dataclass(frozen=True, slots=True)
class Unclear:
    """A label that names no file that could be written."""

    label: str
    why: str
    is_label: bool = True
    """False if the text may be no label at all."""

    def __str__(self) -> str:
        return (
            f"Not written: the label {self.label!r} {self.why}. Write the line File: `PATH` above"
            " the block, with the file's path from the root of the repository."
        )


class Names:
    """The files that a project has, and the person's words, in which others may be asked for."""

    def __init__(self, known: Collection[str], request: str = "") -> None:
        self.known = frozenset(known)
        self.request = normalize("NFC", request)

    def existing(self, written: str) -> str:
        """The file that the project has under this name; empty if it has none, or several."""
        if written in self.known:
            return written
        found = {path for spelling in _spellings(written) for path in self._equal(spelling)}
        exact = found & set(_spellings(written))
        fits = exact or found
        return next(iter(fits)) if len(fits) == 1 else ""

    def meaning(self, written: str) -> str | Unclear:
        """The one file that a path means, whether the project has it or not."""
        if found := self.existing(written):
            return found
        path = next(_spellings(written))
        if why := self._problem(path):
            return Unclear(written, why)
        if "\\" in path:
            read = self._without_backslashes(path)
            return read if isinstance(read, Unclear) else self.meaning(read)
        return self._in_known_folder(path)

    def _problem(self, path: str) -> str:
        """The reason why a new path cannot be written; empty if it can."""
        if len(self._equal(path)) > 1:
            return "fits several files"
        if _FOREIGN.match(path) or ".." in path.split("/"):
            return "is no path inside the repository"
        if _CITED.match(path):
            return "cites some lines of a file"
        if path in ("", ".") or path.endswith("/"):
            return "names no file"
        is_known = self.has_folder(path.rpartition("/")[0]) or self.asks_for(path)
        if _PLACEHOLDER.match(path) and not is_known:
            return "is a placeholder, not a path of this project"
        return ""

    def asks_for(self, path: str) -> bool:
        """True if the person's own words hold this path, as a whole."""
        return any(True for _ in occurrences(normalize("NFC", path), self.request))

    def asks_for_file(self, name: str) -> bool:
        """True if the person's own words call this a file: "the file x", "a file named x".

        With a dot in it, a name is one after "named x" and "to x", too.
        """
        words = r"(?:file|script)\s+(?:(?:named|called)\s+)?"
        if "." in name:
            words = rf"(?:{words}|(?:named|called|to|into)\s+)"
        pattern = rf"(?i:\b{words})[`'\"]?{re.escape(normalize('NFC', name))}(?![\w/])"
        return re.search(pattern, self.request) is not None

    def asks_by_quoting(self, name: str) -> bool:
        """True if this is all that stands in some quotes of the person's words."""
        return normalize("NFC", name) in quoted(self.request)

    def asked_for_in(self, text: str) -> tuple[str, ...]:
        """The names of files that the person's words quote and this text has, too."""
        names = (name for name in quoted(self.request) if is_path_like(name))
        return tuple(name for name in names if any(True for _ in occurrences(name, text)))

    def in_other_case(self, path: str) -> str:
        """A file of the project whose path differs from this one in case alone; empty if none."""
        form = normalize("NFC", path).casefold()
        fits = (known for known in self.known if normalize("NFC", known).casefold() == form)
        return min((known for known in fits if known != path), default="")

    def has_folder(self, path: str) -> bool:
        """True if the project has files in this folder."""
        return normalize("NFC", path) in self._folders

    def around(self, path: str, text: str) -> tuple[str, str]:
        """Texts before and after each mention of a file."""
        text, form = normalize("NFC", text).replace("\\", "/"), normalize("NFC", path)
        at = next(occurrences(form, text), 0)
        return text[:at].removesuffix("./"), text[at + len(form) :]

    def mentioned(self, text: str, *, mark: str = "") -> tuple[str, ...]:
        """The project's files that a text names as a whole, in order; `mark` stands before each.

        A name in quotes that the project does not have is no mention of one that is part of it,
        and a name that could be any word counts in quotes alone.
        """
        text = normalize("NFC", text)
        taken = [False] * len(text)
        for match in QUOTED.finditer(text):
            name = match[0][1:-1]
            if " " in name and is_path_like(name) and not self.existing(name):
                taken[match.start() : match.end()] = [True] * len(match[0])
        found: dict[int, str] = {}
        texts = {text, text.replace("\\", "/")}
        said = {self.existing(name) for name in quoted(text)}
        for path, bare in self._longest_first:
            form = mark + bare
            if not (mark or is_path_like(path) or "/" in path or path in said):
                continue
            for at in [n for t in texts if form in t for n in occurrences(form, t)]:
                if not any(taken[at : at + len(form)]):
                    taken[at : at + len(form)] = [True] * len(form)
                    found[at] = path
        return tuple(dict.fromkeys(found[at] for at in sorted(found)))

    def with_name(self, text: str) -> tuple[str, ...]:
        """The files in folders that a text calls by a name which only one of them has."""
        by_name: dict[str, list[str]] = {}
        for path in self.known:
            by_name.setdefault(normalize("NFC", path.rpartition("/")[2]), []).append(path)
        words = (word.strip("`'\"“”«»()[]<>*,;:!?").rstrip(".") for word in text.split())
        fits = (by_name.get(normalize("NFC", w), []) for w in words if is_path_like(w))
        return tuple(dict.fromkeys(paths[0] for paths in fits if len(paths) == 1))

    def _equal(self, path: str) -> tuple[str, ...]:
        if path.isascii() and path in self.known:
            return (path,)
        return self._files.get(normalize("NFC", path), ())

    @cached_property
    def _files(self) -> Mapping[str, tuple[str, ...]]:
        return _by_form(self.known)

    @cached_property
    def _longest_first(self) -> Sequence[tuple[str, str]]:
        """The files, each with the form in which texts are searched for it."""
        forms = [(path, normalize("NFC", path)) for path in sorted(self.known)]
        return sorted(forms, key=lambda pair: len(pair[1]), reverse=True)

    @cached_property
    def _folders(self) -> Mapping[str, tuple[str, ...]]:
        parts = (path.split("/") for path in self.known)
        return _by_form({"/".join(p[:n]) for p in parts for n in range(1, len(p))})

    def _in_known_folder(self, path: str) -> str | Unclear:
        """A new path whose folders are spelled as the project spells them."""
        parts = path.split("/")
        for count in range(len(parts) - 1, 0, -1):
            folder, rest = "/".join(parts[:count]), "/".join(parts[count:])
            fits = self._folders.get(normalize("NFC", folder), ())
            if folder in fits:
                return path
            if len(fits) > 1:
                return Unclear(path, "fits several folders")
            if fits:
                return f"{fits[0]}/{rest}"
        return path

    def _without_backslashes(self, path: str) -> str | Unclear:
        """A new path with separators of Windows, or escapes of Markdown, in it."""
        windows, plain = _windows(path), _ESCAPE.sub(r"\1", path)
        if plain == path:
            return windows
        in_folder = self.has_folder(windows.rpartition("/")[0])
        if "\\" in plain or in_folder or self._equal(windows) or self._equal(plain):
            return Unclear(path, "has backslashes that can be read in two ways")
        return plain


def quoted(text: str) -> tuple[str, ...]:
    """All quoted strings of a text."""
    return tuple(match[match.lastindex or 0] for match in QUOTED.finditer(text))


def occurrences(path: str, text: str) -> Iterator[int]:
    """Positions of a path in a text, as a whole and not as a part of a longer path."""
    start = text.find(path) if path else -1
    while start >= 0:
        if _begins(text[:start]) and _ends(text[start + len(path) :]):
            yield start
        start = text.find(path, start + 1)


def is_name_character(character: str) -> bool:
    """True if a character can only be part of a name: not space, quotes, brackets, or a stop."""
    return (
        character in "_-/\\@+~$#&%"
        or unicodedata.category(character)[0] in "LMN"
        or (character in JOINERS)
    )


def _begins(before: str) -> bool:
    if before.endswith(("./", f"{WORK_DIR}/")):
        before = before.removesuffix("./").removesuffix(f"{WORK_DIR}/")
    return not before or not (is_name_character(before[-1]) or before[-1] == ".")


def _ends(after: str) -> bool:
    if after[:1] == ".":
        return not after[1:2] or not is_name_character(after[1])
    return not after or not is_name_character(after[0])


def _by_form(paths: Collection[str]) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(paths):
        form = normalize("NFC", path)
        found[form] = (*found.get(form, ()), path)
    return found


def _spellings(written: str) -> Iterator[str]:
    """A path without what says nothing, and as it reads with its backslashes taken for others."""
    yield _plain(written)
    if "\\" in written:
        yield _windows(written)
        yield _plain(_ESCAPE.sub(r"\1", written))


def _windows(path: str) -> str:
    return _plain(path.replace("\\", "/"))


def _plain(path: str) -> str:
    inside = path.removeprefix(f"{WORK_DIR}/") if path.startswith(f"{WORK_DIR}/") else path
    return re.sub(r"^(?:\./+)+", "", re.sub(r"/(?:\./+|/+)+", "/", inside))
