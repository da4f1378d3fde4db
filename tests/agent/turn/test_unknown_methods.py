"""Methods that a change calls and nobody defines are named, and nothing that is in doubt."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from agent.fixing.sources import Sources
from agent.turn.unknown_methods import unknown_methods

SHELF = "class Shelf:\n    def use(self, name):\n        self.items = {}\n"
BEFORE = "from shelf import Shelf\n\n\ndef main(shelf, path):\n    shelf.use('x')\n"


def unknown(root: Path, line: str, head: str = "") -> tuple[str, ...]:
    (root / "shelf.py").write_text(SHELF)
    after = f"{head}{BEFORE}    {line}\n"
    (root / "cli.py").write_text(after)
    return unknown_methods("cli.py", BEFORE, after, Sources(root, ["cli.py", "shelf.py"]))


def test_a_method_that_nobody_defines_is_named(tmp_path: Path) -> None:
    assert unknown(tmp_path, "shelf.drop('x')") == ("drop",)
    assert unknown(tmp_path, "print('drop'); shelf.drop('x')") == ("drop",)


@pytest.mark.parametrize(
    ("line", "head"),
    [
        ("shelf.use('y')", ""),
        ("shelf.items.pop('x')", ""),
        ("path.mkdir(parents=True)", ""),
        ("print(' '.join([]).casefold())", ""),
        ("json.dumpz({})", "import json\n"),
        ("Shelf.make('x')", ""),
        ("path.recv(3)", "import socket\n"),
        ("shelf.drop('x')", "import numpy\n"),
        ("shelf._drop('x')", ""),
        ("shelf.drop = print; shelf.drop('x')", ""),
        ("shelf.drop('x')", "import tkinter\n"),
        ("shelf.drop('x')", "from types import SimpleNamespace\n"),
        ("shelf.use('x')", "import unittest.__main__\n"),
    ],
)
def test_what_is_defined_or_in_doubt_is_not(line: str, head: str, tmp_path: Path) -> None:
    assert unknown(tmp_path, line, head) == ()


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_raises(before: str, after: str) -> None:
    unknown_methods("a.py", before, after, Sources(Path("/nonexistent"), []))
