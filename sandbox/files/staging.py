"""Stages files from a box in a folder of their own, never in the project.

From there a person sees the difference and whoever applies it does so file by file. Only declared
paths, only bytes: no link, mode or owner of an archive reaches the host, and no file that would
make a tool on the host run something.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path

from sandbox.box.contract import TransferError
from sandbox.files.transfer import check_outgoing

MAX_STAGED = 2_000
MAX_STAGED_BYTES = 32 * 1024 * 1024


def stage(collected: Mapping[str, bytes], staging: Path) -> tuple[str, ...]:
    """Write what `read_members` took out of a box below `staging`; gives the paths.

    `staging` must be an empty folder that nobody else can write to.

    Raises:
        TransferError: If a path may not leave a box, or there is too much; nothing was written
            then. If a path is taken already; what was written before it stays.
    """
    if len(collected) > MAX_STAGED:
        raise TransferError(f"more than {MAX_STAGED} files came out of the box")
    if sum(map(len, collected.values())) > MAX_STAGED_BYTES:
        raise TransferError(f"more than {MAX_STAGED_BYTES} bytes came out of the box")
    places = {path: check_outgoing(path) for path in collected}
    root = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for path, content in collected.items():
            _write(root, path, places[path], content)
    finally:
        os.close(root)
    return tuple(collected)


def _write(root: int, path: str, parts: tuple[str, ...], content: bytes) -> None:
    """Make every folder and the file itself anew or step into it, following nothing."""
    *folders, name = parts
    with ExitStack() as stack:
        here = root
        try:
            for part in folders:
                here = _enter(here, part)
                stack.callback(os.close, here)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(name, flags, 0o644, dir_fd=here)
        except OSError as error:
            raise TransferError(f"{path} cannot be staged: {error.strerror}") from error
        with os.fdopen(file, "wb") as stream:
            stream.write(content)


def _enter(here: int, part: str) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    with suppress(FileExistsError):
        os.mkdir(part, 0o755, dir_fd=here)
    return os.open(part, flags, dir_fd=here)
