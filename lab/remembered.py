"""Greedy replies that were made before are not made again.

Arms that begin with the same request then begin with the same reply. Greedy decoding alone does not
give that: llama.cpp reads a prompt in other batches when more or less of it is cached, and a near
tie that goes the other way would be counted as an effect of the arm.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from learning.evaluation.humaneval import read_json_lines
from learning.evaluation.local import Generated, Generator
from learning.evaluation.prompting import Prompt
from learning.evaluation.samples import mend
from learning.records import Sampling

_TUPLES = ("prompt_ids", "token_ids", "logprobs")


class RememberedReplies:
    """A generator that keeps its greedy replies in a file, one JSON line each."""

    def __init__(self, generator: Generator, path: Path) -> None:
        """`path` belongs to one model with one adapter; it need not exist."""
        self._generator = generator
        self._path = path
        self._known: dict[str, Generated] = {}
        if path.exists():
            mend(path)
            for record in read_json_lines(path):
                self._known[str(record["key"])] = _generated(record["reply"])  # type: ignore[arg-type]

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generated:
        """See `Generator.generate`."""
        if sampling.temperature > 0:
            return await self._generator.generate(prompt, sampling)
        key = _key(prompt, sampling)
        if key not in self._known:
            self._keep(key, await self._generator.generate(prompt, sampling))
        return self._known[key]

    def _keep(self, key: str, reply: Generated) -> None:
        self._known[key] = reply
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, "reply": asdict(reply)}) + "\n")
            file.flush()
            os.fsync(file.fileno())


def _key(prompt: Prompt, sampling: Sampling) -> str:
    """All that decides a greedy reply of one model: the seed does not."""
    request = (prompt, sampling.max_tokens)
    return hashlib.sha256(repr(request).encode()).hexdigest()


def _generated(record: dict[str, object]) -> Generated:
    lists: dict[str, tuple[object, ...] | None] = {
        name: tuple(record[name]) if record[name] is not None else None  # type: ignore[arg-type]
        for name in _TUPLES
    }
    return Generated(**{**record, **lists})  # type: ignore[arg-type]
