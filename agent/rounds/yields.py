"""How many failures became verified fixes, and at what cost: one JSON line for each account.

Below a few pairs for a hundred failures there is nothing to learn fixes from, so this is the first
figure to look at. `practice` rows come from retries while nobody waits, `sessions` rows from what a
learning round found in the store.
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
    """One account."""

    at: float
    """Seconds since the epoch."""
    source: Literal["practice", "sessions"]
    model: str
    failures: int
    pairs: int
    """Verified fixes of these failures."""
    distinct: int
    """Different files among those fixes."""
    replies: int = 0
    tokens: int = 0
    """Read and written by the model."""
    test_runs: int = 0
    seconds: float = 0.0

    @property
    def share(self) -> float:
        """Pairs for each failure."""
        return self.pairs / self.failures if self.failures else 0.0


def append_yield(folder: Path, row: YieldRow) -> None:
    """Add one account to those in `folder`.

    Raises:
        OSError: If it cannot be written.
    """
    with (folder / _FILE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(dataclasses.asdict(row)) + "\n")


def read_yields(folder: Path) -> tuple[YieldRow, ...]:
    """All accounts, oldest first; a line that a crash tore does not count."""
    try:
        lines = (folder / _FILE).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return ()
    rows = []
    for line in lines:
        try:
            rows.append(YieldRow(**json.loads(line)))
        except (ValueError, TypeError, RecursionError):
            continue
    return tuple(rows)
