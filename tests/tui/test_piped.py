"""Text on standard input beside a task joins the prompt, and silence does not keep it waiting."""

from __future__ import annotations

import os
import sys
from io import TextIOWrapper
from pathlib import Path

import pytest

from tui.piped import piped_text


def test_what_is_piped_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"diff --git a/ops.py b/ops.py\n" * 100)
    os.close(writing)
    with TextIOWrapper(os.fdopen(reading, "rb")) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert piped_text().count("diff --git") == 100


def test_a_file_is_read_and_an_open_pipe_that_says_nothing_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text("boom\n")
    with (tmp_path / "log").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert piped_text() == "boom\n"
    reading, writing = os.pipe()
    with TextIOWrapper(os.fdopen(reading, "rb")) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert piped_text() == ""
    os.close(writing)


def test_a_terminal_or_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert piped_text() == ""
