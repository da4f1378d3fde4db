"""Runs git so that it executes no other program.

System and user configuration are not read; hooks, file system monitors, filters and transports are
switched off; the calling process's `GIT_*` variables do not reach it. Every exit code is checked.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from agent.errors import WorkspaceError
from sandbox.host import children

_HEADER_FIELDS = 3
_SHA1_DIGITS = 40

_OPTIONS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.pager=cat",
    "core.quotePath=false",
    # Only what could be executed makes another owner's repository unsafe, and nothing can.
    "safe.directory=*",
    "gc.auto=0",
)

_SHADOW_OPTIONS = (
    "core.autocrlf=false",
    "core.safecrlf=false",
    "core.fileMode=true",
    "core.symlinks=true",
    "core.ignoreCase=false",
    "core.precomposeUnicode=false",
    # Names such as `git~1` are ordinary here; the tree never travels to another system.
    "core.protectNTFS=false",
    "core.protectHFS=false",
    "core.looseCompression=1",
    "core.fsync=objects,index,reference",
    "core.fsyncMethod=batch",
    "index.version=4",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """One way of calling git: a folder, an environment, and options that win over any file."""

    cwd: Path
    env: Mapping[str, str]
    options: tuple[str, ...] = _OPTIONS
    snapshots: Path | None = None
    """Our own git directory, if that is what this git works on."""
    inherit: tuple[int, ...] = ()
    """Descriptors (locks) that live on in a child that outlives us."""

    def run(self, *args: str, stdin: bytes = b"") -> bytes:
        """Standard output of a git command.

        Raises:
            WorkspaceError: If git is missing or its exit code is not 0.
        """
        finished = self.attempt(*args, stdin=stdin)
        if finished.returncode != 0:
            reason = finished.stderr.decode("utf-8", "backslashreplace").strip()
            lines = reason.splitlines() or [f"exit code {finished.returncode}"]
            raise WorkspaceError(self._failure(f"git {args[0]}", lines[0]))
        return finished.stdout

    def _failure(self, what: str, reason: str) -> str:
        if self.snapshots is None:
            return f"{what} failed in {self.cwd}: {reason}"
        return (
            f"the snapshots of {self.cwd} in {self.snapshots} cannot be used ({what}: {reason});"
            " your files are as they are. If the disk has room, the snapshots are damaged: move"
            " that folder away to begin new ones; only undo of earlier turns goes with it"
        )

    def attempt(self, *args: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """A finished git command whose exit code the caller judges.

        Raises:
            WorkspaceError: If git is missing or the folder is gone.
        """
        flags = [part for option in self.options for part in ("-c", option)]
        try:
            return children.run(
                ["git", *flags, *args],
                cwd=self.cwd,
                env=self.env,
                stdin=stdin,
                pass_fds=self.inherit,
            )
        except children.StoppedError as err:
            raise WorkspaceError(f"git was stopped in {self.cwd}; nothing was changed") from err
        except FileNotFoundError as err:
            if self.cwd.is_dir():
                raise WorkspaceError("git is not installed; install it to have undo") from err
            raise WorkspaceError(f"the folder {self.cwd} does not exist") from err
        except OSError as err:
            raise WorkspaceError(f"git cannot run in {self.cwd}: {err.strerror}") from err

    def blobs(self, ids: Iterable[str]) -> Iterator[bytes]:
        """The contents of many stored files, one after the other, each checked by its hash.

        Raises:
            WorkspaceError: If one is missing or damaged.
        """
        flags = [part for option in self.options for part in ("-c", option)]
        with children.opened(
            ["git", *flags, "cat-file", "--batch"],
            cwd=self.cwd,
            env=self.env,
            stderr=subprocess.DEVNULL,
            pass_fds=self.inherit,
        ) as process:
            if process.stdin is None or process.stdout is None:
                raise WorkspaceError("git cat-file has no pipes")
            for blob in ids:
                try:
                    process.stdin.write(f"{blob}\n".encode())
                    process.stdin.flush()
                    content = _read_blob(process.stdout, blob)
                except (ValueError, OSError) as err:
                    raise WorkspaceError(self._failure("git cat-file", str(err))) from err
                yield content


def _read_blob(stream: IO[bytes], blob: str) -> bytes:
    """The content, checked by its hash; a ValueError if it differs."""
    header = stream.readline().split()
    content = b""
    if len(header) == _HEADER_FIELDS and header[1] == b"blob":
        content = stream.read(int(header[2]))
        stream.read(1)
    digest = hashlib.new("sha1" if len(blob) == _SHA1_DIGITS else "sha256", usedforsecurity=False)
    digest.update(b"blob %d\0" % len(content) + content)
    if digest.hexdigest() != blob:
        raise ValueError(f"the stored file {blob} is missing or damaged")
    return content


def user_git(root: Path, environ: Mapping[str, str]) -> Git:
    """Git on the user's own repository, for reading only."""
    return Git(cwd=root, env=_environment(environ))


def shadow_git(root: Path, git_dir: Path, environ: Mapping[str, str]) -> Git:
    """Git on our own directory, with `root` as its worktree."""
    env = _environment(environ) | {
        "GIT_DIR": str(git_dir),
        "GIT_WORK_TREE": str(root),
        "GIT_INDEX_FILE": str(git_dir / "index"),
    }
    options = _OPTIONS + _SHADOW_OPTIONS
    return Git(cwd=root, env=env, options=options, snapshots=git_dir)


def excludes_file(environ: Mapping[str, str]) -> str | None:
    """The user's global ignore file. Reading configuration executes nothing.

    Git itself falls back to `$XDG_CONFIG_HOME/git/ignore`, but not in our bare environment.
    """
    names = ("PATH", "HOME", "XDG_CONFIG_HOME")
    env = {name: environ[name] for name in names if environ.get(name)} | {"LC_ALL": "C"}
    git = Git(cwd=Path("/"), env=env, options=())
    finished = git.attempt("config", "--global", "--type=path", "--get", "core.excludesFile")
    if finished.returncode == 0:
        return finished.stdout.decode("utf-8", "surrogateescape").strip()
    if environ.get("XDG_CONFIG_HOME"):
        return environ["XDG_CONFIG_HOME"] + "/git/ignore"
    return environ["HOME"] + "/.config/git/ignore" if environ.get("HOME") else None


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {
        "PATH": environ.get("PATH") or "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/nonexistent",
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        # A partial clone would fetch missing objects through commands of its configuration.
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_AUTHOR_NAME": "elagent",
        "GIT_AUTHOR_EMAIL": "elagent@localhost",
        "GIT_COMMITTER_NAME": "elagent",
        "GIT_COMMITTER_EMAIL": "elagent@localhost",
    }
