"""Compares the tests and their configuration with the user's last commit, on which verdicts rest.

The caller gives the commit; nothing here reads a repository or runs anything.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from types import MappingProxyType

from sandbox.box.contract import SourceFile
from sandbox.box.status import VerdictTrust
from sandbox.files.links import behind_links
from sandbox.project.detection import Project
from sandbox.verdict.instruments import Instruments
from sandbox.verdict.tampering import sign_of_tampering

_SHA1_DIGITS = 40
_NOTES_KEPT = 3

_TEST_NAME = re.compile(r"test.*\.py|.*_test\.py")
_TEST_FOLDERS = frozenset({"test", "tests"})
_PYTEST_FILES = frozenset({"pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"})
_CONFIGURATION = _PYTEST_FILES | {
    "conftest.py",
    "tox.ini",
    "setup.cfg",
    "setup.py",
    "pyproject.toml",
    "sitecustomize.py",
    "usercustomize.py",
}
_METADATA = (".dist-info", ".egg-info", ".egg-link")
_DECLARING = frozenset({"pyproject.toml", "setup.cfg", "setup.py"})
_READ = (".py", ".toml", ".cfg", ".ini")
_PYTEST_SECTION = re.compile(rb"^\[(?:tool:pytest|pytest|tool\.pytest[\w.]*)\]", re.MULTILINE)
_NAMED_PLUGINS = re.compile(rb"pytest_plugins\s*(?::[^=\n]+)?=\s*(\[[^\]]*\]|\([^)]*\)|[^\n]+)")
_PLUGIN_OPTION = re.compile(rb"-p[ \t\"',]+(?!no:)([A-Za-z_][\w.]*)")
_STRING = re.compile(rb"[\"']([A-Za-z_][\w.]*)[\"']")
_ENTRY_POINT = re.compile(rb"=[ \t\"']*([A-Za-z_][\w.]*)")
_PLUGIN_REQUIREMENT = re.compile(r"pytest[-_.]\w|hypothesis\b|anyio\b|syrupy\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pristine:
    """The user's last commit."""

    commit: str
    """Commit id, for messages and as a key."""
    hashes: Mapping[str, str]
    """Git's blob id of every regular file in it, by path relative to the project's root."""
    read: Callable[[str], bytes]
    """Gives the content of one of these files."""
    links: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Git's blob id of what every symbolic link in it holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footing:
    """Highest trust that the files of one run allow, with the reasons."""

    trust: VerdictTrust
    """The highest level that the run may reach."""
    notes: tuple[str, ...] = ()
    """Reasons why the trust is no higher, one sentence each."""
    changed: frozenset[str] = frozenset()
    """Files that differ from the commit, new ones included."""


def footing(project: Project, files: Sequence[SourceFile], pristine: Pristine | None) -> Footing:
    """Compare the files of a run with the user's last commit.

    Tests, `conftest.py`, plugins and configuration must be those of the commit, byte for byte, and
    nothing else that differs may look like tampering; otherwise a verdict is plain.
    """
    if project.runner == "command":
        return Footing(
            trust=VerdictTrust.PLAIN, notes=("a command gives an exit code and no more",)
        )
    if pristine is None:
        return Footing(
            trust=VerdictTrust.PLAIN, notes=("there is no commit to take the tests from",)
        )
    contents = {file.path: content_of(file) for file in files}
    committed = {**pristine.hashes, **pristine.links}
    changed = frozenset(
        path
        for path, content in contents.items()
        if blob_id(content, like=committed.get(path, "")) != committed.get(path)
    )
    before_edits = _committed(contents, changed, pristine)
    plugins = _plugin_files(contents) | _plugin_files(before_edits) | _pinned_by_links(files)
    notes = [*_pinned_notes(changed, contents, pristine, plugins)]
    notes += _instrument_notes(changed, before_edits, plugins)
    for path in sorted(path for path in changed if not is_pinned(path, plugins)):
        known = path in pristine.hashes
        before = pristine.read(path) if known and not notes else b""
        if sign := sign_of_tampering(path, before if known else None, contents[path]):
            notes.append(f"{path}: {sign}")
    if notes:
        return Footing(trust=VerdictTrust.PLAIN, notes=_few(notes), changed=changed)
    bare = project.runner == "pytest" and not _needs_configuration(project, contents)
    return Footing(trust=VerdictTrust.HARDENED if bare else VerdictTrust.PINNED, changed=changed)


def committed_files(files: Sequence[SourceFile], pristine: Pristine) -> list[SourceFile]:
    """Return the project as it is in the commit: new files are left out, the rest is put back."""
    present = {file.path: file for file in files}
    found = []
    for path, digest in sorted(pristine.hashes.items()):
        file = present.get(path)
        if file is None and not is_pinned(path):
            continue  # deleted since, or refused on its way into the box
        if file is None or blob_id(content_of(file), like=digest) != digest:
            executable = file is not None and file.executable
            file = SourceFile(path=path, content=pristine.read(path), executable=executable)
        found.append(file)
    links = (file for file in files if file.link and file.path in pristine.links)
    same = [f for f in links if _is_blob(content_of(f), pristine.links[f.path])]
    return found + same


