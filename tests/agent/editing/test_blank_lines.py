"""Definitions that an edit has put close are set apart; nothing else moves."""

from __future__ import annotations

import pytest

from agent.editing.blank_lines import set_apart

APART = "import os\n\n\ndef f():\n    return 1\n\n\nX = 1\n"


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("def f():\n    return 1\nX = 1\n", "def f():\n    return 1\n\n\nX = 1\n"),
        ("import os\n\n@once\ndef f(): ...\n", "import os\n\n\n@once\ndef f(): ...\n"),
        (APART, APART),
        ("X = 1\nY = 2\n", "X = 1\nY = 2\n"),
        ("def f(): ...\n# about g\ndef g(): ...\n", "def f(): ...\n# about g\ndef g(): ...\n"),
        ("def f(): ...\n\n\n\nX = 1\n", "def f(): ...\n\n\n\nX = 1\n"),
        ("def f(): ...; X = 1\n", "def f(): ...; X = 1\n"),
        ("not python (\n", "not python (\n"),
    ],
)
def test_two_blank_lines_stand_around_a_definition(text: str, made: str) -> None:
    assert set_apart(text, "") == made


def test_a_file_that_was_written_closer_stays_so() -> None:
    close = "def f():\n    return 1\n\ndef g():\n    return 2\n"
    assert set_apart(f"{close}X = 1\n", close) == f"{close}X = 1\n"
