"""Checks a set of drift tasks itself, and keeps what its own solutions came to."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import click

from agent.session.context import Context
from lab.commands.options import place_of, shipped_sets
from lab.commands.progress import say
from lab.drift.sets import DRIFT_LIMITS
from lab.drift.tasks import DriftTask, Verified, verify
from sandbox.images.image import Image
from tui.running import run_async

_PLACE = re.compile(r" \(/[^)\s]+\)")
"""The place of a module in the image that was used: no part of what its error says."""


def verify_set(
    where: Context, image: Image, tasks: Sequence[DriftTask], folder: Path, *, whole: bool
) -> int:
    """Run the tasks' own solutions and count the sound tasks; a whole folder's verdicts are kept."""

    async def run() -> list[Verified]:
        async with place_of(where).judging(image.id, boxes=2, limits=DRIFT_LIMITS) as judge:
            return await verify(judge, tasks)

    found = run_async(run())
    for item in found:
        click.echo(
            f"{'sound' if item.sound else 'WRONG'} {item.task_id}: "
            f"reference {item.reference} {item.reference_note}; outdated {item.outdated} {item.error}"
        )
    sound = [item for item in found if item.sound]
    if whole:
        keep_verdicts(folder, sound)
    changes = len({task.change for task in tasks})
    halves = Counter(task.split for task in tasks)
    click.echo(
        f"{len(sound)} of {len(tasks)} tasks are sound; {changes} API changes; "
        + ", ".join(f"{count} {name}" for name, count in sorted(halves.items()))
    )
    return 0 if len(sound) == len(tasks) else 1


def keep_verdicts(folder: Path, sound: Sequence[Verified]) -> None:
    """Write the record beside the tasks, unless they came with elagent: an installation stays as it is."""
    record = {
        item.task_id: {
            "reference": item.reference.value,
            "outdated": item.outdated.value,
            "error": _PLACE.sub("", item.error),
        }
        for item in sound
    }
    path, text = folder / "verified.json", json.dumps(record, indent=1, sort_keys=True) + "\n"
    if path.exists() and path.read_text(encoding="utf-8") == text:
        return
    if folder in shipped_sets().values():
        say(f"these verdicts differ from {path}; give --tasks FOLDER to have them written there")
        return
    path.write_text(text, encoding="utf-8")
