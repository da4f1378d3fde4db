from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from prompt_toolkit.input import PipeInput, create_pipe_input
from prompt_toolkit.output import DummyOutput

from tui.lines.line_prompt import LinePrompt

CTRL_C, ESC, CTRL_D = "\x03", "\x1b", "\x04"
PATIENCE_S = 5.0


@dataclass
class Desk:
    """A prompt at work: what was handled, and what was interrupted."""

    keyboard: PipeInput
    prompt: LinePrompt
    handled: list[str] = field(default_factory=list)
    interrupted: int = 0
    cleaning: asyncio.Event = field(default_factory=asyncio.Event)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    slow_to_stop: bool = False

    async def handle(self, line: str) -> None:
        self.handled.append(line)
        if line.startswith("quick"):
            return
        if line == "ask":
            self.handled.append(await self.prompt.ask("really? "))
            return
        try:
            await asyncio.Event().wait()
        finally:
            self.cleaning.set()
            if self.slow_to_stop:
                await self.may_end.wait()

    def note_interrupt(self) -> None:
        self.interrupted += 1


@asynccontextmanager
async def desk() -> AsyncIterator[tuple[Desk, asyncio.Task[None]]]:
    with create_pipe_input() as keyboard:
        prompt = LinePrompt(input_=keyboard, output=DummyOutput())
        made = Desk(keyboard, prompt)
        run = asyncio.create_task(prompt.run(made.handle, on_interrupt=made.note_interrupt))
        try:
            yield made, run
        finally:
            made.may_end.set()
            run.cancel()
            await asyncio.wait([run])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - a keyboard has no event
            await asyncio.sleep(0.005)


async def test_lines_typed_during_work_wait_their_turn() -> None:
    async with desk() as (made, run):
        made.keyboard.send_text("quick 1\rquick 2\rquick 3\r" + CTRL_D)
        await until(lambda: len(made.handled) == 3 or run.done())
        assert made.handled == ["quick 1", "quick 2", "quick 3"]


async def test_escape_and_ctrl_c_stop_the_work_within_200_ms() -> None:
    for key in (ESC, CTRL_C):
        async with desk() as (made, _):
            made.keyboard.send_text("long\r")
            await until(lambda made=made: made.prompt.busy)  # type: ignore[misc]
            pressed = time.monotonic()
            made.keyboard.send_text(key)
            await asyncio.wait_for(made.cleaning.wait(), PATIENCE_S)
            assert time.monotonic() - pressed < 0.2
            await until(lambda made=made: made.interrupted == 1)  # type: ignore[misc]


async def test_it_is_said_before_the_clean_up_ends_and_once_however_often_a_key_is_pressed() -> (
    None
):
    async with desk() as (made, _):
        made.slow_to_stop = True
        made.keyboard.send_text("long\r")
        await until(lambda: made.prompt.busy)
        made.keyboard.send_text(ESC)
        await made.cleaning.wait()
        assert made.interrupted == 1
        made.keyboard.send_text(ESC)
        made.keyboard.send_text("quick after\r")
        await asyncio.sleep(0.1)
        assert (made.interrupted, made.handled) == (1, ["long"])
        made.may_end.set()
        await until(lambda: made.handled == ["long", "quick after"])


async def test_the_prompt_takes_lines_while_what_was_stopped_cleans_up() -> None:
    async with desk() as (made, _):
        made.slow_to_stop = True
        made.keyboard.send_text("long\r")
        await until(lambda: made.prompt.busy)
        made.keyboard.send_text(ESC)
        await made.cleaning.wait()
        made.keyboard.send_text("quick after\r")
        await asyncio.sleep(0.05)
        assert made.handled == ["long"]
        made.may_end.set()
        await until(lambda: made.handled == ["long", "quick after"])


async def test_lines_that_wait_go_back_into_the_prompt_when_the_work_is_stopped() -> None:
    async with desk() as (made, _):
        made.keyboard.send_text("long\rquick 1\r")
        await until(lambda: made.prompt.busy)
        await asyncio.sleep(0.05)
        made.keyboard.send_text(ESC)
        await until(lambda: made.interrupted == 1)
        assert made.handled == ["long"]
        made.keyboard.send_text(" changed\r")
        await until(lambda: made.handled == ["long", "quick 1 changed"])


async def test_ctrl_c_twice_leaves_cleanly() -> None:
    async with desk() as (made, run):
        made.keyboard.send_text("long\r")
        await until(lambda: made.prompt.busy)
        made.keyboard.send_text(CTRL_C + CTRL_C)
        await asyncio.wait_for(asyncio.shield(run), PATIENCE_S)
        assert made.cleaning.is_set()


async def test_leaving_does_not_cut_the_clean_up_short() -> None:
    async with desk() as (made, run):
        made.slow_to_stop = True
        made.keyboard.send_text("long\r")
        await until(lambda: made.prompt.busy)
        made.keyboard.send_text(CTRL_C + CTRL_C)
        await made.cleaning.wait()
        await asyncio.sleep(0.1)
        assert not run.done()
        made.may_end.set()
        await asyncio.wait_for(asyncio.shield(run), PATIENCE_S)


async def test_a_question_takes_the_next_line_and_an_interrupt_answers_none() -> None:
    async with desk() as (made, _):
        made.keyboard.send_text("ask\r")
        await until(lambda: made.handled == ["ask"])
        await asyncio.sleep(0.02)
        made.keyboard.send_text("yes\r")
        await until(lambda: made.handled == ["ask", "yes"])
        made.keyboard.send_text("ask\r")
        await until(lambda: made.handled == ["ask", "yes", "ask"])
        await asyncio.sleep(0.02)
        made.keyboard.send_text(ESC)
        await until(lambda: made.interrupted == 1)
