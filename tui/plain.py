"""Headless output: text for people, or versioned JSON lines for programs."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress as Bar, TaskID, TextColumn, TimeElapsedColumn

from agent.events import Event, LearnStep, Progress, StageStarted, TestFinished, TextDelta, to_json
from sandbox.streams import display_safe
from tui.render import render

_SECONDS_BETWEEN_LINES = 10.0
_MINUTE_S = 60
_HOUR_S = 3600
_KILO = 1000


class Presenter(Protocol):
    """Something that shows events."""

    def show(self, event: Event) -> None: ...

    def close(self) -> None: ...


class JsonPresenter:
    """One JSON object per line and event; the stream is flushed after each."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def show(self, event: Event) -> None:
        print(json.dumps(to_json(event), ensure_ascii=True), file=self._stream, flush=True)

    def close(self) -> None:
        self._stream.flush()


class TextPresenter:
    """Lines for people; a live progress line with an ETA where there is a terminal."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._stage = ""
        self._passed = 0
        self._mid_line = False
        self._last_line_at = time.monotonic()

    def show(self, event: Event) -> None:
        """Print an event; progress is drawn live on a terminal and as rare lines elsewhere."""
        match event:
            case TextDelta(text):
                self._end_bar()
                self._console.print(display_safe(text), end="", markup=False, highlight=False)
                self._mid_line = not text.endswith("\n")
                return
            case Progress(done, total, unit, eta_s):
                self._progress(done, total, unit, eta_s)
                return
            case TestFinished(result):
                self._count(passed=not result.outcome.is_red)
                return
            case LearnStep():
                self._end_bar()
            case StageStarted(text):
                self._end_bar()
                self._stage = display_safe(text)
                self._passed = 0
                self._start_bar_if_terminal()
                if self._console.is_terminal:
                    return
            case _:
                self._end_bar()
        self._print(event)

    def close(self) -> None:
        self._end_bar()
        self._end_line()

    def _print(self, event: Event) -> None:
        renderable = render(event)
        if renderable is not None:
            self._end_line()
            self._console.print(renderable, soft_wrap=not self._console.is_terminal)

    def _end_line(self) -> None:
        if self._mid_line:
            self._console.print()
            self._mid_line = False

    def _count(self, *, passed: bool) -> None:
        self._passed += passed
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, detail=f"{self._passed} passed")

    def _progress(self, done: float, total: float, unit: str, eta_s: float | None) -> None:
        left = f", {format_seconds(eta_s)} left" if eta_s is not None else ""
        detail = f"{_amount(done, unit)} of {_amount(total, unit)}{left}" if total else unit
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=done, total=total or None, detail=detail)
            return
        now = time.monotonic()
        if now - self._last_line_at >= _SECONDS_BETWEEN_LINES:
            self._last_line_at = now
            self._console.print(f"   {self._stage}: {detail}", markup=False, highlight=False)

    def _start_bar_if_terminal(self) -> None:
        self._last_line_at = time.monotonic()
        if not self._console.is_terminal:
            return
        self._end_line()
        columns = (
            TextColumn("-- {task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[detail]}", markup=False),
            TimeElapsedColumn(),
        )
        self._bar = Bar(*columns, console=self._console, transient=True, refresh_per_second=8)
        self._task = self._bar.add_task(self._stage, total=None, detail="")
        self._bar.start()

    def _end_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._console.print(f"-- {self._stage}", style="dim", markup=False, highlight=False)
            self._bar = self._task = None


def format_seconds(seconds: float) -> str:
    """A duration for people: `45 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = max(0, round(seconds))
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S} min {whole % _MINUTE_S} s"
    return f"{whole // _HOUR_S} h {whole % _HOUR_S // _MINUTE_S} min"


def format_bytes(size: float) -> str:
    """A size for people: `512 B`, `98.4 MB`, `1.1 GB` (powers of ten)."""
    if size < _KILO:
        return f"{size:.0f} B"
    for unit in ("kB", "MB", "GB"):
        size /= _KILO
        if size < _KILO:
            return f"{size:.1f} {unit}"
    return f"{size / _KILO:.1f} TB"


def _amount(value: float, unit: str) -> str:
    return format_bytes(value) if unit == "bytes" else f"{value:g} {unit}".rstrip()


async def show_all(events: AsyncIterator[Event], presenter: Presenter) -> Event | None:
    """Show every event; returns the last one."""
    last = None
    async for event in events:
        presenter.show(event)
        last = event
    return last


def make_console(*, stderr: bool = False) -> Console:
    """A console that respects NO_COLOR and never interprets what it prints."""
    return Console(stderr=stderr, highlight=False, emoji=False, markup=False)


def make_presenter(*, as_json: bool) -> Presenter:
    """JSON lines for programs or text for people, on standard output."""
    return JsonPresenter(sys.stdout) if as_json else TextPresenter(make_console())
