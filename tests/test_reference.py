"""The pages of the documentation that are made from the code say what the code has."""

from __future__ import annotations

import importlib.util
import re
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from agent import events
from agent.settings.schema import Settings

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def reference() -> Iterator[ModuleType]:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "scripts" / "reference.py")
    assert spec
    assert spec.loader
    module, path = importlib.util.module_from_spec(spec), list(sys.path)
    spec.loader.exec_module(module)
    yield module
    sys.path[:] = path


def test_every_event_command_setting_and_stored_file_has_its_place(reference: ModuleType) -> None:
    pages = reference.pages()
    for kind in typing.get_args(events.Event):
        assert f"## `{events.name_of(kind)}`" in pages["reference/events.md"]
    for section in Settings.__dataclass_fields__:
        assert f"## `[{section}]`" in pages["reference/settings.md"]
    for command in ("run-tests", "learn", "eval drift", "serve", "acp"):
        assert f"`elagent {command}`" in pages["reference/commands.md"]
    for name in ("elagent.json", "manifest.json", "samples.jsonl"):
        assert name in pages["reference/files.md"]


def test_no_link_of_a_page_leads_to_the_rows_of_runs_which_are_no_pages(
    reference: ModuleType,
) -> None:
    linking = 0
    for page in sorted((ROOT / "docs").glob("*.md")):
        text = page.read_text(encoding="utf-8")
        linking += "](runs/" in text
        assert not re.search(r"\]\((?:\.\./)?runs/", reference.on_page_markdown(text)), page.name
    assert linking, "else this says nothing"
