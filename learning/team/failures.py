"""The sentences that errors of databases and buckets become."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator, Sequence

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from learning.team.errors import TeamError, TeamRefusedError, TeamUnreachableError

_FULL = ("disk is full", "no space left")
_REFUSED = ("permission denied", "row-level security", "must be owner", "readonly database")


@contextlib.contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn errors of the database at `place` into sentences.

    Raises:
        TeamUnreachableError: If it does not answer, or its disk is full.
        TeamRefusedError: If it does not allow this to the member.
        TeamError: If it fails in another way.
    """
    try:
        yield
    except DBAPIError as err:
        raise _told(str(err.orig), place, lost=err.connection_invalidated) from err
    except SQLAlchemyError as err:
        raise TeamError(f"{place} failed: {_first_line(str(err))}") from err


def _told(message: str, place: str, *, lost: bool) -> TeamError:
    words = message.lower()
    if any(sign in words for sign in _FULL):
        return TeamUnreachableError(f"{place} has no space left on its disk")
    if any(sign in words for sign in _REFUSED):
        return TeamRefusedError(
            f"{place} does not allow this to you ({_first_line(message)}):"
            " an administrator of the team gives roles with `elagent team role`"
        )
    if "no such table" in words or "does not exist" in words:
        return TeamError(
            f"{place} holds no team's store ({_first_line(message)}):"
            " `elagent team init` makes one, or the address is wrong"
        )
    if lost or "locked" in words or _is_about_connection(words):
        return TeamUnreachableError(f"{place} does not answer ({_first_line(message)})")
    return TeamError(f"{place} failed: {_first_line(message)}")


def _is_about_connection(words: str) -> bool:
    signs = ("connect", "server closed", "terminating", "shut", "timeout", "unable to open", "ssl")
    return any(sign in words for sign in signs)


@contextlib.contextmanager
def bucket_explained(place: str, *, also: Sequence[type[Exception]] = ()) -> Iterator[None]:
    """Turn errors of the bucket at `place` into sentences, `also` those that its client adds.

    Raises:
        TeamUnreachableError: If it does not answer, or its disk is full.
        TeamRefusedError: If it does not allow this to the member.
    """
    expected: tuple[type[Exception], ...] = (OSError, *also)
    try:
        yield
    except PermissionError as err:
        raise TeamRefusedError(
            f"the bucket {place} does not allow this to you ({_first_line(str(err))})"
        ) from err
    except expected as err:
        reason = _reason(err)
        raise TeamUnreachableError(f"the bucket {place} failed ({reason})") from err


def _reason(err: Exception) -> str:
    if isinstance(err, OSError):
        return (
            "a disk is full" if err.errno == errno.ENOSPC else err.strerror or _first_line(str(err))
        )
    return _first_line(str(err))


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "no reason given")
