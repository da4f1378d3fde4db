"""Splits tasks by time: experience comes from older ones, later ones are held out for judging."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from agent.mining.functions import differing
from agent.mining.tasks import RepositoryTask, TaskFile
from learning.records import Experience

EXPERIENCE_SHARE = 1 / 3
"""Share of the tasks known when the cutoff is set; the cutoff stays as commits are added."""


def older_part(known: TaskFile) -> Sequence[RepositoryTask]:
    """The tasks to make experience from, oldest first."""
    return [task for task in known.in_time if task.order <= _cutoff(known)]


def held_out(
    known: TaskFile,
    learned: Iterable[Experience],
    *,
    files: Collection[str] = (),
    tests: Collection[str] = (),
) -> Sequence[RepositoryTask]:
    """The later tasks, oldest first, without those that a learned experience is about.

    `files` and `tests` are what experiences were about that are not here, because somebody else
    made them: no task of such a file or test is left.
    """
    taught = list(learned)
    return [
        task
        for task in known.in_time
        if task.order > _cutoff(known)
        and task.path not in files
        and set(tests).isdisjoint(task.red_ids)
        and not any(overlaps(task, each) for each in taught)
    ]


def overlaps(task: RepositoryTask, experience: Experience) -> bool:
    """True if an experience is about the tests or the function of a task, or shows its answer.

    A file is shown and written whole, so one repair shows the answers to all tasks of its file.
    """
    if {*experience.targets, *experience.green_after} & set(task.red_ids):
        return True
    if task.kind != "failure" and task.real in _shown(experience):
        return True
    if experience.path != task.path:
        return False
    touched = differing(experience.before, experience.after).split(",")
    return not set(touched).isdisjoint(task.function.split(","))


def _shown(experience: Experience) -> str:
    texts = [message.content for message in experience.messages]
    return "\0".join([*texts, experience.action.text, experience.before, experience.after])


def _cutoff(known: TaskFile) -> tuple[int, str]:
    """The end of the older part in time; fixed once a search has gone through all commits.

    Before that it only moves back, as a search goes from the newest commit to the oldest: a held-out
    task stays held out.
    """
    if known.cutoff is None:
        tasks = known.in_time
        older = int(len(tasks) * EXPERIENCE_SHARE)
        if not older:
            return (0, "")
        if not known.complete:
            return tasks[older - 1].order
        known.cut(tasks[older - 1].order)
    return known.cutoff or (0, "")
