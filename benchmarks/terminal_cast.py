"""A program in a pseudo terminal, with all that it writes recorded as an asciinema cast (version 2).

The screen is kept by pyte, so that a script can wait for what a person would see.
"""

from __future__ import annotations

import codecs
import fcntl
import json
import os
import re
import select
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyte

_UNREAD = re.compile(r"\x1b\[[<=][0-9;:]*[A-Za-z]|\x1b\[[0-9;]*:[0-9;:]*m")
"""Sequences that pyte would draw as text: keyboard protocols, and underlines with a kind."""
_KEY_S = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Pieces that a terminal was sent: for each the seconds since the start, and the text."""

    columns: int
    rows: int
    title: str
    events: Sequence[tuple[float, str]]

    def write(self, path: Path) -> None:
        """Write it in the format of asciinema, version 2."""
        header = {"version": 2, "width": self.columns, "height": self.rows, "title": self.title}
        lines = [json.dumps(header), *(json.dumps([at, "o", text]) for at, text in self.events)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> Cast:
        """Read what `write` wrote; other kinds of events are left out."""
        first, *lines = path.read_text(encoding="utf-8").splitlines()
        header = json.loads(first)
        events = [(at, text) for at, kind, text in map(json.loads, lines) if kind == "o"]
        return cls(
            columns=header["width"],
            rows=header["height"],
            title=header.get("title", ""),
            events=events,
        )


class Screen:
    """The cells of a terminal."""

    def __init__(self, columns: int, rows: int) -> None:
        self.cells = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self.cells)

    def feed(self, text: str) -> None:
        """Take in what a program wrote."""
        self._stream.feed(_UNREAD.sub("", text))

    @property
    def text(self) -> str:
        """All lines, as they stand."""
        return "\n".join(self.cells.display)


@dataclass
class Recording:
    """A running program, and what it has written so far."""

    columns: int
    rows: int
    master: int
    started: float = field(default_factory=time.monotonic)
    events: list[tuple[float, str]] = field(default_factory=list)
    screen: Screen = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.screen = Screen(self.columns, self.rows)

    def type(self, text: str) -> None:
        """Type as a person does, key after key."""
        for character in text:
            os.write(self.master, character.encode())
            time.sleep(_KEY_S)

    def press(self, keys: str) -> None:
        """Press keys at once, given as what a terminal sends for them."""
        os.write(self.master, keys.encode())

    def wait_for(self, *texts: str, limit_s: float) -> str:
        """The screen once it shows one of the texts.

        Raises:
            TimeoutError: If that does not happen; the message has what is shown instead.
        """
        deadline = time.monotonic() + limit_s
        while time.monotonic() < deadline:
            shown = self.shown()
            joined = " ".join(shown.split())
            if any(text in shown or text in joined for text in texts):
                return shown
            time.sleep(0.1)
        raise TimeoutError(f"none of {texts} on the screen after {limit_s:g} s:\n{self.shown()}")

    def shown(self) -> str:
        """The screen as it is now."""
        with self._lock:
            return self.screen.text

    def cast(self, title: str) -> Cast:
        """All that was written so far."""
        with self._lock:
            return Cast(
                columns=self.columns, rows=self.rows, title=title, events=tuple(self.events)
            )

    def listen(self, ended: threading.Event) -> None:
        """Keep what the program writes until it ends."""
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        while not ended.is_set():
            ready, _, _ = select.select([self.master], [], [], 0.1)
            if not ready:
                continue
            try:
                data = os.read(self.master, 65536)
            except OSError:  # the other end is closed
                return
            text = decoder.decode(data)
            with self._lock:
                self.events.append((round(time.monotonic() - self.started, 3), text))
                self.screen.feed(text)


@contextmanager
def recording(
    command: Sequence[str], *, cwd: Path, environ: Mapping[str, str], size: tuple[int, int]
) -> Iterator[Recording]:
    """Run a program in a terminal of this size; it is ended on leaving."""
    columns, rows = size
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    )
    os.close(slave)
    running = Recording(columns, rows, master)
    ended = threading.Event()
    listener = threading.Thread(target=running.listen, args=(ended,))
    listener.start()
    try:
        yield running
    finally:
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        ended.set()
        listener.join()
        os.close(master)
