"""Pictures of the full-screen app for the documents: `python -P -m benchmarks.screenshots`.

The app is the real one, drawn by itself; only the agent behind it is scripted, so that the same
pictures come out on every machine. A test compares them with what the app draws now.
"""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from textual.pilot import Pilot

from agent.approval import Question
from agent.events import (
    EditApplied,
    Event,
    ExperienceRecorded,
    LearnFinished,
    LearnStep,
    ReplyFinished,
    StageStarted,
    TestsFinished,
    TextDelta,
    TurnFinished,
)
from agent.library.rounds import round_of
from agent.paths import Paths
from agent.session.context import Context
from agent.settings.load import load
from learning.evaluation.statistics import TaskScores
from learning.promotion.gate import Trial, as_record, decide
from sandbox.box.status import VerdictTrust
from sandbox.verdict.report import Frame, RunStatus, TestOutcome, TestReport, TestResult
from tests.fakes.agent import Asks, ScriptedAgent, Waits
from tui.app.app import ElagentApp

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "screenshots"
_STEPS = 12
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)

DIFF = '''--- a/warehouse/pricing.py
+++ b/warehouse/pricing.py
@@ -7,6 +7,6 @@
 def line_total(unit_price, quantity):
     """Price of one order line; from BULK_QUANTITY pieces on, the discount applies."""
     total = unit_price * quantity
-    if quantity > BULK_QUANTITY:
+    if quantity >= BULK_QUANTITY:
         total -= total * BULK_DISCOUNT_PERCENT // 100
     return total
'''
SAID = (
    "The discount begins one piece too late: `>` leaves out an order of exactly"
    " **BULK_QUANTITY** pieces.\n\n```python\nif quantity >= BULK_QUANTITY:\n"
    "    total -= total * BULK_DISCOUNT_PERCENT // 100\n```\n"
)
REPLY = ReplyFinished(
    SAID, "qwen2.5-coder-1.5b", "el-warehouse-v0007-3f9c21aa", 1480, 1200, 96, 32768, 6.4
)
RED = TestResult(
    id="tests/test_shipping.py::test_parcels_needed_rounds_up",
    outcome=TestOutcome.FAILED,
    message="AttributeError: module 'warehouse.shipping' has no attribute 'parcels_needed'",
    file="tests/test_shipping.py",
    line=17,
    frames=(Frame(file="tests/test_shipping.py", line=17, function="test_parcels_needed"),),
)
GREEN = tuple(
    TestResult(id=f"tests/test_pricing.py::test_{n}", outcome=TestOutcome.PASSED) for n in range(27)
)
REPORT = TestReport(
    status=RunStatus.COMPLETE, results=(RED, *GREEN), runner="pytest", trust=VerdictTrust.PINNED,
    duration_s=0.6,
)  # fmt: skip
TWO_PLACES = (
    DIFF
    + """@@ -31,4 +31,4 @@
 def order_total(lines):
     \"\"\"Price of all lines together, in cents.\"\"\"
-    return sum(line_total(*line) for line in lines)
+    return round(sum(line_total(*line) for line in lines), 2)
"""
)
EDIT = Question(kind="edit", subject="warehouse/pricing.py", detail=DIFF)
EDITS = Question(kind="edit", subject="warehouse/pricing.py", detail=TWO_PLACES)
DONE = TurnFinished("done")
TALK: Sequence[Event] = (
    TextDelta(SAID), REPLY, EditApplied("warehouse/pricing.py", DIFF),
    StageStarted("running all tests"), TestsFinished(REPORT),
    ExperienceRecorded("e1", "pass", "tests/test_pricing.py::test_bulk"), DONE,
)  # fmt: skip


def _scores(wins: int, losses: int, tasks: int) -> TaskScores:
    ties = (1.0,) * (tasks - wins - losses)
    return TaskScores(
        tasks=tuple(f"t{number}" for number in range(tasks)),
        a=(*(0.0,) * wins, *(1.0,) * losses, *ties),
        b=(*(1.0,) * wins, *(0.0,) * losses, *ties),
    )


def _decided(
    held_out: TaskScores, regression_losses: int = 0, confirming: TaskScores | None = None
) -> Mapping[str, object]:
    regression = _scores(0, regression_losses, 60)
    trial = Trial(held_out=held_out, regression=regression, confirming=confirming)
    return as_record(decide(trial), incumbent=None, at=0.0)


DECISIONS: Mapping[str, Mapping[str, object]] = {
    "el-warehouse-v0004-77aa01bc": _decided(_scores(3, 4, 31)),
    "el-warehouse-v0005-11b2cd34": _decided(_scores(7, 0, 34), 1, _scores(5, 0, 12)),
    "el-warehouse-v0006-90ce5512": _decided(_scores(6, 0, 36), 4),
    "el-warehouse-v0007-3f9c21aa": _decided(_scores(9, 2, 41), 0, _scores(6, 0, 14)),
}
ROUND: Sequence[Event] = (
    LearnFinished("el-warehouse-v0007-3f9c21aa", "promoted",
                  "better than the incumbent: 9 wins, 2 losses on 41 tasks", 12),
)  # fmt: skip

