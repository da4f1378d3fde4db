"""Asks the model which of several changes that pass it would have written itself.

The old code is not shown: a small model would copy it, and so prefer the change that differs last.
"""

from __future__ import annotations

from collections.abc import Sequence

from agent.candidates.candidate import CandidateChange
from agent.editing.python_source import source_lines
from agent.events import Notice, StageStarted
from agent.model.protocol import Continuer, Model, ModelError
from agent.prompt_files import filled
from agent.streaming import Emit
from learning.records import Message

_MOST = 4
_BEFORE = 30
_LONGEST = 400
"""Characters in which the changes differ; over more the model's taste says little."""
_LONGEST_TEST = 700
_PATIENCE_S = 30.0


async def likeliest(
    candidates: Sequence[CandidateChange], model: Model, *, test: str, emit: Emit
) -> CandidateChange | None:
    """Return the likeliest of changes of one file; None where nobody can tell.

    `test` is the source of the red test. The first four are compared.
    """
    some = candidates[:_MOST]
    begun, texts = _different_parts([candidate.after for candidate in some])
    comparable = all(0 < len(text) <= _LONGEST for text in texts)
    if len({candidate.path for candidate in some}) > 1 or not comparable:
        return None
    if not isinstance(model, Continuer) or not model.continues:
        return None
    emit(StageStarted(f"{model.name} compares {len(some)} changes"))
    words = filled("passing", test=test[:_LONGEST_TEST], path=some[0].path)
    asked = [Message(role="user", content=words)]
    try:
        chosen = await model.choose(asked, f"```python\n{begun}", texts, timeout_s=_PATIENCE_S)
    except ModelError as err:
        emit(Notice(f"the changes are not compared: {err}"))
        return None
    return next((c for c, text in zip(some, texts, strict=True) if text == chosen), None)


def _different_parts(texts: Sequence[str]) -> tuple[str, list[str]]:
    """The lines before those in which the texts differ, as far as they are shown, and those of each text."""
    lines = [source_lines(text) for text in texts]
    first = _equal(lines)
    last = _equal([each[first:][::-1] for each in lines])
    parts = ["".join(each[first : len(each) - last]) for each in lines]
    return "".join(lines[0][max(0, first - _BEFORE) : first]), parts


def _equal(lines: Sequence[Sequence[str]]) -> int:
    """Number of lines at the beginning that are the same in all."""
    columns = enumerate(zip(*lines, strict=False))
    return next((n for n, column in columns if len(set(column)) > 1), min(map(len, lines)))
