"""Symbolic links of a project that can be made anew in a box: those that stay inside the copy."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Mapping
from pathlib import Path, PurePosixPath

from sandbox.box.contract import SourceFile, TransferError


def link_file(root: Path, path: str, text: str, *, entering: Collection[str]) -> SourceFile:
    """Return a link that leads, in the box, to the file or folder that it leads to here.

    `text` is what the link holds, `entering` what enters the box: files, and the folders of them.
    Chains and absolute links into the project become a relative link to where they end.

    Raises:
        TransferError: If it leads nowhere, in a circle, out of the project, or to what does not
            enter.
    """
    try:
        end = Path(os.path.realpath(root / path, strict=True))
    except OSError as error:
        circle = error.errno == errno.ELOOP
        where = "in a circle" if circle else "nowhere"
        raise TransferError(f"a symbolic link that leads {where}") from error
    top = Path(os.path.realpath(root))
    if not end.is_relative_to(top):
        raise TransferError("a symbolic link that leads out of the project")
    target = end.relative_to(top).as_posix()
    if target not in entering:
        raise TransferError(f"a symbolic link to {target}, which does not enter")
    made = os.path.relpath(target, PurePosixPath(path).parent.as_posix())
    return SourceFile(path=path, content=text.encode("utf-8", "surrogateescape"), link=made)


def with_folders(paths: Collection[str]) -> frozenset[str]:
    """Return the paths and every folder on the way to one of them; `.` is the top."""
    folders = {parent.as_posix() for path in paths for parent in PurePosixPath(path).parents}
    return frozenset(paths) | folders


def behind_links(files: Mapping[str, SourceFile]) -> dict[str, str]:
    """Return where each of the links leads, as a path of the project, by the link's own path."""
    found = {}
    for path, file in files.items():
        if file.link:
            joined = PurePosixPath(path).parent / file.link
            found[path] = os.path.normpath(joined)
    return found
