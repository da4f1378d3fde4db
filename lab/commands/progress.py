"""Lines on standard error about what an evaluation is doing, beside its results."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from agent.text import format_seconds
from learning.evaluation.run import OnRow
from learning.evaluation.samples import Sample
from tui.show.pace import Pace


def say(text: str) -> None:
    """Write one line."""
    click.echo(text, err=True)


class Counted:
    """Numbered lines, each with the time that is left."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._pace = Pace(clock)

    def __call__(self, done: int, total: int, text: str) -> None:
        left = self._pace.seconds_left(done, total) if done < total else None
        say(f"[{done}/{total}] {text}" + (f", {format_seconds(left)} left" if left else ""))


def counter(what: str) -> OnRow[object]:
    """A line for each row of any kind."""
    line = Counted()
    return lambda _row, done, total: line(done, total, what)


def progress(words: Callable[[Sample], str] = lambda _sample: "") -> OnRow[Sample]:
    """A line for each sample: its task, its verdict, and what `words` adds."""
    line = Counted()
    return lambda sample, done, total: line(
        done, total, f"{sample.task_id} {sample.sanitised_verdict}{words(sample)}"
    )


def step_line(arm: str) -> Callable[[int, int, float], None]:
    """A line for each step of learning."""
    line = Counted()
    return lambda step, steps, loss: line(step, steps, f"learning {arm}, loss {loss:.4f}")
