"""The results file of the MMLU measurement: one JSON line per question, taken up again by its manifest."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from lab.mmlu import LETTERS, Shift
from learning.evaluation.humaneval import read_json_lines
from learning.evaluation.samples import Manifest, SampleFile, read_manifest

_SHIFTS = "shifts.jsonl"


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
        self._path = folder / _SHIFTS

    def read(self) -> dict[str, Shift | None]:
        """What is there, by question; None for a question that was answered rightly."""
        return _read(self._path, self._digest)

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


def read_answers(folder: Path) -> dict[str, float]:
    """By question: 1 where the model is right without feedback, 0 where it is not.

    Raises:
        SamplesError: If it is not such a folder.
    """
    found = _read(folder / _SHIFTS, read_manifest(folder).digest)
    return {question: float(shift is None or _right(shift)) for question, shift in found.items()}


def _read(path: Path, digest: str) -> dict[str, Shift | None]:
    if not path.exists():
        return {}
    return {
        str(record["question"]): _shift(record.get("shift"))
        for record in read_json_lines(path)
        if record.get("manifest") == digest
    }


def _right(shift: Shift) -> bool:
    letters = shift.probabilities["none"]
    return LETTERS[max(range(len(letters)), key=letters.__getitem__)] == shift.correct


def _shift(record: object) -> Shift | None:
    if not isinstance(record, dict):
        return None
    probabilities = {name: tuple(values) for name, values in record["probabilities"].items()}
    return Shift(**{**record, "probabilities": probabilities})
