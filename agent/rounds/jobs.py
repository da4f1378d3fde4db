"""Folders of learning jobs: a lock for one round at a time, and the check of an interrupted job."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from agent.errors import AgentError
from agent.locks import try_lock
from learning.model.catalog import InstalledModel
from learning.model.weights import training_folder
from learning.training.job import JobError, read_examples, read_job


class LearnError(AgentError):
    """The round cannot be run or has failed; the message says why and what to do."""


@contextlib.contextmanager
def only_one_round(jobs: Path) -> Iterator[None]:
    """Hold the lock on the folder of jobs, making the folder if needed.

    Raises:
        LearnError: If another round holds it.
    """
    jobs.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock = try_lock(jobs / ".lock")
    if lock is None:
        raise LearnError("another learning round is running for this repository: wait for its end")
    try:
        yield
    finally:
        os.close(lock)


def stale(folder: Path, *, model: InstalledModel, forgotten: frozenset[str]) -> str:
    """The reason why the job in this folder cannot be resumed; empty if it can."""
    if folder.name.startswith(".tmp-"):
        return "it had not begun"
    try:
        job, examples = read_job(folder), read_examples(folder)
    except JobError as err:
        return str(err)
    if job.base != model.identity or job.model_folder != str(training_folder(model)):
        return "it was for another model"
    if job.parent_folder and not Path(job.parent_folder).is_dir():
        return "the adapter it started from is gone"
    used = {id_ for example in examples for id_ in example.experience_ids}
    return "it used an experience that was forgotten" if used & forgotten else ""
