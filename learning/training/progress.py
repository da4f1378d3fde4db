"""Progress of a training job: JSON lines that the worker appends and front ends read."""

from __future__ import annotations

import dataclasses
import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from learning.training.job import JobError
from learning.training.resources import rss_mib

PROGRESS = "progress.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressLine:
    """Progress of the worker. `stage` is a short phrase for the person."""

    stage: str
    step: int = 0
    steps: int = 0
    loss: float | None = None
    """Set when an optimiser step has just ended."""
    tokens_per_s: float = 0.0
    eta_s: float | None = None
    rss_mib: int = 0


def append_progress(folder: Path, line: ProgressLine) -> None:
    """Append one line and flush it, so that readers see it at once."""
    with (folder / PROGRESS).open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(line)) + "\n")


class ProgressReader:
    """Reads the lines that were appended since the last call."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / PROGRESS
        self._offset = self._path.stat().st_size if self._path.exists() else 0

    def read(self) -> tuple[ProgressLine, ...]:
        """New complete lines; a line that is still being written is left for the next call.

        Raises:
            JobError: If a line cannot be read.
        """
        if not self._path.exists():
            return ()
        with self._path.open("rb") as file:
            file.seek(self._offset)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        try:
            return tuple(ProgressLine(**json.loads(line)) for line in whole.splitlines())
        except (ValueError, TypeError) as err:
            raise JobError(f"{self._path} has a line that cannot be read ({err})") from err


_HEARTBEAT_S = 2.0


class Heartbeat:
    """Appends the worker's progress at every change, and every two seconds in between."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._line = ProgressLine(stage="starting")
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def say(self, line: ProgressLine) -> None:
        with self._lock:
            append_progress(self._folder, dataclasses.replace(line, rss_mib=rss_mib()))
            # The loss belongs to the end of one step; the beats that follow only say "still here".
            self._line = dataclasses.replace(line, loss=None)

    def _beat(self) -> None:
        while not self._ended.wait(_HEARTBEAT_S):
            self.say(self._line)
