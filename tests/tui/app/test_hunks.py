"""Accepting a part of a change, with the keyboard only and in a small terminal."""

from __future__ import annotations

from agent.approval import Question
from agent.editing.edits import unified_diff
from agent.events import TurnFinished
from tests.fakes.agent import Asks, ScriptedAgent
from tests.tui.app.conftest import Opens, screen_text, type_line, until

BETWEEN = "".join(f"line_{n} = {n}\n" for n in range(9))
DIFF = unified_diff("a.py", *(f"x = {n}\n{BETWEEN}y = {n}\n{BETWEEN}z = {n}\n" for n in (0, 1)))


def asks(problem: str = "") -> ScriptedAgent:
    question = Question(kind="edit", subject="a.py", detail=DIFF, problem=problem)
    return ScriptedAgent(script=[(Asks(question=question), TurnFinished("done"))])


CHOICES: dict[str, tuple[bool, set[int] | None]] = {
    "space y": (True, {1, 2}),
    "space down down down space space space up y": (True, {1}),
    "space a": (True, None),
    "space n": (False, None),
    "space down space down space y space enter": (True, {2}),
}


async def test_parts_are_left_out_with_the_keyboard(opened: Opens) -> None:
    agent = asks()
    async with opened(agent, size=(80, 24)) as (app, pilot):
        for keys, (allowed, kept) in CHOICES.items():
            await type_line(pilot, "change it")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.press(*keys.split())
            await until(pilot, lambda: not app.backstage.jobs.busy)
            assert agent.answers[-1] == allowed, keys
            assert agent.kept[-1] == (None if kept is None else frozenset(kept)), keys


async def test_only_words_that_the_person_typed_are_what_to_do_instead(opened: Opens) -> None:
    agent = asks()
    async with opened(agent, size=(80, 24)) as (app, pilot):
        for keys, instead in (("n", ""), ("r d o space x enter", "do x"), ("r enter", "")):
            await type_line(pilot, "change it")
            await until(pilot, lambda: len(app.screen_stack) == 2)
            await pilot.press(*keys.split())
            await until(pilot, lambda: not app.backstage.jobs.busy)
            assert (agent.answers[-1], agent.instead[-1]) == (False, instead), keys


async def test_a_small_terminal_says_in_words_what_accepting_writes(opened: Opens) -> None:
    async with opened(asks("This part cannot be written."), size=(60, 15)) as (app, pilot):
        await type_line(pilot, "change it")
        await until(pilot, lambda: "At part 1; y writes all 3 parts" in screen_text(app))
        assert "> [x] part 1 of 3: will be written" in screen_text(app)
        await pilot.press("space")
        assert "y writes 2 of 3 parts" in screen_text(app)
        assert "> [ ] part 1 of 3: left out" in screen_text(app)
        for button in ("Accept (y)", "Reject (n)", "All (a)", "Comment (r)"):
            assert button in screen_text(app)
        assert "This part cannot be written." in screen_text(app)
