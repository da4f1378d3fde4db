"""What a training job says of itself while it runs."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from typing import Self

from learning.training.progress import ProgressLine, append_progress
from learning.training.resources import rss_mib

_HEARTBEAT_S = 2.0


class Heartbeat:
    """Tells where the worker is, at every change and every two seconds in between."""

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