def is_test_file(path: str) -> bool:
    """True if a file by its name holds tests."""
    return bool(_TEST_NAME.fullmatch(PurePosixPath(path).name))


def is_pinned(path: str, plugins: Iterable[str] = ()) -> bool:
    """True if verdicts rest on this file: tests and their data, plugins, configuration."""
    *folders, name = PurePosixPath(path).parts
    return (
        is_test_file(path)
        or name in _CONFIGURATION
        or name.endswith(".pth")
        or _is_metadata(path)
        or not _TEST_FOLDERS.isdisjoint(folders)
        or path in plugins
    )


def blob_id(content: bytes, *, like: str = "") -> str:
    """Git's name for a file's content, in the kind of hash that `like` is."""
    kind = "sha256" if len(like) > _SHA1_DIGITS else "sha1"
    return hashlib.new(
        kind, b"blob %d\0" % len(content) + content, usedforsecurity=False
    ).hexdigest()


def _is_blob(content: bytes, digest: str) -> bool:
    return blob_id(content, like=digest) == digest


def content_of(file: SourceFile) -> bytes:
    """Return the bytes of a file that is to enter a box."""
    return file.content if isinstance(file.content, bytes) else file.content.read_bytes()


def _pinned_notes(
    changed: frozenset[str],
    contents: Mapping[str, bytes],
    pristine: Pristine,
    plugins: frozenset[str],
) -> list[str]:
    notes = []
    for path in sorted(changed):
        if is_pinned(path, plugins):
            what = "differs from" if path in pristine.hashes else "is not in"
            notes.append(f"{path} {what} the last commit")
    gone = (path for path in pristine.hashes if path not in contents and _steers(path))
    notes += [f"{path} was deleted since the last commit" for path in gone if is_pinned(path)]
    return notes


def _committed(
    contents: Mapping[str, bytes], changed: frozenset[str], pristine: Pristine
) -> dict[str, bytes]:
    """Return the project's code of the commit, without files that are gone."""
    return {
        path: pristine.read(path) if path in changed else content
        for path, content in contents.items()
        if path in pristine.hashes and (path not in changed or path.endswith(_READ))
    }


def _instrument_notes(
    changed: frozenset[str], committed: Mapping[str, bytes], plugins: frozenset[str]
) -> list[str]:
    instruments = Instruments(committed, lambda path: is_pinned(path, plugins))
    return [
        f"{path}, which only the tests use, differs from the last commit"
        for path in sorted(changed)
        if not is_pinned(path, plugins) and path in instruments
    ]


def _steers(path: str) -> bool:
    """True if the absence of a file can change the tests; data may be refused on its way."""
    name = PurePosixPath(path).name
    return path.endswith((".py", ".pth")) or name in _CONFIGURATION or _is_metadata(path)


def _is_metadata(path: str) -> bool:
    """True if it belongs to a package's metadata, by which plugins of the runner are found."""
    pure = PurePosixPath(path)
    return pure.name == "entry_points.txt" or any(part.endswith(_METADATA) for part in pure.parts)


def _plugin_files(contents: Mapping[str, bytes]) -> frozenset[str]:
    """Find the project's files that tests or configuration load as plugins of the runner."""
    names: set[str] = set()
    for path, content in contents.items():
        name = PurePosixPath(path).name
        if name in _DECLARING and b"pytest11" in content:
            declared = content.partition(b"pytest11")[2]
            names.update(item.decode() for item in _ENTRY_POINT.findall(declared))
        if is_test_file(path) or name == "conftest.py":
            for listed in _NAMED_PLUGINS.findall(content):
                names.update(item.decode() for item in _STRING.findall(listed))
        elif name in _CONFIGURATION:
            names.update(item.decode() for item in _PLUGIN_OPTION.findall(content))
    found: set[str] = set()
    for name in names:
        stem = name.replace(".", "/")
        for path in (f"{stem}.py", f"{stem}/__init__.py"):
            found.update(prefix + path for prefix in ("", "src/"))
    return frozenset(found)


def _pinned_by_links(files: Sequence[SourceFile]) -> frozenset[str]:
    """Find files on which verdicts rest under another name: a link among the tests leads there."""
    present = {file.path: file for file in files}
    ends = [
        end
        for link, end in behind_links(present).items()
        # what is below a link that is a folder has the link's name among its folders
        if is_pinned(link) or is_pinned(f"{link}/x")
    ]
    inside = tuple(f"{end}/" for end in ends)
    return frozenset(p for p in present if p in ends or "." in ends or p.startswith(inside))


def _needs_configuration(project: Project, contents: Mapping[str, bytes]) -> bool:
    """True if running without conftest, plugins and configuration would change what runs."""
    if any(_PLUGIN_REQUIREMENT.match(line) for line in project.requirements):
        return True
    for path, content in contents.items():
        name = PurePosixPath(path).name
        if name == "conftest.py" or name in _PYTEST_FILES:
            return True
        if name in _CONFIGURATION and _PYTEST_SECTION.search(content):
            return True
    return False


def _few(notes: Sequence[str]) -> tuple[str, ...]:
    rest = len(notes) - _NOTES_KEPT
    return (*notes[:_NOTES_KEPT], f"and {rest} more reasons") if rest > 0 else tuple(notes)
