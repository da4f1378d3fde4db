"""GSM8K (arXiv 2110.14168): grade-school problems with a chain of thought and one number as the answer.

No code of a model is run: the last number of the reply is compared with the known one, as a number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from importlib import resources
from pathlib import Path
from string import Template

from learning.evaluation.humaneval import DataError, read_json_lines
from learning.evaluation.local import Generator
from learning.evaluation.prompting import Prompt
from learning.evaluation.samples import PASS, Sample, SampleFile
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
    text = Template(_words()).substitute(question=problem.question)
    return Prompt(messages=(Message(role="user", content=text),))


def prompt_digest() -> str:
    """Digest of every word that is added to a problem."""
    return hashlib.sha256(_words().encode()).hexdigest()


async def answer_all(
    problems: Sequence[WordProblem],
    generator: Generator,
    file: SampleFile,
    *,
    samples: int = 1,
    on_sample: Callable[[Sample, int, int], None] = lambda _sample, _done, _total: None,
) -> dict[tuple[str, int], Sample]:
    """Complete `file`: `samples` replies to each problem; returns them all.

    Raises:
        ModelError: If the model does not answer.
    """
    done = file.read()
    wanted = [(problem, index) for problem in problems for index in range(samples)]
    for problem, index in wanted:
        if (problem.task_id, index) in done:
            continue
        sampling = file.manifest.sampling
        reply = await generator.generate(
            word_prompt(problem), replace(sampling, seed=sampling.seed + index)
        )
        found = final_number(reply.text)
        verdict = PASS if found == problem.answer else "fail"
        sample = Sample(
            task_id=problem.task_id,
            index=index,
            reply=reply.text,
            raw=str(found),
            sanitised=str(found),
            raw_verdict=verdict,
            sanitised_verdict=verdict,
            message="" if verdict == PASS else f"{found} is not {problem.answer}",
            finish=reply.finish,
            prompt_tokens=reply.prompt_tokens,
            completion_tokens=reply.completion_tokens,
            generation_s=reply.duration_s,
        )
        file.append([sample])
        done[problem.task_id, index] = sample
        on_sample(sample, len(done), len(wanted))
    return {(problem.task_id, index): done[problem.task_id, index] for problem, index in wanted}


def _last(text: str) -> Fraction | None:
    numbers = _NUMBER.findall(text)
    return Fraction(numbers[-1].replace(",", "").replace("$", "")) if numbers else None


def _words() -> str:
    file = resources.files("lab") / "prompts" / "gsm8k.md"
    return file.read_text(encoding="utf-8")
