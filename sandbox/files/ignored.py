"""Chooses which git-ignored files tests need. Pure: names, and the text of what enters anyway.

Compiled code stays out: it was made for this machine's Python, may be older than its source, and
cannot be checked for tampering.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from sandbox.box.contract import SourceFile
from sandbox.files.leaving_out import TEST_FOLDERS, is_named, read_together
from sandbox.files.transfer import is_secret_name

MOST_FILES = 1_000
_DATA = frozenset(
    ".json .jsonl .csv .tsv .txt .dat .npy .npz .yaml .yml .xml .toml .ini .sql .bin".split()  # noqa: SIM905
)
_CATALOGUE, _CATALOGUE_SOURCE = ".mo", ".po"
_VERSIONS = frozenset({"_version.py", "__version__.py", "_scm_version.py", "version.py"})
_OUTPUT = re.compile(
    r"""build | dist | site | target | out | output | htmlcov | logs? | tmp | temp | coverage
    | node_modules | venv | env | __pycache__ | \..+ | .*\.egg-info | .*\.dist-info""",
    re.VERBOSE | re.IGNORECASE,
)
_KINDS_NAMED = 5


def chosen(ignored: Iterable[str], files: Sequence[SourceFile]) -> tuple[str, ...]:
    """Choose of the ignored files those that stand beside a package's or a test's own files.

    Compiled catalogues beside their source, generated version modules, and data in a package or
    among tests that something names or that has neighbours of its kind.
    """
    asked = [path for path in sorted(ignored) if is_visible(path)]
    beside = _Beside(files)
    return tuple(path for path in asked if beside.need(path))[:MOST_FILES]


def is_visible(path: str) -> bool:
    """True if a person may miss the file: it is no secret, cache, environment or build output."""
    *folders, name = PurePosixPath(path).parts
    if name.startswith(".") or is_secret_name(name):
        return False
    return not any(_OUTPUT.fullmatch(folder) for folder in folders)


def staying_out(paths: Iterable[str]) -> str:
    """Say how many ignored files stay out, of which kinds, and what to set; empty for none."""
    kinds = Counter(_kind(path) for path in paths if is_visible(path))
    if not kinds:
        return ""
    total = kinds.total()
    named = [f"{count} {kind}" for kind, count in kinds.most_common(_KINDS_NAMED)]
    more = ", …" if len(kinds) > _KINDS_NAMED else ""
    files = "1 git-ignored file stays" if total == 1 else f"{total} git-ignored files stay"
    return (
        f"{files} out of the sandbox ({', '.join(named)}{more}): "
        "name in sandbox.include what tests need of them"
    )


def globs(patterns: str | None) -> tuple[str, ...]:
    """Read patterns as in .gitignore, separated by spaces, as git's globs from the top folder.

    One that leads out of the repository matches nothing.
    """
    inside = [bare for pattern in (patterns or "").split() if (bare := pattern.rstrip("/"))]
    return tuple(
        glob for bare in inside if ".." not in bare.split("/") for glob in _from_the_top(bare)
    )


def _from_the_top(pattern: str) -> tuple[str, str]:
    """Return a file's name as a glob, or a folder's with all its contents."""
    top = pattern.lstrip("/") if "/" in pattern else f"**/{pattern}"
    return top, f"{top}/**"


def _kind(path: str) -> str:
    if path.endswith("/"):
        return f"large folder {path}"
    return PurePosixPath(path).suffix or "without an ending"


class _Beside:
    """Knows what stands where among the files that enter anyway."""

    def __init__(self, files: Sequence[SourceFile]) -> None:
        self._paths = {file.path for file in files}
        places = [PurePosixPath(path) for path in self._paths]
        self._kinds = {(place.parent, place.suffix) for place in places}
        self._code = {place.parent for place in places if place.suffix == ".py"}
        self._files = files
        self._text: bytes | None = None

    def need(self, path: str) -> bool:
        place = PurePosixPath(path)
        if place.suffix == _CATALOGUE:
            return str(place.with_suffix(_CATALOGUE_SOURCE)) in self._paths or self._inside(place)
        if place.name in _VERSIONS:
            return place.parent in self._code and len(place.parts) > 1
        if place.suffix not in _DATA or not self._inside(place):
            return False
        return (place.parent, place.suffix) in self._kinds or self._named(path, place.suffix)

    def _inside(self, place: PurePosixPath) -> bool:
        """True if the file is in a folder of code or of tests, other than the top."""
        above = [folder for folder in place.parents if folder.parts]
        return any(folder in self._code or folder.name in TEST_FOLDERS for folder in above)

    def _named(self, path: str, kind: str) -> bool:
        """True if code mentions the file by name, or asks for all files of its kind."""
        if self._text is None:
            self._text = read_together(self._files)
        return f"*{kind}".encode() in self._text or is_named(path, self._text)
