"""What came out of a box, on its way back: into a folder of its own, never into the project.

From there a person sees the difference and whoever applies it does so file by file. Only declared
paths, only bytes: no link, mode or owner of an archive reaches the host, and no file that would
make a tool on the host run something.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from sandbox.contract import TransferError
from sandbox.transfer import check_outgoing, read_members

MAX_STAGED = 2_000
MAX_STAGED_BYTES = 32 * 1024 * 1024


def stage_members(
    chunks: Iterable[bytes],
    declared: Sequence[str],
    staging: Path,
    *,
    max_bytes: int = MAX_STAGED_BYTES,
) -> tuple[str, ...]:
    """Write the declared regular files of a hostile tar stream below `staging`; gives their paths.

    `staging` must be an empty folder that nobody else can write to.

    Raises:
        TransferError: If a declared path may not leave a box, or the stream is too large or broken;
            nothing was written then.
    """
    if len(declared) > MAX_STAGED:
        raise TransferError(f"more than {MAX_STAGED} files were asked for")
    found = read_members(chunks, declared, max_bytes=max_bytes)
    root = os.open(staging, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        for path, content in found.items():
            _write(root, path, content)
    finally:
        os.close(root)
    return tuple(found)


def _write(root: int, path: str, content: bytes) -> None:
    """Make every folder and the file itself anew or step into it, following nothing."""
    *folders, name = check_outgoing(path)
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
