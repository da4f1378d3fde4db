"""GSM8K (arXiv 2110.14168): grade-school problems with a chain of thought and one number as the answer.

No code of a model is run: the last number of the reply is compared with the known one, as a number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from lab.prompt_files import filled, words
from learning.evaluation.prompting import Prompt
from learning.evaluation.rows import DataError, read_json_lines
from learning.evaluation.task import PASS, Generated, Judged, Task
from learning.records import Message

_NUMBER = re.compile(r"-?\$?(?:\d{1,3}(?:,\d{3})+|\d{1,30})(?:\.\d{1,30})?")
_MARKED = re.compile(r"(?:####|\\boxed\{)\s*([^\n}]{1,80})")
_MAX_CHARACTERS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class WordProblem:
    """One problem and its number."""

    task_id: str
    question: str
    answer: Fraction


def load_word_problems(path: Path) -> tuple[WordProblem, ...]:
    """Read `question` and `answer` (its last line is `#### N`) per line.

    Raises:
        DataError: If a line is not such a problem.
    """
    problems = []
    for number, record in enumerate(read_json_lines(path)):
        answer = final_number(str(record.get("answer", "")))
        question = record.get("question")
        if answer is None or not isinstance(question, str):
            raise DataError(f"{path}, line {number + 1} is no question with an answer in numbers.")
        problems.append(WordProblem(task_id=f"gsm8k/{number}", question=question, answer=answer))
    return tuple(problems)


def final_number(reply: str) -> Fraction | None:
    """The number that a reply ends with: the last marked one, else the last of all."""
    text = reply[-_MAX_CHARACTERS:]
    marked = [number for part in _MARKED.findall(text) if (number := _last(part)) is not None]
    return marked[-1] if marked else _last(text)


def word_prompt(problem: WordProblem) -> Prompt:
    """The problem as a chat that asks for a chain of thought."""
    text = filled("gsm8k", question=problem.question)
    return Prompt(messages=(Message(role="user", content=text),))


def prompt_digest() -> str:
    """Digest of every word that is added to a problem."""
    return hashlib.sha256(words("gsm8k").encode()).hexdigest()


def word_tasks(problems: Iterable[WordProblem]) -> list[Task]:
    """The problems as tasks of an evaluation; the last number of a reply counts."""
    return [
        Task(id=problem.task_id, prompt=word_prompt(problem), judge=_judge_of(problem.answer))
        for problem in problems
    ]


def _judge_of(answer: Fraction) -> Callable[[Generated], Awaitable[Judged]]:
    async def judged(reply: Generated) -> Judged:
        found = final_number(reply.text)
        verdict = PASS if found == answer else "fail"
        return Judged(
            raw=str(found),
            clean=str(found),
            raw_verdict=verdict,
            verdict=verdict,
            message="" if verdict == PASS else f"{found} is not {answer}",
        )

    return judged


def _last(text: str) -> Fraction | None:
    numbers = _NUMBER.findall(text)
    return Fraction(numbers[-1].replace(",", "").replace("$", "")) if numbers else None
