"""Finds files outside of the box without which the tests are not whole. Pure: text only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from sandbox.box.contract import SourceFile
from sandbox.files.host_names import folded
from sandbox.files.transfer import NEVER_NAMES, Refusal
from sandbox.verdict.pristine import content_of, is_pinned

_TEST_WORD = re.compile(r"(?:^|[._-])(?:tests?|specs?)(?:[._-]|$)", re.IGNORECASE)
TEST_FOLDERS = frozenset({"test", "tests", "__tests__", "spec", "specs"})
_CODE = frozenset(
    ".py .pyi .pyx .js .mjs .cjs .ts .jsx .tsx .go .rs .c .cc .cpp .cxx .h .hpp".split()  # noqa: SIM905
)
_LEAST_NAME = 3
_READ = frozenset({*_CODE, ".toml", ".cfg", ".ini", ".txt", ".json", ".yaml", ".yml"})


def missed(
    refusals: Sequence[Refusal], files: Sequence[SourceFile], *, folder: str = ""
) -> tuple[Refusal, ...]:
    """Choose the refused files without which the tests of the project in `folder` are not whole.

    Tests, their configuration and code in their folders always; other code and data if something
    that does enter names it.
    """
    inside = f"{folder}/" if folder else ""
    files = [file for file in files if file.path.startswith(inside)]
    open_ = [r for r in refusals if r.path.startswith(inside) and not _never(r.path)]
    decided = [refusal for refusal in open_ if _decides(refusal.path)]
    asked = [refusal for refusal in open_ if refusal not in decided and _name(refusal.path)]
    if asked:
        text = read_together(files)
        decided += [refusal for refusal in asked if is_named(refusal.path, text)]
    return tuple(sorted(decided, key=lambda refusal: refusal.path))


def _never(path: str) -> bool:
    return any(folded(part) in NEVER_NAMES for part in PurePosixPath(path).parts)


def _decides(path: str) -> bool:
    *folders, name = PurePosixPath(path).parts
    # a link has no ending of its own: it may be a folder of tests
    is_code = PurePosixPath(name).suffix in _CODE or not PurePosixPath(name).suffix
    among_tests = not TEST_FOLDERS.isdisjoint(folders)
    if is_code and (among_tests or _TEST_WORD.search(PurePosixPath(name).stem)):
        return True
    return is_pinned(path) and not among_tests


def _name(path: str) -> str:
    """Return the name by which code refers to the file: its module, or the whole name for data."""
    place = PurePosixPath(path)
    if place.suffix not in _CODE:
        return place.name
    name = place.parent.name if place.stem in ("__init__", "index") else place.stem
    return name if len(name) >= _LEAST_NAME else place.name


def read_together(files: Sequence[SourceFile]) -> bytes:
    """Return the text of all code and configuration among the files."""
    return b"\n".join(
        content_of(file) for file in files if PurePosixPath(file.path).suffix in _READ
    )


def is_named(path: str, text: bytes) -> bool:
    """True if a text calls the file by its name, or by its module's."""
    name = re.escape(_name(path).encode("utf-8", "surrogateescape"))
    return re.search(rb"(?<![\w-])" + name + rb"(?![\w-])", text) is not None
