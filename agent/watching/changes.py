"""Waits until files in given folders were saved: by the kernel's notices, else by looking again and again."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection
from pathlib import Path

_BURST_MS = 2_000
"""Longest time for which the changes of one burst are gathered."""
_QUIET_MS = 300
"""A burst is over when nothing changed for so long."""
_POLL_MS = 1_000


async def changes(
    folders: Callable[[], Collection[Path]], *, polling: bool = False
) -> AsyncGenerator[None, None]:
    """Yield after each burst of changes in these folders, not below them.

    The folders are asked for again after each: a new one is watched, too, and a yield follows it.
    Where the kernel gives no notices (none are left, or it has none), the files are looked at every second.
    """
    from watchfiles import awatch

    while True:
        now = frozenset(folder for folder in folders() if folder.is_dir())
        watched = awatch(
            *now,
            watch_filter=None,
            debounce=_BURST_MS,
            step=_QUIET_MS,
            recursive=False,
            force_polling=polling or None,
            poll_delay_ms=_POLL_MS,
            ignore_permission_denied=True,
        )
        try:
            async for _ in watched:
                yield
                if now != frozenset(folder for folder in folders() if folder.is_dir()):
                    break
        except OSError:
            if polling:
                raise
            polling = True
        finally:
            await watched.aclose()
        # What was saved between two watches is found by looking once more.
        yield
