"""pip's requirement files: their lines, options, includes and constraints, as pip parses them."""

from __future__ import annotations

import re
import shlex
from argparse import ArgumentError, ArgumentParser, Namespace
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn
from urllib.parse import unquote, urlsplit

from sandbox.images.host_pip import asked_indexes, bare_address
from sandbox.project.declarations.items import (
    Constraint,
    Folder,
    Item,
    Need,
    Unread,
    elsewhere,
    parsed,
    shortened,
    shown,
)
from sandbox.project.declarations.reading import FileTree

_COMMENT = re.compile(r"(^|\s)#.*$")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_LOCAL = re.compile(r"(?P<path>[^\[\];]+?)\s*(?:\[(?P<extras>[^\]]*)\])?\s*(?:;(?P<marker>.*))?")
_SCHEME = re.compile(r"(?:git|hg|svn|bzr)\+|[a-z][a-z+.-]*://|file:", re.IGNORECASE)
_EGG = re.compile(r"[#&]egg=([\w.-]+)")
_ARCHIVE = (".whl", ".tar.gz", ".zip", ".tar.bz2", ".tar.xz", ".tgz")
_PYTORCH = "download.pytorch.org"
_MOST_LINES = 20_000
_LONGEST = 2_000
_DEEPEST = 20


class _Parser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ArgumentError(None, message)


