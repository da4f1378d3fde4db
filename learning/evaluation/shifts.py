"""The results file of the MMLU measurement: one JSON line per question, taken up again by its manifest."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from learning.evaluation.humaneval import read_json_lines
from learning.evaluation.mmlu import Shift
from learning.evaluation.samples import Manifest, SampleFile


class ShiftFile:
    """The shifts of one manifest; questions that the model gets right are kept as such."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Create the folder, or take it up again.

        Raises:
            SamplesError: If it holds results of other settings.
        """
        SampleFile(folder, manifest)
        self.folder = folder
        self._digest = manifest.digest
        self._path = folder / "shifts.jsonl"

    def read(self) -> dict[str, Shift | None]:
        """What is there, by question; None for a question that was answered rightly."""
        if not self._path.exists():
            return {}
        found: dict[str, Shift | None] = {}
        for record in read_json_lines(self._path):
            if record.get("manifest") == self._digest:
                found[str(record["question"])] = _shift(record.get("shift"))
        return found

    def append(self, question_id: str, shift: Shift | None) -> None:
        """Add one question and see it onto the disk."""
        record = {
            "manifest": self._digest,
            "question": question_id,
            "shift": asdict(shift) if shift else None,
        }
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _shift(record: object) -> Shift | None:
    if not isinstance(record, dict):
        return None
    probabilities = {name: tuple(values) for name, values in record["probabilities"].items()}
    return Shift(**{**record, "probabilities": probabilities})
