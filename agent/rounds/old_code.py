"""Reads the functions that a repository's commits have repaired: what their older forms fail by today.

After an upgrade the commits of a repository show what its libraries no longer have, and what took its place.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from agent.contexts.failures import ApiFailure
from agent.mining.split import older_part
from agent.mining.tasks import TaskFile


def old_code_failures(file: Path) -> Sequence[ApiFailure]:
    """The failures of older functions with today's libraries, each with the function that its commit made of it.

    `file` is that of the repository's tasks. Only tasks to make experience from count, and none before a
    search has gone through all commits: until then a task may yet become one that judges.
    """
    known = TaskFile(file)
    if not known.complete:
        return ()
    return [
        ApiFailure(
            exception=failing.exception,
            message=failing.message,
            code=task.broken,
            repaired=(textwrap.dedent(task.real),),
        )
        for task in older_part(known)
        if task.kind == "older"
        for failing in task.failing[:1]
    ]
