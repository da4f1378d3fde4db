"""The thirty broken repositories of `examples/fixloop`: read, made in a folder, checked."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent / "examples" / "fixloop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutation:
    """One way to break one package: a piece of text that occurs once, and what stands there then."""

    id: str
    kind: str
    package: str
    file: str
    old: str
    new: str


def load_mutations() -> tuple[Mutation, ...]:
    """All mutations, in the order of the file."""
    data = tomllib.loads((FOLDER / "mutations.toml").read_text("utf-8"))
    return tuple(Mutation(**item) for item in data["mutation"])


def build(root: Path, mutation: Mutation, *, broken: bool = True) -> None:
    """Make the repository of a mutation in an empty folder; whole if not `broken`.

    Raises:
        ValueError: If the text to be replaced does not occur exactly once.
    """
    ignored = shutil.ignore_patterns("__pycache__", ".pytest_cache")
    shutil.copytree(FOLDER / mutation.package, root, dirs_exist_ok=True, ignore=ignored)
    break_file(root, mutation, broken=broken)


def break_file(root: Path, mutation: Mutation, *, broken: bool = True) -> None:
    """Put the fault of a mutation into its file; only check that it can be if not `broken`.

    Raises:
        ValueError: If the text to be replaced does not occur exactly once.
    """
    target = root / mutation.file
    text = target.read_text("utf-8")
    if text.count(mutation.old) != 1:
        raise ValueError(f"{mutation.id}: its text occurs {text.count(mutation.old)} times")
    if broken:
        target.write_text(text.replace(mutation.old, mutation.new), "utf-8")


def passes(root: Path) -> bool:
    """True if the tests of a repository of ours pass with this Python, outside of any sandbox."""
    argv = [sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=."]
    done = subprocess.run(argv, cwd=root, capture_output=True, check=False)
    return done.returncode == 0


def problem_of(mutation: Mutation) -> str:
    """Say why a mutation is no task: the whole package fails, or the broken one passes; else empty."""
    with tempfile.TemporaryDirectory() as folder:
        whole, broken = Path(folder, "whole"), Path(folder, "broken")
        build(whole, mutation, broken=False)
        build(broken, mutation)
        if not passes(whole):
            return f"{mutation.id}: the tests of {mutation.package} fail before it is broken"
        return f"{mutation.id}: its tests pass although it is broken" if passes(broken) else ""
