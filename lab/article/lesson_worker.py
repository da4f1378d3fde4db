"""`python -P -m lab.article.lesson_worker FOLDER`: gives the lessons of a folder in its own process.

The model is loaded once; its weights are put back before each lesson. Exit codes and the end with the
parent are those of `learning.training.worker`.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from lab.article.lessons import (
    Lesson,
    Probe,
    ReadingKey,
    read_lessons,
    read_probes,
    readings_file,
    start_keys,
    step_keys,
    teacher_keys,
    wanted,
)
from lab.article.letters import LETTERS
from lab.training.feedback import window_of
from learning.evaluation.rows import RowFile
from learning.model.chat import ChatFormat
from learning.training.job import TrainingError, TrainingJob, read_job
from learning.training.prepare import Prepared
from learning.training.progress import Heartbeat, ProgressLine
from learning.training.worker import main

if TYPE_CHECKING:
    from lab.article.letters import Chances
    from learning.training.checkpoint import StepReport
    from learning.training.student import Student


@dataclass(frozen=True)
class _Room:
    """A student with its questions, and the file of its answers."""

    folder: Path
    job: TrainingJob
    student: Student
    chat: ChatFormat
    probes: dict[str, Probe]
    file: RowFile[ReadingKey, Chances]
    done: set[ReadingKey] = field(default_factory=set)

    @cached_property
    def letter_ids(self) -> list[int]:
        return [self.chat.encode_text(letter)[0] for letter in LETTERS]

    def prompts(self, asked: Sequence[str]) -> list[list[int]]:
        return [self.chat.encode(self.probes[id_].messages) for id_ in asked]

    def read(self, keys: Sequence[ReadingKey], rows: Sequence[Sequence[int]]) -> None:
        """Ask what was not asked before, and write the answers down."""
        missing = [(key, row) for key, row in zip(keys, rows, strict=True) if key not in self.done]
        if not missing:
            return
        chances = self.student.next_probabilities([row for _, row in missing], self.letter_ids)
        self.file.append({key: found for (key, _), found in zip(missing, chances, strict=True)})
        self.done.update(key for key, _ in missing)


def run(folder: Path) -> None:
    """Give every lesson whose readings are not complete.

    Raises:
        TrainingError: If it cannot be done.
    """
    from learning.training.student import Student

    job, lessons = read_job(folder), read_lessons(folder)
    with Heartbeat(folder) as heartbeat:
        heartbeat.say(ProgressLine(stage="loading the model"))
        file = readings_file(folder)
        room = _Room(
            folder=folder,
            job=job,
            student=Student(job),
            chat=ChatFormat.load(Path(job.model_folder)),
            probes=read_probes(folder),
            file=file,
            done=set(file.read()),
        )
        before = 0
        steps = sum(lesson.steps for lesson in lessons)
        for lesson in lessons:
            if not room.done.issuperset(wanted(lesson)):
                heartbeat.say(
                    ProgressLine(stage=f"learning {lesson.name}", step=before, steps=steps)
                )
                _give(room, lesson, heartbeat, before=before, steps=steps)
            before += lesson.steps


def _give(room: _Room, lesson: Lesson, heartbeat: Heartbeat, *, before: int, steps: int) -> None:
    """Give one lesson, or the rest of it."""
    place = room.folder / lesson.id
    examples = _prepared(lesson, room.chat, room.job.max_tokens)
    prompts = room.prompts(lesson.asked)
    room.student.restore()
    told = [room.chat.encode(example.feedback) for example in lesson.examples]
    room.read(start_keys(lesson), prompts)
    room.read(teacher_keys(lesson), told)

    # A process that was killed between a step and its questions left the step's weights.
    resumed = room.student.resume(place)
    if resumed in lesson.measured:
        room.read(step_keys(lesson, resumed), prompts)
    room.student.restore()

    def on_step(step: StepReport) -> None:
        if step.step in lesson.measured:
            room.read(step_keys(lesson, step.step), prompts)
        ends = lesson.kept or step.step == lesson.steps
        heartbeat.say(
            ProgressLine(
                stage=f"learning {lesson.name}",
                step=before + step.step,
                steps=steps,
                loss=step.loss if ends else None,
                tokens_per_s=step.tokens / max(step.seconds, 1e-9),
            )
        )

    room.student.learn(
        *(examples, place),
        steps=lesson.steps,
        batch=lesson.batch,
        learning_rate=lesson.learning_rate,
        on_step=on_step,
    )
    if not lesson.kept:
        shutil.rmtree(place)


def _prepared(lesson: Lesson, chat: ChatFormat, max_tokens: int) -> list[Prepared]:
    """The examples of a lesson as tokens.

    Raises:
        TrainingError: If one does not fit, since the questions asked must be those that were learned.
    """
    windows = [window_of(example, chat, max_tokens) for example in lesson.examples]
    too_long = [
        example.id
        for example, window in zip(lesson.examples, windows, strict=True)
        if window is None
    ]
    if too_long:
        raise TrainingError(
            f"{_listed(too_long)} of {lesson.name} does not fit into {max_tokens} tokens:"
            " raise learning.max_tokens in the settings"
        )
    return [window for window in windows if window is not None]


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(ids)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:], work=run))
