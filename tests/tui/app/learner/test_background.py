"""When the learner beside the conversation starts, stands still and ends."""

from __future__ import annotations

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest

from agent.events import ExperienceRecorded, LearnFinished, LearnStep, Notice, StageStarted
from agent.session.context import Context
from agent.settings.schema import LearnSettings
from learning.experience.store import ExperienceStore
from tests.fakes.agent import ScriptedAgent, Waits
from tests.fakes.experiences import make_action, make_experience
from tests.tui.app.conftest import Opens, screen_text, type_line, until
from tui.app.learner.background import Conditions, IdleTime, decide, trouble

SETTINGS = LearnSettings(background_idle_min=10.0, background_after=4)
READY = Conditions(idle_s=601.0, busy=False, new_verified=4, running=False, paused=False)
RUNNING = dataclasses.replace(READY, running=True)


def test_it_starts_when_idle_with_enough_verified_experiences() -> None:
    assert decide(SETTINGS, READY).action == "start"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"new_verified": 3}, "1 more verified"),
        ({"idle_s": 599.0}, "idle for 10 min"),
        ({"busy": True}, "idle for 10 min"),
        ({"trouble": "low battery: 12 %"}, "low battery"),
        ({"given_up": True}, "/learn"),
        ({"not_installed": "Learning needs torch"}, "off: Learning needs torch"),
    ],
)
def test_it_waits_and_says_what_for(change: dict[str, Any], reason: str) -> None:
    step = decide(SETTINGS, dataclasses.replace(READY, **change))
    assert step.action == "wait"
    assert reason in step.reason


def test_failures_to_retry_are_reason_enough_to_start() -> None:
    few = dataclasses.replace(READY, new_verified=0, to_retry=2)
    assert decide(SETTINGS, few).action == "start"
    assert decide(SETTINGS, dataclasses.replace(few, idle_s=1.0)).action == "wait"


def test_the_off_switch_keeps_it_off() -> None:
    step = decide(dataclasses.replace(SETTINGS, background=False), READY)
    assert (step.action, "off" in step.reason) == ("wait", True)


@pytest.mark.parametrize(
    ("change", "action"),
    [
        ({}, "wait"),
        ({"idle_s": 0.5}, "pause"),
        ({"idle_s": 0.5, "paused": True}, "wait"),
        ({"paused": True}, "resume"),
        ({"busy": True}, "pause"),
        ({"busy": True, "by_hand": True}, "pause"),
        ({"idle_s": 0.5, "by_hand": True}, "wait"),
        ({"trouble": "low memory"}, "stop"),
    ],
)
def test_a_running_round_yields_to_the_person(change: dict[str, Any], action: str) -> None:
    assert decide(SETTINGS, dataclasses.replace(RUNNING, **change)).action == action


def test_a_keypress_ends_the_idle_time() -> None:
    now = 100.0
    idle = IdleTime(clock=lambda: now)
    now = 160.0
    assert idle.seconds == 60.0
    idle.touch()
    assert idle.seconds == 0.0


def battery(folder: Path, status: str, percent: int) -> Path:
    (folder / "BAT0").mkdir(parents=True)
    (folder / "BAT0" / "status").write_text(f"{status}\n")
    (folder / "BAT0" / "capacity").write_text(f"{percent}\n")
    return folder


def test_low_memory_and_a_low_battery_are_trouble(tmp_path: Path) -> None:
    plenty = 8 * 2**30
    assert trouble(available_bytes=plenty, power=tmp_path / "none") == ""
    assert "low memory" in trouble(available_bytes=2**28, power=tmp_path / "none")
    low = battery(tmp_path / "low", "Discharging", 12)
    assert trouble(available_bytes=plenty, power=low) == "low battery: 12 %"
    charging = battery(tmp_path / "charging", "Charging", 12)
    assert trouble(available_bytes=plenty, power=charging) == ""


