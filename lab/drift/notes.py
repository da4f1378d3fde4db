"""Notes before the first attempt at a drift task: the right API in words, or verified lines."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template

from agent.contexts.notes import notes_for
from lab.drift.tasks import DriftTask, drift_prompt
from lab.prompt_files import words
from learning.contexts.context import context_files
from learning.evaluation.rows import DataError


def notes_before(
    arm: str, tasks: Sequence[DriftTask], folder: Path, contexts: Path
) -> Mapping[str, str]:
    """The notes of an arm, by task; none for arms that tell nothing before the first attempt.

    Raises:
        DataError: If what they are made from is not there.
    """
    match arm:
        case "told":
            return told_notes(folder, tasks)
        case "notes":
            return context_notes(contexts, tasks)
        case _:
            return {}


def told_notes(folder: Path, tasks: Iterable[DriftTask]) -> dict[str, str]:
    """The right API of each task's change in words, as a note before the first attempt, by task.

    Raises:
        DataError: If the folder's `told.toml` cannot be read or says nothing of a change.
    """
    path = folder / "told.toml"
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8"))
        return {
            task.id: Template(words("drift_told")).substitute(told=str(told[task.change]))
            for task in tasks
        }
    except (OSError, ValueError) as err:
        raise DataError(f"{path} cannot be read: {err}.") from err
    except KeyError as err:
        raise DataError(f"{path} does not say what is right after the change {err}.") from err


def context_notes(folder: Path, tasks: Iterable[DriftTask]) -> dict[str, str]:
    """Notes before the first attempt from verified contexts, chosen for each task's own request, by task.

    Raises:
        DataError: If the folder has no contexts.
    """
    contexts = [each for file in context_files(folder) for each in file.read().values()]
    if not contexts:
        raise DataError(
            f"{folder} has no verified contexts: build them with `python -P -m benchmarks.contexts`"
            " and give that folder with --contexts."
        )
    texts = {task.id: drift_prompt(task).messages[0].content for task in tasks}
    return {name: notes_for(text, contexts) for name, text in texts.items()}