def _parser() -> _Parser:
    """Return a parser of the options that a requirement file may hold."""
    parser = _Parser(add_help=False, allow_abbrev=False)
    for short, long in (("-r", "--requirement"), ("-c", "--constraint"), ("-e", "--editable")):
        parser.add_argument(short, long, action="append", default=[])
    parser.add_argument("-i", "--index-url", "--pypi-url")
    parser.add_argument("-f", "--find-links", action="append", default=[])
    parser.add_argument("--extra-index-url", action="append", default=[])
    for ignored in ("--hash", "--config-settings", "-C", "--config-setting", "--global-option"):
        parser.add_argument(ignored, action="append")
    for ignored in ("--install-option", "--trusted-host", "--no-binary", "--only-binary"):
        parser.add_argument(ignored, action="append")
    for ignored in ("--use-feature", "--all-releases", "--only-final"):
        parser.add_argument(ignored, action="append")
    for flag in ("--no-index", "--pre", "--prefer-binary", "--require-hashes"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("--no-require-hashes", action="store_true")
    return parser


_OPTIONS = _parser()


def requirement_file(tree: FileTree, path: Path, *, asked_by: str = "") -> Iterator[Item]:
    """Yield what a requirement file says, with all that it includes.

    A file that does not exist says nothing, or is named if another file (`asked_by`) includes it.
    """
    yield from _File(tree, path, asked_by, (), set(), constrains=False).items()


def requirement_text(tree: FileTree, text: str, *, place: Path) -> Iterator[Item]:
    """Yield what the lines of a text say that stands in the file `place`, as tox's `deps` do."""
    yield from _File(tree, place, "", (), set(), constrains=False).lines(text)


def requirement_line(
    tree: FileTree, line: str, *, folder: Path, place: str, is_path: bool = False
) -> Iterator[Item]:
    """Yield what one line says that is no option; paths in it begin at `folder`.

    A lone name is a package's, unless the line `is_path`, as what follows `-e`.
    """
    requirement = parsed(line)
    if requirement is None or (requirement.url is None and is_path):
        yield _unnamed(tree, line, folder, place)
    elif requirement.url is None:
        yield Need(line=line, place=place)
    elif (path := file_path(requirement.url, folder)) is not None:
        marker = str(requirement.marker or "")
        yield local(tree, path, place=place, extras=tuple(requirement.extras), marker=marker)
    else:
        yield elsewhere(requirement.name, requirement.url, place=place)


@dataclass(frozen=True, slots=True)
class _File:
    tree: FileTree
    path: Path
    asked_by: str
    above: tuple[Path, ...]
    """The files that include this one, the nearest last."""
    seen: set[tuple[Path, bool]]
    """All that were read, as requirements or as constraints: each is read once."""
    constrains: bool

    def items(self) -> Iterator[Item]:
        if not self.tree.holds(self.path):
            yield Unread(
                reason=f"{self.asked_by or self.path.name} was not followed to {self.path.name}: "
                "it is outside of the project"
            )
            return
        place, resolved = self.tree.name(self.path), self.path.resolve()
        if resolved in self.above:
            yield Unread(reason=f"{place} includes itself, by {self.asked_by}: it was read once")
            return
        if len(self.above) >= _DEEPEST:
            yield Unread(reason=f"{place} was not read: {_DEEPEST} files include each other")
            return
        if (resolved, self.constrains) in self.seen:
            return
        self.seen.add((resolved, self.constrains))
        text = self.tree.text(self.path)
        if text is None:
            if self.asked_by and not self.tree.is_file(self.path):
                yield Unread(reason=f"{self.asked_by} includes {place}, which does not exist")
            return
        yield from replace(self, above=(*self.above, resolved)).lines(text)

    def lines(self, text: str) -> Iterator[Item]:
        for number, line in enumerate(_joined(text)):
            if number >= _MOST_LINES:
                place = self.tree.name(self.path)
                yield Unread(reason=f"{place} has more than {_MOST_LINES} lines: only those count")
                return
            yield from self._line(line)

    def _line(self, line: str) -> Iterator[Item]:
        place = self.tree.name(self.path)
        if _VARIABLE.search(line):
            yield Unread(
                reason=f"{place}: {shown(line)} was not read: variables of this machine's "
                "environment are not put in"
            )
            return
        words = line.split(" ")
        first = next((i for i, word in enumerate(words) if word.startswith("-")), len(words))
        if len(requirement := " ".join(words[:first])) > _LONGEST:
            yield Unread(reason=f"{place}: {shortened(line)} was not read: it is too long")
        elif requirement:  # what may follow it are hashes and settings of its build
            yield from self._requirement(requirement)
        else:
            yield from self._option_line(line)

    def _option_line(self, line: str) -> Iterator[Item]:
        place = self.tree.name(self.path)
        try:
            options, rest = _OPTIONS.parse_known_args(shlex.split(line[:_LONGEST]))
        except (ArgumentError, ValueError) as error:
            yield Unread(reason=f"{place}: {shortened(line)} was not read: {error}")
            return
        if rest:
            yield Unread(reason=f"{place}: {shortened(line)} is not an option that pip knows")
        yield from self._options(options)

    def _requirement(self, line: str) -> Iterator[Item]:
        place = self.tree.name(self.path)
        for item in requirement_line(self.tree, line, folder=self.path.parent, place=place):
            if not self.constrains:
                yield item
            elif isinstance(item, Need):
                yield Constraint(line=item.line, place=place)

    def _options(self, options: Namespace) -> Iterator[Item]:
        place = self.tree.name(self.path)
        for names, constrains in ((options.requirement, False), (options.constraint, True)):
            for name in names:
                yield from self._include(name, constrains=constrains or self.constrains)
        for line in options.editable:
            yield from requirement_line(
                self.tree, line, folder=self.path.parent, place=place, is_path=True
            )
        for url in filter(None, (options.index_url, *options.extra_index_url)):
            if not is_asked(url):
                yield Unread(
                    reason=f"{place}: the package index {shown(url)} is not asked; "
                    "set it in pip's own configuration if you trust it"
                )
        for link in options.find_links:
            yield Unread(reason=f"{place}: packages are not looked for at {shown(link)}")

    def _include(self, name: str, *, constrains: bool) -> Iterator[Item]:
        place = self.tree.name(self.path)
        if _SCHEME.match(name):
            yield Unread(reason=f"{place} includes {shown(name)}, which is not fetched")
            return
        path = self.path.parent / name
        yield from _File(self.tree, path, place, self.above, self.seen, constrains).items()


def _joined(text: str) -> Iterator[str]:
    """Yield lines as pip sees them: continued ones joined, comments and empty ones gone."""
    begun = ""
    for raw in text.splitlines():
        is_comment = bool(_COMMENT.match(raw))
        if raw.endswith("\\") and not is_comment:
            begun += raw.strip("\\")
            continue
        line = _COMMENT.sub("", begun + (" " + raw if is_comment else raw)).strip()
        begun = ""
        if line:
            yield line
    if line := _COMMENT.sub("", begun).strip():
        yield line


def _unnamed(tree: FileTree, line: str, folder: Path, place: str) -> Item:
    """Read a line without a name: a path, or an address."""
    if _SCHEME.match(line) and (path := file_path(line.split("#", maxsplit=1)[0], folder)) is None:
        egg = _EGG.search(line)
        return elsewhere(egg[1] if egg else "a package", line, place=place)
    found = _LOCAL.fullmatch(line.strip())
    if found is None:
        return Unread(reason=f"{place}: {shortened(line)} is not a plain requirement")
    text = found["path"].split("#")[0]
    path = file_path(text, folder) or folder / text
    if not text.startswith((".", "/", "file:")) and "/" not in text and not _is_there(path):
        return Unread(reason=f"{place}: {shortened(line)} is not a plain requirement")
    extras = tuple(part.strip() for part in (found["extras"] or "").split(",") if part.strip())
    marker = (found["marker"] or "").strip()
    return local(tree, path, place=place, extras=extras, marker=marker)


def local(
    tree: FileTree, path: Path, *, place: str, extras: tuple[str, ...] = (), marker: str = ""
) -> Item:
    """Return a project in a folder; an archive, or what is not in the repository, is named."""
    if not tree.holds(path):
        return Unread(reason=f"{place}: {path.name} is outside of the project and was not read")
    if path.name.lower().endswith(_ARCHIVE):
        return Unread(
            reason=f"{place}: the archive {tree.name(path)} is not installed; "
            "only folders and releases from the package index are"
        )
    if not path.is_dir():
        return Unread(reason=f"{place}: there is no folder {tree.name(path)}")
    return Folder(path=path.resolve(), place=place, extras=extras, marker=marker)


def file_path(url: str, folder: Path) -> Path | None:
    """Return the path that a `file:` address or a path names, None for any other address."""
    if not _SCHEME.match(url):
        return folder / url
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme.lower() != "file" or parts.netloc not in ("", "localhost"):
        return None
    return folder / unquote(parts.path)


def is_asked(url: str) -> bool:
    """True if an index is asked: the public one, one with the same packages, or pip's own here."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host in _public_hosts() or bare_address(url) in asked_indexes()


def _public_hosts() -> frozenset[str]:
    """Return the hosts of the public index that pip uses by default, and of PyTorch's own."""
    from pip._internal.models.index import PyPI

    return frozenset({PyPI.netloc, PyPI.file_storage_domain, _PYTORCH})


def _is_there(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False
