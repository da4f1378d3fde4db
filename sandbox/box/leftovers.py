"""Sessions leave a lock file while they live; containers whose session is gone are removed.

The lock is the kernel's (`flock`), so it ends with the process, however that ended, and a reused
process id means nothing.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.box.contract import SandboxError
from sandbox.box.engine import connect, engine_errors
from sandbox.box.guardian import guardian
from sandbox.box.policy import LABEL_PREFIX

if TYPE_CHECKING:
    from docker import APIClient

_SUFFIX = ".lock"
_REMOVAL_S = 10.0
REAP_EVERY_S = 300.0


def lock_path(lock_dir: Path, session: str) -> Path:
    """Return where a session's lock file lives."""
    return lock_dir.resolve() / f"{session}{_SUFFIX}"


@contextmanager
def session_lock(lock_dir: Path, session: str) -> Iterator[Path]:
    """Hold the session's lock; several holders of one session share it.

    Raises:
        SandboxError: If the lock file cannot be made.
    """
    path = lock_path(lock_dir, session)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = _lock_shared(path)
    except OSError as error:
        raise SandboxError(f"cannot lock {path}: {error.strerror}") from error
    try:
        with guardian(path.parent):
            yield path
    finally:
        with suppress(OSError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while somebody else holds it
            path.unlink(missing_ok=True)
        os.close(fd)


def _lock_shared(path: Path) -> int:
    """Open and lock the file, again if somebody unlinked it in between."""
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if os.stat(path).st_ino == os.fstat(fd).st_ino:  # noqa: PTH116
                return fd
        os.close(fd)


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
    for lock in lock_dir.glob(f"*{_SUFFIX}"):
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
    """Whether somebody is seen to hold it; a lock that is out of sight does not count."""
    try:
        return lock.is_file() and not is_abandoned(lock)
    except PermissionError:
        return False


def is_abandoned(lock: Path, *, then: Callable[[], object] = lambda: None) -> bool:
    """Whether nobody holds this lock any more.

    If so, `then` is called while nobody else can take it.
    """
    try:
        fd = os.open(lock, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    else:
        then()
        return True
    finally:
        os.close(fd)


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
