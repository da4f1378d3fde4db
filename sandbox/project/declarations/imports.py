"""Finds the packages that tests import: the project's optional ones may be needed by its tests."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.utils import canonicalize_name

from sandbox.project.declarations.reading import FileTree

_TEST_FILE = re.compile(r"test_.*\.py|.*_tests?\.py|tests?\.py|conftest\.py")
_TEST_FOLDERS = frozenset({"test", "tests", "testing"})
_SKIPPED = frozenset({"node_modules", "venv", "env", "build", "dist", "site-packages"})
_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+([\w.]+(?:[ \t]*,[ \t]*[\w.]+)*)", re.MULTILINE)
_SKIP_WITHOUT = re.compile(r"\bimportorskip\(\s*[\"']([\w.]+)[\"']")
_MOST_FILES = 3_000
_MOST_ENTRIES = 50_000
_MOST_BYTES = 32 * 1024 * 1024
GIANTS = frozenset({"torch", "tensorflow", "jax", "jaxlib", "pyspark", "mxnet", "paddlepaddle"})
"""Packages of gigabytes, which nobody gets who did not ask for them."""
_OTHER_NAMES: Mapping[str, str] = {
    "attrs": "attr",
    "beautifulsoup4": "bs4",
    "gitpython": "git",
    "grpcio": "grpc",
    "ipython": "IPython",
    "mysqlclient": "MySQLdb",
    "opencv-python": "cv2",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "protobuf": "google.protobuf",
    "psycopg2-binary": "psycopg2",
    "pycryptodome": "Crypto",
    "pyjwt": "jwt",
    "pyserial": "serial",
    "python-dateutil": "dateutil",
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
}


def imported_by_tests(tree: FileTree, root: Path) -> frozenset[str]:
    """Return what the test files import, with the packages above: `a.b` stands for `a`, too."""
    found: set[str] = set()
    left = _MOST_BYTES
    for count, path in enumerate(_test_files(root)):
        data = tree.read(path) or b""
        left -= len(data)
        if count >= _MOST_FILES or left < 0:
            break
        text = data.decode("utf-8", "replace")
        for names in (*_IMPORT.findall(text), *_SKIP_WITHOUT.findall(text)):
            for name in re.split(r"[ \t]*,[ \t]*", names):
                parts = name.split(".")
                found |= {".".join(parts[:end]) for end in range(1, len(parts) + 1)}
    return frozenset(found)


def provides(package: str, imported: frozenset[str]) -> bool:
    """True if a package, going by its name, is one of those that are imported."""
    name = canonicalize_name(package)
    bare = name.removeprefix("python-").removesuffix("-python")
    guesses = {_OTHER_NAMES.get(name, ""), name.replace("-", "_"), name.replace("-", ".")}
    guesses |= {bare.replace("-", "_"), name.removeprefix("py") if name.startswith("py") else ""}
    folded = {each.lower() for each in imported}
    return any(guess.lower() in folded for guess in guesses if guess)


def _test_files(root: Path) -> Iterator[Path]:
    seen = 0
    for directory, names, files in os.walk(root):
        names[:] = sorted(n for n in names if not n.startswith(".") and n not in _SKIPPED)
        inside = bool(_TEST_FOLDERS & set(Path(directory).relative_to(root).parts))
        seen += len(files)
        if seen > _MOST_ENTRIES:
            return
        for name in sorted(files):
            if _TEST_FILE.fullmatch(name) or (inside and name.endswith(".py")):
                yield Path(directory, name)
