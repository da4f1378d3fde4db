"""Reads the file of yields, which elagent only appends to."""

from __future__ import annotations

import json
from pathlib import Path

from agent.rounds.yields import YieldRow


def read_yields(folder: Path) -> tuple[YieldRow, ...]:
    lines = (folder / "yields.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(YieldRow(**json.loads(line)) for line in lines)
