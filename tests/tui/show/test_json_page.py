"""docs/json.md holds every event and field that `--json` prints, and no other."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from pathlib import Path
from typing import get_args

import pytest

from agent.events import SCHEMA_VERSION, Event, TestsFinished, TurnEnding, to_json
from sandbox.box.status import VerdictTrust
from sandbox.verdict.report import Frame, RunStatus, TestOutcome, TestReport, TestResult

PAGE = Path(__file__).parents[3] / "docs" / "json.md"
VALUES = {"A report": TestReport, "A result": TestResult, "A frame": Frame}


def sections() -> Mapping[str, str]:
    parts = re.split(r"^## `?([\w ]+)`?\n", PAGE.read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented(section: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", section, flags=re.MULTILINE)


def fields_of(kind: type) -> set[str]:
    assert dataclasses.is_dataclass(kind)
    return {field.name for field in dataclasses.fields(kind)}


def snake(kind: type) -> str:
    return re.sub(r"(?<!^)([A-Z])", r"_\1", kind.__name__).lower()


@pytest.mark.parametrize("kind", get_args(Event), ids=snake)
def test_each_event_is_on_the_page_with_its_fields(kind: type) -> None:
    told = documented(sections()[snake(kind)])
    report = TestReport(
        status=RunStatus.COMPLETE,
        results=(),
        runner="pytest",
        trust=VerdictTrust.PLAIN,
        duration_s=0,
    )
    added = set(to_json(TestsFinished(report))) - fields_of(TestsFinished) - {"v", "event"}
    assert len(told) == len(set(told))
    assert set(told) == fields_of(kind) | (added if kind is TestsFinished else set())


@pytest.mark.parametrize("title", VALUES)
def test_each_value_is_on_the_page_with_its_fields(title: str) -> None:
    assert set(documented(sections()[title])) == fields_of(VALUES[title])


def test_the_page_has_nothing_else_and_every_word_that_a_field_may_hold() -> None:
    text = PAGE.read_text()
    assert set(sections()) == {snake(kind) for kind in get_args(Event)} | set(VALUES)
    assert f"the version of this page ({SCHEMA_VERSION})" in text
    for words in (RunStatus, TestOutcome, VerdictTrust, TurnEnding):
        assert [word.value for word in words if f"`{word.value}`" not in text] == []
