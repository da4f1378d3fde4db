"""Defines what a search asks of the sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sandbox.search.values import ChangeTrial, Searched, UsualRun


class ChangeTester(Protocol):
    """Tries changes of the project's files in the sandbox, many in one box."""

    async def try_changes(
        self,
        trials: Sequence[ChangeTrial],
        *,
        red: Sequence[str],
        known_red: Sequence[str],
        budget_s: float,
        beside: Sequence[str] = (),
        endless: Sequence[str] = (),
        trace: bool = False,
        enough: int = 3,
        usual: UsualRun | None = None,
    ) -> Searched:
        """Run the tests named by `red` on each change, and all others where these pass.

        `beside` names other red tests that may have the same fault; `TrialResult.left` counts them.
        `endless` names those of the red tests that do not end by themselves.
        `usual` is what another box said of the same tests and files; it saves a run of them.

        Raises:
            SandboxError: If no answer can be given.
        """
        ...
