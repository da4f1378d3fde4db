"""Runs drafts of contexts with their stale twins in a box."""

from __future__ import annotations

from collections.abc import Sequence

from agent.contexts.boxed import Tried, run_programs
from agent.contexts.drafts import Draft, fails_by_the_api
from sandbox.box.contract import Sandbox

_BATCH = 250

Ran = tuple[Draft, Tried, Tried | None]
"""A draft with what it gave, and what its stale twin gave."""


async def run_drafts(sandbox: Sandbox, drafts: Sequence[Draft], library: str) -> list[Ran]:
    """The drafts that ran, and whose twins failed by the API, with what both gave.

    Raises:
        SandboxError: If the box cannot be used.
    """
    kept: list[Ran] = []
    for start in range(0, len(drafts), _BATCH):
        batch = drafts[start : start + _BATCH]
        programs = [(d.snippet.source, d.snippet.call) for d in batch]
        twins = [(d.twin.stale, d.snippet.call) for d in batch if d.twin is not None]
        results = await run_programs(sandbox, [*programs, *twins], modules=[library])
        stale = iter(results[len(batch) :])
        for draft, ran in zip(batch, results, strict=False):
            failed = next(stale) if draft.twin is not None else None
            if not ran.ok or ran.is_none:
                continue
            if failed is None or fails_by_the_api(draft, failed):
                kept.append((draft, ran, failed))
    return kept