Do = Callable[[ElagentApp, "Pilot[int]"], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One picture: what the agent does, what the person does, and the size of the terminal."""

    agent: Callable[[], ScriptedAgent]
    act: Do
    size: tuple[int, int] = (100, 34)
    compared: bool = True
    """Whether the picture is the same every time; one with a running learner is not."""


async def _ask(app: ElagentApp, pilot: Pilot[int]) -> None:
    app.prompt.set_text("The bulk price is wrong for exactly ten pieces. See @warehouse/pricing.py")
    await pilot.press("enter")


async def _talk(app: ElagentApp, pilot: Pilot[int]) -> None:
    await _ask(app, pilot)
    await _until(pilot, lambda: app.backstage.jobs.last is not None and not app.backstage.jobs.busy)


async def _question(app: ElagentApp, pilot: Pilot[int]) -> None:
    await _ask(app, pilot)
    await _until(pilot, lambda: len(app.screen_stack) > 1)
    app.talk.activity.display = False


async def _part(app: ElagentApp, pilot: Pilot[int]) -> None:
    await _question(app, pilot)
    await pilot.press("down", "space")


async def _panel(app: ElagentApp, pilot: Pilot[int]) -> None:
    await _talk(app, pilot)
    await pilot.press("f2")
    app.backstage.learner.start(by_hand=True)
    await _until(pilot, lambda: len(app.backstage.learning.losses) == _STEPS)
    app.backstage.learning.lineage = ("el-warehouse-v0007-3f9c21aa", "el-warehouse-v0005-11b2cd34")
    rounds = (round_of(name, decision) for name, decision in DECISIONS.items())
    app.backstage.learning.rounds = tuple(each for each in rounds if each is not None)
    app.panel.draw()


async def _complete(_: ElagentApp, pilot: Pilot[int]) -> None:
    await pilot.press("/", "a")


async def _help(_: ElagentApp, pilot: Pilot[int]) -> None:
    await pilot.press("question_mark")


def _speaks() -> ScriptedAgent:
    return ScriptedAgent(script=[TALK])


def _asks() -> ScriptedAgent:
    return ScriptedAgent(script=[(TextDelta(SAID), REPLY, Asks(question=EDIT), DONE)])


def _asks_in_parts() -> ScriptedAgent:
    return ScriptedAgent(script=[(TextDelta(SAID), REPLY, Asks(question=EDITS), DONE)])


def _learns() -> ScriptedAgent:
    steps = [LearnStep(n, 16, 2.4 / n**0.5, 62.0, 90.0 - 5 * n, 9870) for n in range(1, _STEPS + 1)]
    return ScriptedAgent(
        script=[TALK], learning=(*ROUND, StageStarted("training"), *steps, Waits())
    )


SCENES: Mapping[str, Scene] = {
    "conversation": Scene(agent=_speaks, act=_talk, size=(100, 40)),
    "side-by-side": Scene(agent=_speaks, act=_talk, size=(140, 40)),
    "approval": Scene(agent=_asks, act=_question),
    "parts": Scene(agent=_asks_in_parts, act=_part, size=(80, 24)),
    "learning": Scene(agent=_learns, act=_panel, size=(130, 60), compared=False),
    "completion": Scene(agent=ScriptedAgent, act=_complete, size=(80, 20)),
    "keys": Scene(agent=ScriptedAgent, act=_help, size=(90, 36)),
    "smallest": Scene(agent=_asks, act=_question, size=(60, 15)),
}


async def picture(scene: Scene) -> str:
    """The scene as SVG, the same on every machine."""
    root = Path("/home/you/warehouse")
    with tempfile.TemporaryDirectory() as folder:
        where = Context(
            root=root, loaded=load(Path(folder), {}, {}), paths=Paths(Path(folder) / "home")
        )
        agent = scene.agent()
        app = ElagentApp(where, "ask", agent)
        try:
            async with app.run_test(size=scene.size) as pilot:
                await _until(pilot, app.backstage.opened.is_set)
                await _until(pilot, lambda: bool(app.backstage.files))
                app.backstage.status.show(
                    replace(app.backstage.status.fields, branch="main", dirty=True)
                )
                app.theme = "textual-dark"
                await scene.act(app, pilot)
                await pilot.pause(0.3)
                app.backstage.status.show(
                    replace(app.backstage.status.fields, branch="main", dirty=True)
                )
                app.screen.set_focus(None)
                await pilot.pause(0.3)
                svg = app.export_screenshot(title="elagent")
        finally:
            await app.close()
    return _FONTS.sub("", svg)


async def _until(pilot: Pilot[int], said: Callable[[], bool]) -> None:
    for _ in range(500):
        if said():
            return
        await pilot.pause(0.02)
    raise TimeoutError("the scene never came to its end")


def main() -> None:
    """Draw every scene anew."""
    FOLDER.mkdir(exist_ok=True)
    for name, scene in SCENES.items():
        file = FOLDER / f"{name}.svg"
        file.write_text(asyncio.run(picture(scene)), encoding="utf-8")
        print(file.relative_to(FOLDER.parents[1]))


if __name__ == "__main__":
    main()
