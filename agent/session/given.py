"""Makes texts of the words after `@` in a request: a folder's files, the changes, the red tests.

Texts are bounded, secrets are taken out of them, and they decide nothing: see `agent.session.request`.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from agent.errors import WorkspaceError
from agent.events import TestsFinished
from agent.fixing.sources import Sources
from agent.session.marked import words_after_mark
from agent.turn.tools import tests_digest
from agent.workspace.dirtiness import without_filters
from agent.workspace.safegit import user_git
from learning.experience.redact import redact
from sandbox.files.transfer import is_secret_name

_MOST_CHARACTERS = 11_000
MOST_FOLDER_FILES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderFiles:
    """The files of the folders that a text names after `@`."""

    paths: tuple[str, ...]
    left_out: int
    """Further files, beyond the most that one request shows."""


def folder_files(text: str, files: Sequence[str]) -> FolderFiles:
    """The files in the folders that a text names: the shallow ones first, at most twenty.

    Files whose names say that they hold secrets are left out; to show one, name it.
    """
    known = _folders_of(files)
    named = [word.rstrip("/") for word in dict.fromkeys(words_after_mark(text))]
    wanted = [folder for folder in named if folder in known and folder not in files]
    inside = {
        path
        for path in files
        if any(path.startswith(f"{each}/") for each in wanted)
        and not is_secret_name(path.rpartition("/")[2])
    }
    ranked = sorted(inside, key=lambda path: (path.count("/"), path))
    return FolderFiles(
        paths=tuple(ranked[:MOST_FOLDER_FILES]), left_out=max(0, len(ranked) - MOST_FOLDER_FILES)
    )


def without_file(text: str, root: Path, files: Sequence[str]) -> Iterator[str]:
    """A sentence about each path after `@` that is none of the files below `root`, and no folder of them.

    Nothing is said before the files are known, nor of one that is there and no part of the project.

    What is no path, such as a decorator or a name, is left alone: a path has a `/`, or ends as the files do.
    """
    if not files:
        return
    known = {*files, *_folders_of(files)}
    ends = {PurePosixPath(path).suffix for path in files} - {""}
    for word in dict.fromkeys(words_after_mark(text)):
        path = word.rstrip("/")
        is_ours = path.partition("/")[0] in known or word.endswith("/")
        if path in known or not (is_ours or PurePosixPath(path).suffix in ends):
            continue
        if set("()'\"") & set(word) or (root / path).exists():
            continue
        if any(name.endswith(f"/{path}") for name in known):
            continue
        close = difflib.get_close_matches(path, files, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        yield f"@{word} names no file or folder of the project{hint}"


def _folders_of(files: Collection[str]) -> frozenset[str]:
    """All folders that hold one of these files."""
    parts = (path.split("/") for path in files)
    return frozenset("/".join(p[:count]) for p in parts for count in range(1, len(p)))


def changes_text(root: Path, environ: Mapping[str, str]) -> str:
    """The diff from the last commit, and the names of untracked files. Blocks.

    Raises:
        WorkspaceError: If this is no git repository with a commit.
    """
    git = without_filters(user_git(root, environ))
    flags = ("--no-color", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all")
    done = git.attempt("diff", *flags, "HEAD", "--", ".")
    if done.returncode:
        raise WorkspaceError("@diff needs a git repository with a commit; nothing was sent")
    new = git.run("ls-files", "-z", "--others", "--exclude-standard").split(b"\0")
    names = [name.decode("utf-8", "backslashreplace") for name in new if name]
    text = _cut(redact(done.stdout.decode("utf-8", "backslashreplace")))
    parts = [text or "Nothing differs from the last commit."]
    parts += [f"Untracked: {', '.join(names[:MOST_FOLDER_FILES])}"] if names else []
    return "\n".join(parts)


def failing_text(run: TestsFinished | None, sources: Sources) -> str:
    """The red tests of a run, as the model is told of them; a sentence if there are none. Blocks."""
    if run is None:
        return "No tests have run in this conversation."
    return _cut(redact(tests_digest(run.report, sources)))


def _cut(text: str) -> str:
    more = len(text) - _MOST_CHARACTERS
    return f"{text[:_MOST_CHARACTERS]}\n[{more} more characters]" if more > 0 else text.strip()
