"""The manual page that the wheel installs says what the command line of today says."""

from __future__ import annotations

import runpy
from pathlib import Path

from tui.cli import COMMANDS

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_of_this_command_line() -> None:
    made = runpy.run_path(str(ROOT / "scripts" / "man_page.py"))["page"]()
    kept = (ROOT / "share" / "man" / "man1" / "elagent.1").read_text()
    assert kept == made, "commands changed: python scripts/man_page.py writes the page anew"


def test_the_page_names_every_command_and_no_line_is_a_request_by_accident() -> None:
    lines = (ROOT / "share" / "man" / "man1" / "elagent.1").read_text().splitlines()
    headings = {line for line in lines if line.startswith(".SS")}
    assert {f'.SS "elagent {name}"'.replace("-", "\\-") for name in COMMANDS} <= headings
    assert {line.split()[0] for line in lines if line.startswith((".", "'"))} == {
        ".TH", ".SH", ".SS", ".PP", ".TP", ".nf", ".fi",
    }  # fmt: skip
