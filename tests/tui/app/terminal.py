"""A real terminal for a real elagent: keys go in, the screen comes out (tmux)."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 90.0
_NUMBERS = count()
"""A server that is just ending would answer to its name: no name is used twice."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """One tmux server of our own with one window."""

    socket: str

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p", "-t", "t")

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", "-t", "t", text)

    def press(self, *keys: str) -> None:
        self._tmux("send-keys", "-t", "t", *keys)

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-t", "t", "-x", str(columns), "-y", str(rows))

    def wait_for(self, text: str, *, behind: str = "") -> str:
        """The screen once it shows a text, whole or wrapped, behind the last place of another one.

        Raises:
            AssertionError: If that does not happen in time; with what is shown instead.
        """
        deadline = time.monotonic() + PATIENCE_S
        while not _shows(shown := self.screen(), text, behind):
            assert time.monotonic() < deadline, f"no {text!r} on the screen:\n{shown}"
            time.sleep(0.1)
        return shown

    def end(self) -> None:
        """Kill whatever still runs in it."""
        command = ["tmux", "-L", self.socket, "kill-server"]
        subprocess.run(command, capture_output=True, check=False)

    def _tmux(self, *args: str) -> str:
        command = ["tmux", "-L", self.socket, "-f", os.devnull, *args]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def _shows(screen: str, text: str, behind: str) -> bool:
    _, found, rest = screen.rpartition(behind) if behind else ("", "all", screen)
    return bool(found) and (text in rest or text in " ".join(rest.split()))


@contextmanager
def elagent(
    cwd: Path,
    *args: str,
    environ: Mapping[str, str],
    size: tuple[int, int] = (110, 40),
) -> Iterator[Terminal]:
    """Run elagent in a terminal; when it ends, the screen says `exit: CODE`."""
    line = _line([sys.executable, "-P", str(ROOT / "elagent.py"), *args], environ)
    terminal = Terminal(socket=f"elagent-{os.getpid()}-{next(_NUMBERS)}")
    columns, rows = size
    window = ["-x", str(columns), "-y", str(rows)]
    terminal._tmux("new-session", "-d", *window, "-s", "t", "-c", str(cwd), line)
    try:
        yield terminal
    finally:
        terminal.end()


def _line(command: Sequence[str], environ: Mapping[str, str]) -> str:
    settings = " ".join(f"{name}={shlex.quote(value)}" for name, value in environ.items())
    return f"env {settings} {shlex.join(command)}; echo exit: $?; sleep 600"
