"""Headless output: text for people, or versioned JSON lines for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol, TextIO

from rich.console import Console
from rich.measure import Measurement
from rich.progress import BarColumn, Progress as Bar, TextColumn, TimeElapsedColumn
from rich.table import Table

from agent.events import (
    Event,
    OutputChunk,
    Progress,
    StageStarted,
    TestFinished,
    TextDelta,
    to_json,
)
from agent.text import display_safe, format_bytes, format_seconds
from tui.show.pace import Pace
from tui.show.render import render

_SECONDS_BETWEEN_LINES = 10.0
_WIDEST = 10_000


class Presenter(Protocol):
    """Shows events; `close` ends a live display."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


class JsonPresenter:
    """Writes each event as one line of JSON, and flushes the stream after each."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, event: Event) -> None:
        print(json.dumps(to_json(event), ensure_ascii=True), file=self._stream, flush=True)

    def close(self) -> None:
        self._stream.flush()


class TextPresenter:
    """Writes lines for people; on a terminal, with a live progress line and an ETA.

    With `stream`, the text of the model and of commands is printed as it arrives; without, only
    their progress. `live=False` is for a console below which a prompt stands: nothing is drawn
    over, and only whole lines are written, since the prompt would be drawn over half a line.
    """

    def __init__(
        self,
        console: Console,
        *,
        stream: bool = True,
        live: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._streams = stream
        self._stage = _Stage(console, live=live and console.is_terminal, clock=clock)
        self._whole_lines = not live
        self._pending = ""
        self._mid_line = False

    def show(self, event: Event) -> None:
        """Print an event; draw progress live on a terminal, elsewhere as a line every ten seconds."""
        match event:
            case TextDelta(text) | OutputChunk(text):
                if self._streams:
                    self._stream(text)
            case Progress(done, total, unit, eta_s):
                self._stage.advance(done, total, unit, eta_s)
            case TestFinished(result):
                self._stage.count(passed=not result.outcome.is_red)
            case StageStarted(text):
                self._end_line()
                self._stage.begin(display_safe(text))
            case _:
                self._print(event)

    def close(self) -> None:
        self._stage.end()
        self._end_line()

    def _stream(self, text: str) -> None:
        if self._whole_lines:
            whole, line_end, self._pending = (self._pending + text).rpartition("\n")
            text = whole + line_end
        if not text:
            return
        self._stage.end()
        self._console.print(
            display_safe(text), end="", markup=False, highlight=False, soft_wrap=True
        )
        self._mid_line = not text.endswith("\n")

    def _print(self, event: Event) -> None:
        renderable = render(event, changeable=self._whole_lines)  # a prompt stands below
        if renderable is not None:
            self._stage.end()
            self._end_line()
            self._console.print(renderable, soft_wrap=not self._console.is_terminal)

    def _end_line(self) -> None:
        if self._pending:
            self._stream("\n")
        if self._mid_line:
            self._console.print()
            self._mid_line = False


class _Stage:
    """Shows the progress of one stage: a bar on a terminal, else a line every ten seconds."""

    def __init__(self, console: Console, *, live: bool, clock: Callable[[], float]) -> None:
        self._console = console
        self._live = live
        self._clock = clock
        self._bar: Bar | None = None
        self._name = ""
        self._passed = 0
        self._last_line_at = self._clock()
        self._pace = Pace(clock)

    def begin(self, name: str) -> None:
        """Name a stage that begins; no progress need follow."""
        self.end()
        self._name, self._passed = name, 0
        self._last_line_at, self._pace = self._clock(), Pace(self._clock)
        if not self._live:
            self._say(f"-- {name}")
            return
        self._bar = Bar(
            TextColumn("-- {task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            refresh_per_second=8,
        )
        self._bar.add_task(name, total=None, detail="")
        self._bar.start()

    def count(self, *, passed: bool) -> None:
        """Count a finished test."""
        self._passed += passed
        self._update(f"{self._passed} passed")

    def advance(self, done: float, total: float, unit: str, eta_s: float | None) -> None:
        """Show the progress and, if it can be estimated, the time that is left."""
        if eta_s is None and done < total:
            eta_s = self._pace.seconds_left(done, total)
        left = f", {format_seconds(eta_s)} left" if eta_s is not None else ""
        of_total = f" of {amount(total, unit)}" if total else ""
        detail = f"{amount(done, unit)}{of_total}{left}"
        if self._bar is not None:
            self._update(detail, done=done, total=total)
        elif self._clock() - self._last_line_at >= _SECONDS_BETWEEN_LINES:
            self._last_line_at = self._clock()
            self._say(f"   {self._name}: {detail}")

    def end(self) -> None:
        """Replace the bar by one line."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._say(f"-- {self._name}")

    def _update(self, detail: str, *, done: float = 0, total: float = 0) -> None:
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0], completed=done, total=total or None, detail=detail
            )

    def _say(self, line: str) -> None:
        self._console.print(line, style="dim", markup=False, highlight=False, soft_wrap=True)


def amount(value: float, unit: str) -> str:
    """Format a count with its unit, for people."""
    if unit == "s":
        return format_seconds(value)
    return format_bytes(value) if unit == "bytes" else f"{value:.0f} {unit}"


async def show_all(events: AsyncIterator[Event], presenter: Presenter) -> Event | None:
    """Show every event; return the last one."""
    last = None
    async for event in events:
        presenter.show(event)
        last = event
    return last


def make_console(*, stderr: bool = False) -> Console:
    """Build a console that respects NO_COLOR and prints text without interpreting markup."""
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False)


def print_table(table: Table) -> None:
    """Print a table: folded to a terminal's width, and a row a line into a pipe or a file."""
    console = make_console()
    if not sys.stdout.isatty():
        widest = console.options.update(width=_WIDEST, max_width=_WIDEST)
        console.width = max(console.width, Measurement.get(console, widest, table).maximum)
    console.print(table)


def make_presenter(*, as_json: bool, stream: bool = True) -> Presenter:
    """Build a presenter on standard output: JSON lines for programs, or text for people."""
    return JsonPresenter(sys.stdout) if as_json else TextPresenter(make_console(), stream=stream)
