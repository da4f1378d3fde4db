"""A repair within limits: what its events add up to, and what is in place when the time is over."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.events import (
    AttemptStarted,
    ChangeChosen,
    ChangesTried,
    EditApplied,
    EditReverted,
    FixFinished,
    ReplyFinished,
    StageStarted,
)
from agent.fixing.options import FixOptions
from agent.paths import Paths
from agent.settings.schema import SandboxSettings
from lab.benchmarks.repairing import RepairTold, Workbench, repair_project
from tests.fakes.model import ScriptedModel


def test_searches_are_added_up_and_an_edit_that_went_back_has_no_origin() -> None:
    told = RepairTold()
    for event in (
        StageStarted("looking for the place of the fault"),
        ChangesTried(30, 0, "template", 0),
        ChangesTried(34, 1, "infill", 12),
        ReplyFinished("", "m", None, 90, 0, 20, 4096, 1.0),
        ChangesTried(35, 1, "function", 32),
        ChangeChosen("a.py", 3, "now return 1", "infill"),
        EditApplied("a.py", "-\n+"),
        EditReverted("a.py", "it broke another test"),
        StageStarted("looking for the place of the fault"),
        ChangesTried(7, 1, "template", 0),
        ChangeChosen("a.py", 3, "compare: < to <=", "template"),
        EditApplied("a.py", "-\n+"),
        AttemptStarted("t::two", 1, 3),
        AttemptStarted("t::two", 2, 3),
        EditApplied("a.py", "-\n+"),
        FixFinished(1, 3, (), (), "", "all green"),
    ):
        told.hear(event)
    assert (told.changes, told.completion_tokens, told.attempts) == (42, 32, 2)
    assert told.kept == ["template", "fix"]
    assert (told.at_once, told.reason) == (False, "all green")


@pytest.mark.docker
async def test_the_loop_ends_with_its_budget_and_leaves_the_best_state(tmp_path: Path) -> None:
    def write(root: Path) -> None:
        (root / "one.py").write_text("def one():\n    return 2\n")
        (root / "test_one.py").write_text(
            "from one import one\n\n\ndef test_one():\n    assert one() == 1\n"
        )

    bench = Workbench(
        model=ScriptedModel(script=[None]),  # never answers
        paths=Paths(tmp_path / "home"),
        sandbox=SandboxSettings(image="lite"),
        options=FixOptions(search_s=0.0),
        budget_s=15.0,
        facts=False,
    )
    done = await repair_project(write, bench)
    assert (done.all_green, done.never_worse, done.origin) == (False, True, "")
    assert done.reason == "the 15 s are used up"
    assert done.files == {"one.py": "def one():\n    return 2\n"}