async def test_a_round_by_hand_is_shown_live_with_its_verdict(opened: Opens) -> None:
    finished = LearnFinished("el-x-v0002-ab", "shadow", "kept in shadow: not enough evidence", 4)
    steps = [LearnStep(n, 3, 2.0 / n, 50.0, 1.0) for n in (1, 2, 3)]
    agent = ScriptedAgent(learning=(StageStarted("training"), *steps, finished))
    agent.script = [(ExperienceRecorded("e1", "pass", "tests/test_a.py::test_0"),)]
    async with opened(agent, size=(120, 40)) as (app, pilot):
        await pilot.press("f2")
        await until(pilot, lambda: "Captured in this session" in screen_text(app))
        await type_line(pilot, "work")
        await until(pilot, lambda: "1 pass" in screen_text(app))
        await type_line(pilot, "/learn")
        await until(pilot, lambda: "Verdicts" in screen_text(app))
        shown = screen_text(app)
    assert "el-x-v0002-ab: saved, not in use: not enough evidence" in shown
    assert app.backstage.learning.losses == [2.0, 1.0, 2.0 / 3]
    assert agent.learner_ended


async def test_a_background_round_stands_still_from_a_keypress_on(opened: Opens) -> None:
    agent = ScriptedAgent(learning=(StageStarted("training"), Waits()))
    async with opened(agent) as (app, pilot):
        app.backstage.learner.idle.clock = lambda: time.monotonic() + 3600
        app.backstage.learner.start(by_hand=False)
        await until(pilot, lambda: agent.switch is not None)
        assert agent.switch is not None
        assert not agent.switch.paused
        app.backstage.learner.idle.clock = time.monotonic
        await pilot.press("x")
        assert agent.switch.paused
        await until(pilot, lambda: "learner paused" in screen_text(app))
    assert agent.learner_ended


def _fail_once(where: Context) -> None:
    """Store one failure that nobody fixed, of the model that the settings name."""
    where.repository.experiences.parent.mkdir(parents=True, exist_ok=True)
    model = where.settings.model.name
    with ExperienceStore.open(where.repository.experiences) as store:
        store.add(make_experience(model=model, action=make_action(model=model)))


async def test_unfixed_failures_are_retried_once_and_too_few_fixes_start_no_round(
    opened: Opens, where: Context
) -> None:
    _fail_once(where)
    agent = ScriptedAgent(self_play_events=(Notice("self-play repair: 0 of 1 failures fixed"),))
    async with opened(agent) as (app, pilot):
        await until(
            pilot, lambda: app.backstage.learning.waits_for == "starts when idle for 10 min"
        )
        app.backstage.learner.start(by_hand=False)
        await until(pilot, lambda: not app.backstage.learner.running)
        assert [limits.budget_s for limits in agent.self_played] == [1200.0]
        assert agent.switch is None, "a round began without anything new to learn"
        await until(pilot, lambda: "more verified" in app.backstage.learning.waits_for)


async def test_a_keypress_ends_self_play_at_once(opened: Opens, where: Context) -> None:
    _fail_once(where)
    agent = ScriptedAgent(self_play_events=(StageStarted("model rewrites a.py"), Waits()))
    async with opened(agent) as (app, pilot):
        await until(
            pilot, lambda: app.backstage.learning.waits_for == "starts when idle for 10 min"
        )
        app.backstage.learner.start(by_hand=False)
        await until(pilot, lambda: bool(agent.self_played))
        await pilot.press("x")
        await until(pilot, lambda: not app.backstage.learner.running)
        assert agent.switch is None


async def test_a_turn_holds_up_even_a_round_that_was_asked_for(opened: Opens) -> None:
    agent = ScriptedAgent(learning=(StageStarted("training"), Waits()), script=[(Waits(),)])
    async with opened(agent) as (_, pilot):
        await type_line(pilot, "/learn")
        await until(pilot, lambda: agent.switch is not None)
        assert agent.switch is not None
        await type_line(pilot, "a question")
        await until(pilot, lambda: agent.switch is not None and agent.switch.paused)
        await pilot.press("escape")
        await until(pilot, lambda: agent.switch is not None and not agent.switch.paused)


async def test_closing_the_app_ends_the_learner(opened: Opens) -> None:
    agent = ScriptedAgent(learning=(StageStarted("training"), Waits()))
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "/learn")
        await until(pilot, lambda: app.backstage.learner.running)
        await pilot.press("ctrl+q")
    assert agent.learner_ended
    assert agent.closed


async def test_a_promoted_adapter_answers_from_the_next_reply_on(opened: Opens) -> None:
    promoted = LearnFinished("el-x-v0003-cd", "promoted", "9 wins, 2 losses", 4)
    agent = ScriptedAgent(learning=(promoted,))
    async with opened(agent) as (app, pilot):
        await type_line(pilot, "/learn")
        await until(pilot, lambda: agent.reconnected == [None])
        assert "promoted: 9 wins, 2 losses" in screen_text(app)
