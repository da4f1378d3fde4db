"""Lessons: short trainings that all start from the same weights, with questions asked in between.

A folder holds one student's lessons and what it answered:
job.json       the student: model, parent adapter, rule
probes.jsonl   the questions; lessons.jsonl the lessons that are wanted, rewritten at each call
readings.jsonl one line for each question asked, appended; what is there is not made again
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from agent.events import Event, LearnStep, StageStarted
from agent.rounds.process import run_worker
from lab.article.letters import Chances
from lab.training.feedback import FeedbackExample, example_from, feedback_lines
from learning.evaluation.rows import RowFile, read_json_lines
from learning.records import Message
from learning.training.job import TrainingJob, job_record, write_job

LESSON_WORKER = "lab.article.lesson_worker"
START = ""
"""The lesson of readings that come before any lesson."""
_PROBES, _LESSONS, _READINGS = "probes.jsonl", "lessons.jsonl", "readings.jsonl"

OnLine = Callable[[int, int, str], None]
"""Called with steps that are done, all steps, and what is being learned."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """A question that is asked without any feedback."""

    id: str
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """Examples that one adapter learns in a number of steps, and the steps after which questions are asked."""

    name: str
    examples: tuple[FeedbackExample, ...]
    steps: int
    batch: int
    learning_rate: float
    measured: tuple[int, ...]
    """Steps after which the questions are asked."""
    asked: tuple[str, ...]
    """Ids of the questions."""
    kept: bool = False
    """True keeps the state, so that the lesson can be given more steps later."""

    @property
    def id(self) -> str:
        """Key of the lesson, the same whatever the number of its steps."""
        made = [*feedback_lines(self.examples), str(self.batch), repr(self.learning_rate)]
        return f"{self.name}-{hashlib.sha256(chr(0).join(made).encode()).hexdigest()[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingKey:
    """Lesson, step and question that a reading is of."""

    lesson: str
    """Id of the lesson, or `START`."""
    step: int
    question: str
    told: bool = False
    """True for the teacher: the feedback stood in the prompt, and nothing was learned yet."""


Readings: TypeAlias = Mapping[ReadingKey, Chances]


class Teach(Protocol):
    """Gives lessons and returns what was answered; see `teach`."""

    async def __call__(self, lessons: Sequence[Lesson], probes: Sequence[Probe]) -> Readings: ...


def steps_for(examples: int, *, batch: int, epochs: int) -> int:
    """Steps in which every example is learned from once an epoch."""
    return epochs * -(-examples // batch)


def start_keys(lesson: Lesson) -> list[ReadingKey]:
    """The readings before a lesson, which all lessons of a student share."""
    return [ReadingKey(lesson=START, step=0, question=id_) for id_ in lesson.asked]


def teacher_keys(lesson: Lesson) -> list[ReadingKey]:
    """The readings with the feedback of each example in the prompt."""
    return [
        ReadingKey(lesson=lesson.id, step=0, question=example.id, told=True)
        for example in lesson.examples
    ]


def step_keys(lesson: Lesson, step: int) -> list[ReadingKey]:
    """The readings after a step."""
    return [ReadingKey(lesson=lesson.id, step=step, question=id_) for id_ in lesson.asked]


def wanted(lesson: Lesson) -> list[ReadingKey]:
    """Every reading of a lesson, those before it included."""
    after = [key for step in lesson.measured for key in step_keys(lesson, step)]
    return [*start_keys(lesson), *teacher_keys(lesson), *after]


def readings_file(folder: Path) -> RowFile[ReadingKey, Chances]:
    """The answers of one student."""
    return RowFile(
        path=folder / _READINGS,
        encode=lambda key, letters: {**asdict(key), "letters": list(letters)},
        decode=lambda record: (
            ReadingKey(
                lesson=record["lesson"],
                step=record["step"],
                question=record["question"],
                told=record["told"],
            ),
            tuple(record["letters"]),
        ),
    )


async def teach(
    folder: Path,
    job: TrainingJob,
    lessons: Sequence[Lesson],
    probes: Sequence[Probe],
    *,
    on_line: OnLine,
    say: Callable[[str], None],
) -> Readings:
    """Give the lessons that are missing, in a process of their own; return all readings so far.

    A call that was cut off goes on after the last step that was written.

    Raises:
        LearnerFailedError: If that process ended with an error.
    """
    place = write_lessons(folder, job, lessons, probes)
    file = readings_file(place)
    done = file.read()
    if all(key in done for lesson in lessons for key in wanted(lesson)):
        return done

    def show(event: Event) -> None:
        if isinstance(event, StageStarted):
            say(event.text)
        if isinstance(event, LearnStep):
            on_line(event.step, event.steps, f"learning, loss {event.loss:.4f}")

    await run_worker(place, show, environ=os.environ, python=sys.executable, module=LESSON_WORKER)
    return file.read()


def write_lessons(
    folder: Path, job: TrainingJob, lessons: Sequence[Lesson], probes: Sequence[Probe]
) -> Path:
    """Write down what is wanted of a student, in a folder of its own; return that folder."""
    place = folder / f"lessons-{_digest(job, probes)}"
    if not place.exists():
        shutil.rmtree(place.with_name(f".tmp-{place.name}"), ignore_errors=True)
        write_job(place, job, ())
    _write(place / _PROBES, map(asdict, probes))
    _write(place / _LESSONS, map(asdict, lessons))
    return place


def read_probes(folder: Path) -> dict[str, Probe]:
    """The questions of a folder by id."""
    return {probe.id: probe for probe in map(_probe, read_json_lines(folder / _PROBES))}


def read_lessons(folder: Path) -> list[Lesson]:
    """The lessons that are wanted now."""
    return [_lesson(record) for record in read_json_lines(folder / _LESSONS)]


def _digest(job: TrainingJob, probes: Sequence[Probe]) -> str:
    """Key of a student and its questions."""
    text = json.dumps([job_record(job), [asdict(probe) for probe in probes]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write(path: Path, records: Iterable[Mapping[str, object]]) -> None:
    temporary = path.with_name(f".tmp-{path.name}")
    temporary.write_text("".join(f"{json.dumps(record)}\n" for record in records), "utf-8")
    temporary.replace(path)


def _lesson(record: Mapping[str, Any]) -> Lesson:
    tuples = {name: tuple(record[name]) for name in ("measured", "asked")}
    examples = tuple(map(example_from, record["examples"]))
    return Lesson(**{**record, **tuples, "examples": examples})


def _probe(record: Mapping[str, Any]) -> Probe:
    messages = tuple(Message(**message) for message in record["messages"])
    return Probe(id=record["id"], messages=messages)
