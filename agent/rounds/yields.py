"""The file `yields.jsonl`: how many failures became verified fixes, and at what cost.

With fewer than a few pairs for a hundred failures there are too few fixes to learn from, so a person
who asks why an adapter learned little looks here first. A learning round appends a `sessions` row
for the experiences it found in the store; self-play repair appends a `self-play` row (`practice` in
older rows).
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

_FILE = "yields.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class YieldRow:
    """One row of the file."""

    at: float
    """Seconds since the epoch."""
    source: Literal["self-play", "sessions"]
    model: str
    failures: int
    pairs: int
    """Failures that have a verified fix."""
    distinct: int
    """Different files among those fixes."""
    replies: int = 0
    tokens: int = 0
    """Tokens of the prompts and of the replies together."""
    test_runs: int = 0
    seconds: float = 0.0


def append_yield(folder: Path, row: YieldRow) -> None:
    """Append a row to the file in `folder`.

    Raises:
        OSError: If it cannot be written.
    """
    with (folder / _FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(row)) + "\n")
