"""Removes the containers whose session is gone: nobody holds its lock file any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.box.contract import SandboxError
from sandbox.box.engine import connect, engine_errors
from sandbox.box.policy import LABEL_PREFIX
from sandbox.host.lock_files import LOCK_SUFFIX, is_abandoned

if TYPE_CHECKING:
    from docker import APIClient

_REMOVAL_S = 10.0
REAP_EVERY_S = 300.0


def remove_leftovers(lock_dir: Path) -> int:
    """Remove the containers of dead sessions that locked in this directory; return how many.

    Raises:
        SandboxError: If the engine cannot be asked.
    """
    lock_dir = lock_dir.resolve()
    removed = 0
    with connect() as client:
        for container_id, labels in _boxes(client):
            if _is_leftover(labels, lock_dir, now=time.time()):
                remove_box(client, container_id)
                removed += 1
    for lock in lock_dir.glob(f"*{LOCK_SUFFIX}"):
        is_abandoned(lock, then=partial(lock.unlink, missing_ok=True))
    return removed


@asynccontextmanager
async def reaping(lock_dir: Path, *, every_s: float = REAP_EVERY_S) -> AsyncIterator[None]:
    """Remove leftovers at once, and again now and then for as long as this is open.

    Raises:
        SandboxError: If the engine cannot be asked at the beginning; later that is no reason to
            disturb anybody.
    """
    await asyncio.to_thread(remove_leftovers, lock_dir)
    task = asyncio.create_task(_reap_every(lock_dir, every_s))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _reap_every(lock_dir: Path, every_s: float) -> None:
    while True:
        await asyncio.sleep(every_s)
        with suppress(SandboxError):
            await asyncio.to_thread(remove_leftovers, lock_dir)


def _boxes(client: APIClient) -> list[tuple[str, dict[str, str]]]:
    with engine_errors("the containers could not be listed"):
        containers: list[dict[str, Any]] = client.containers(
            all=True, filters={"label": f"{LABEL_PREFIX}kind"}
        )
    return [(item["Id"], item.get("Labels") or {}) for item in containers]


def _is_leftover(labels: dict[str, str], lock_dir: Path, *, now: float) -> bool:
    lock = Path(labels.get(f"{LABEL_PREFIX}lock", ""))
    if lock.parent == lock_dir:
        # the lock alone decides: it knows no clock, and so none that can jump
        return is_abandoned(lock)
    expires = labels.get(f"{LABEL_PREFIX}expires", "")
    return expires.isdigit() and int(expires) < now and not _is_held(lock)


def _is_held(lock: Path) -> bool:
    """True if a living process is seen to hold the lock; a lock out of sight does not count."""
    try:
        return lock.is_file() and not is_abandoned(lock)
    except PermissionError:
        return False


def remove_box(client: APIClient, container: str) -> None:
    """Kill and remove a container; that it is gone or going already is fine.

    Raises:
        SandboxError: If the engine cannot do it.
    """
    from docker.errors import APIError, NotFound

    give_up = time.monotonic() + _REMOVAL_S
    with engine_errors(f"the box {container} could not be removed"):
        while True:
            try:
                client.remove_container(container, force=True, v=True)
            except NotFound:
                return
            except APIError as error:
                # the engine's own AutoRemove got there first: wait until it is through
                if error.status_code != HTTPStatus.CONFLICT or time.monotonic() > give_up:
                    raise
                time.sleep(0.05)
            else:
                return
