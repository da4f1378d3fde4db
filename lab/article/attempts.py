"""Attempts and explanations of an experiment: one JSON line each, appended as it is made."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from learning.evaluation.humaneval import read_json_lines


def kept_under(folder: Path, kind: str, **made_from: object) -> Path:
    """The file for attempts or texts that were made from these values.

    Another model, prompt, data file or sampling gives another file, so that nothing that was made
    from one is ever taken for the other's, in whatever folder. The values are such as JSON knows.
    """
    text = json.dumps(made_from, sort_keys=True)
    return folder / f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:12]}.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One reply of the bare model, what came of it, and what can be said about it."""

    task_id: str
    index: int
    text: str
    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    code: str = ""
    passed: bool = False
    said: str = ""
    """What the judge said of a failure."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What was observed beside the verdict, by kind."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    generation_s: float = 0.0
    sandbox_s: float = 0.0


class AttemptFile:
    """The attempts of one experiment. One process writes at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[tuple[str, int], Attempt]:
        """The attempts that are there, by task and index."""
        known = {item.name for item in fields(Attempt)}
        found = {}
        for record in _records(self._path):
            values = {key: value for key, value in record.items() if key in known}
            for ids in ("prompt_ids", "token_ids"):
                values[ids] = tuple(values[ids])  # type: ignore[arg-type]  # written below
            attempt = Attempt(**values)  # type: ignore[arg-type]
            found[attempt.task_id, attempt.index] = attempt
        return found

    def append(self, attempt: Attempt) -> None:
        """Add one attempt and see it onto the disk."""
        _append(self._path, asdict(attempt))


class TextFile:
    """Texts by key, such as explanations. One process writes at a time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, str]:
        """The texts that are there."""
        return {str(record["key"]): str(record["text"]) for record in _records(self._path)}

    def append(self, key: str, text: str) -> None:
        """Add one text and see it onto the disk."""
        _append(self._path, {"key": key, "text": text})


def _records(path: Path) -> list[dict[str, object]]:
    """The whole lines of a file; a last one that a crash left without its end is cut off."""
    if not path.exists():
        return []
    data = path.read_bytes()
    if data and not data.endswith(b"\n"):
        os.truncate(path, data.rfind(b"\n") + 1)
    return list(read_json_lines(path))


def _append(path: Path, record: Mapping[str, object]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(record, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
