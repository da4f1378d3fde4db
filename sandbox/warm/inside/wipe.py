"""Ends everything a user still runs and removes everything it left, then looks whether that is so.

Done in the server itself, with the effective user of the program and the real user of nobody
else: the program may not signal us, we may signal all of it, and files are removed with its own
rights, not with ours.
"""

from __future__ import annotations

import itertools
import os
import signal
import stat
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACES = ("/box", "/tmp", "/dev/shm", "/dev/mqueue")  # noqa: S108
"""Every directory in which a program can leave something."""
NOBODY_ELSE = 65_530
WIPE_S = 3.0


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Have the effective user `uid`, and no rights, for a while."""
    os.setresuid(NOBODY_ELSE, uid, 0)
    try:
        yield
    finally:
        os.setresuid(0, 0, 0)


def kill_all(uids: list[int]) -> None:
    """End every process of these users, whatever session or group it moved to."""
    for uid in uids:
        with acting_as(uid), suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)


def running(uids: list[int]) -> bool:
    """Tell if any process of these users is left, a zombie included."""
    wanted = {str(uid).encode() for uid in uids}
    for name in os.listdir("/proc"):  # noqa: PTH208
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/status", "rb") as file:  # noqa: PTH123
                head = file.read(1024)
        except OSError:
            continue
        found = head.partition(b"\nUid:")[2].split(None, 4)[:4]
        if wanted.intersection(found):
            return True
    return False


def wipe(uids: list[int]) -> bool:
    """Remove what these users own in the places; return whether nothing at all is left there."""
    deadline = time.monotonic() + WIPE_S
    for uid in uids:
        for place in PLACES:
            for name in _names(place):
                path = f"{place}/{name}"
                with suppress(OSError):
                    if os.lstat(path).st_uid == uid:
                        with acting_as(uid):
                            _remove(path, deadline)
    return not any(_names(place) for place in PLACES)


def _names(place: str) -> list[str]:
    try:
        return os.listdir(place)  # noqa: PTH208
    except FileNotFoundError:
        return []


def _remove(path: str, deadline: float) -> None:
    if not stat.S_ISDIR(os.lstat(path).st_mode):
        os.unlink(path)  # noqa: PTH108
        return
    os.chmod(path, 0o700)  # noqa: PTH101
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _empty(fd, deadline)
    finally:
        os.close(fd)
    os.rmdir(path)  # noqa: PTH106


def _empty(fd: int, deadline: float) -> None:
    """Empty a directory of any depth with two open files: what is nested is lifted up first."""
    lifted = itertools.count()
    prefix = os.urandom(8).hex()  # nobody has made a file of that name
    while names := os.listdir(fd):
        for name in names:
            if time.monotonic() > deadline:
                raise TimeoutError
            if not stat.S_ISDIR(os.lstat(name, dir_fd=fd).st_mode):
                os.unlink(name, dir_fd=fd)
                continue
            os.chmod(name, 0o700, dir_fd=fd)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
            try:
                _lift(inner, fd, (f"{prefix}{number}" for number in lifted))
            finally:
                os.close(inner)
            os.rmdir(name, dir_fd=fd)


def _lift(inner: int, outer: int, free_names: Iterator[str]) -> None:
    """Empty a directory of everything but directories, which move to the outer one."""
    for name in os.listdir(inner):
        if stat.S_ISDIR(os.lstat(name, dir_fd=inner).st_mode):
            os.chmod(name, 0o700, dir_fd=inner)
            os.rename(name, next(free_names), src_dir_fd=inner, dst_dir_fd=outer)
        else:
            os.unlink(name, dir_fd=inner)
