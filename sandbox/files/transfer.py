"""Checks and copies each file on its way into a box and out of it.

In: regular files, links between them made anew and none followed, no secret, never `.git`; they
travel as a tar archive that is written here and unpacked inside the box. Out: declared regular files, read member by
member from a stream; nothing here ever unpacks an archive onto the host.
"""

from __future__ import annotations

import errno
import io
import os
import re
import stat
import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sandbox.box.contract import SourceFile, TransferError
from sandbox.files.host_names import folded, name_that_host_obeys
from sandbox.files.links import link_file, with_folders

MAX_PARTS = 32
MAX_PART_BYTES = 255
MAX_FILES = 20_000
_CHANGED_AT = 946_684_800
"""Time of every file in a box, seconds since 1970: builders of wheels refuse those before 1980."""

NEVER_NAMES = frozenset({".git", ".hg", ".svn", ".elagent"})
"""Parts of a path that never enter a box."""

_SECRET_NAMES = re.compile(
    r"""\.env(\..+)? | \.envrc | \.netrc | \.pypirc | \.npmrc | \.pgpass | \.git-credentials
    | id_(rsa|dsa|ecdsa|ed25519) | .*\.(p12|pfx|jks|keystore|kdbx) | credentials\.json
    | secrets?\.(ya?ml|json|toml)""",
    re.VERBOSE | re.IGNORECASE,
)
_HARMLESS_NAMES = re.compile(r"\.env\.(example|sample|template|dist|test)", re.IGNORECASE)
SECRET_CONTENTS: Mapping[str, re.Pattern[bytes]] = {
    "a private key": re.compile(
        rb"-----BEGIN [A-Z ]*PRIVATE KEY-----\s+(?:[A-Za-z0-9+/=:,\- ]+\s+){2,}"
    ),
    "an AWS access key": re.compile(rb"\b(?:AKIA|ASIA)(?!IOSFODNN7)[A-Z0-9]{16}\b"),
    "a GitHub token": re.compile(rb"\b(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{60,})\b"),
    "a GitLab token": re.compile(rb"\bglpat-[A-Za-z0-9_-]{20,}"),
    "a Slack token": re.compile(rb"\bxox[abprs]-\d{10,}-[A-Za-z0-9-]{20,}"),
    "a Google API key": re.compile(rb"\bAIza[A-Za-z0-9_-]{35}\b"),
    "an OpenAI or Anthropic key": re.compile(rb"\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{40,}"),
    "a package index token": re.compile(rb"\bpypi-AgE[A-Za-z0-9_-]{50,}"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A file that was left behind, and why."""

    path: str
    reason: str
    maskable: bool = False
    """True if the file may enter once placeholders stand for its secrets."""


class SecretError(TransferError):
    """A file seems to hold a secret."""


Mask = Callable[[str, bytes], bytes | None]
"""Gives what of a file with secrets may enter in its place, by path and content; None: nothing."""


def never_masked(_path: str, _content: bytes) -> None:
    """Let nothing in that seems to hold a secret."""


def collect_files(
    root: Path, paths: Sequence[str], *, max_bytes: int, mask: Mask = never_masked
) -> tuple[list[SourceFile], list[Refusal]]:
    """Read the given files below `root`; what may not enter the box comes back as a refusal.

    Contents are read here, once, through directory descriptors, so that a link put in place later
    cannot change what is sent. Files that do not exist (deleted but still listed) are skipped.
    """
    files: list[SourceFile] = []
    refusals: list[Refusal] = []
    links: dict[str, str] = {}
    left = max_bytes
    root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for path in sorted(set(paths)):
            try:
                file = _collect_one(root_fd, path, left, mask, room_for=MAX_FILES - len(files))
            except FileNotFoundError:
                continue
            except _LinkError as link:
                links[path] = link.text
                continue
            except (TransferError, OSError) as error:
                secret = isinstance(error, SecretError)
                refusals.append(Refusal(path=path, reason=_why(error), maskable=secret))
                continue
            left -= len(file.content) if isinstance(file.content, bytes) else 0
            files.append(file)
    finally:
        os.close(root_fd)
    made, dangling = _make_links(root, links, files)
    return files + made, sorted(refusals + dangling, key=lambda refusal: refusal.path)


class _LinkError(Exception):
    """A symbolic link stands where a regular file was looked for."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def _make_links(
    root: Path, links: Mapping[str, str], files: Sequence[SourceFile]
) -> tuple[list[SourceFile], list[Refusal]]:
    """Return the links that can be made in the box, and refusals for the others; needs all files."""
    made: list[SourceFile] = []
    refusals: list[Refusal] = []
    entering = with_folders([file.path for file in files])
    for path, text in links.items():
        try:
            made.append(link_file(root, path, text, entering=entering))
        except TransferError as error:
            refusals.append(Refusal(path=path, reason=str(error)))
    return made, refusals


def _collect_one(
    root_fd: int, path: str, left_bytes: int, mask: Mask, *, room_for: int
) -> SourceFile:
    parts = check_path(path)
    if forbidden := next((part for part in parts if folded(part) in NEVER_NAMES), None):
        raise TransferError(f"{forbidden} never enters the box")
    name = parts[-1]
    if is_secret_name(name):
        raise TransferError("files of this name usually hold secrets")
    if room_for <= 0:
        raise TransferError(f"more than {MAX_FILES} files")
    content, executable = _read_regular(root_fd, parts, left_bytes)
    kinds = [kind for kind, pattern in SECRET_CONTENTS.items() if pattern.search(content)]
    masked = mask(path, content) if kinds else content
    if masked is None:
        raise SecretError(f"it seems to hold {kinds[0]}")
    return SourceFile(path=path, content=masked, executable=executable)


def is_secret_name(name: str) -> bool:
    """True if files of this name usually hold secrets."""
    return bool(_SECRET_NAMES.fullmatch(name)) and not _HARMLESS_NAMES.fullmatch(name)


def _read_regular(root_fd: int, parts: Sequence[str], limit: int) -> tuple[bytes, bool]:
    """Open every level without following a link, and read the file at the end."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
    with ExitStack() as stack:
        directory = root_fd
        for part in parts[:-1]:
            directory = os.open(part, flags | os.O_DIRECTORY, dir_fd=directory)
            stack.callback(os.close, directory)
        # non-blocking: opening a FIFO must not wait for its writer
        try:
            file = os.open(parts[-1], flags | os.O_NONBLOCK, dir_fd=directory)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise
            raise _LinkError(os.readlink(parts[-1], dir_fd=directory)) from error
        stack.callback(os.close, file)
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise TransferError("not a regular file")
        if status.st_size > limit:
            raise TransferError(f"{status.st_size} bytes exceed the size limit of the copy")
        with os.fdopen(os.dup(file), "rb") as stream:
            content = stream.read(limit + 1)
        if len(content) > limit:
            raise TransferError("it grew beyond the size limit of the copy")
        return content, bool(status.st_mode & stat.S_IXUSR)


def _why(error: TransferError | OSError) -> str:
    if isinstance(error, TransferError):
        return str(error)
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "behind a symbolic link"
    return (error.strerror or str(error)).lower()


def check_path(path: str) -> tuple[str, ...]:
    """Return the parts of a relative POSIX path that is safe to create or to read.

    Raises:
        TransferError: If it is absolute, climbs, is too deep, or has odd characters.
    """
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or "\\" in path:
        raise TransferError("not a relative path inside the project")
    if len(parts) > MAX_PARTS:
        raise TransferError(f"more than {MAX_PARTS} directories deep")
    for part in parts:
        if any(ord(character) < ord(" ") or character == "\x7f" for character in part):
            raise TransferError("control characters in its name")
        try:
            encoded = part.encode("utf-8")
        except UnicodeEncodeError:
            raise TransferError("its name is not UTF-8") from None
        if len(encoded) > MAX_PART_BYTES:
            raise TransferError("its name is too long")
    return parts


def check_outgoing(path: str) -> tuple[str, ...]:
    """Return the parts of a path that may come back from a box.

    Raises:
        TransferError: If it leads elsewhere, or names something that tools on the host act on.
    """
    parts = check_path(path)
    if denied := name_that_host_obeys(parts):
        raise TransferError(f"{denied} never comes out of the box")
    return parts


def tar_chunks(files: Iterable[SourceFile]) -> Iterator[bytes]:
    """Write the files as an uncompressed tar archive, piece by piece.

    Raises:
        TransferError: If a path is not fit, or a file on the host cannot be read.
    """
    for file in files:
        try:
            check_path(file.path)
            content = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
        except (TransferError, OSError) as error:
            raise TransferError(f"{file.path} cannot be copied into the box: {error}") from error
        info = tarfile.TarInfo(file.path)
        if file.link:
            info.type, info.linkname = tarfile.SYMTYPE, file.link
            yield info.tobuf(format=tarfile.GNU_FORMAT)
            continue
        info.size = len(content)
        info.mtime = _CHANGED_AT
        info.mode = 0o755 if file.executable else 0o644
        yield info.tobuf(format=tarfile.GNU_FORMAT)
        yield content
        yield b"\0" * (-len(content) % tarfile.BLOCKSIZE)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


class _Feed(io.RawIOBase):
    """A readable stream over the pieces of an iterator."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        super().__init__()
        self._chunks = iter(chunks)
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            piece = next(self._chunks, None)
            if piece is None:
                return 0
            self._rest = piece
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def read_members(
    chunks: Iterable[bytes], wanted: Sequence[str], *, max_bytes: int
) -> dict[str, bytes]:
    """Read declared regular files out of a tar stream that hostile code may have shaped.

    Only members whose name is exactly one of `wanted` are read, and only as bytes in memory: no
    link, directory, device or sparse file, no path is ever opened on the host.

    Raises:
        TransferError: If a wanted path may not leave a box, or the stream is not a tar archive or
            holds more than `max_bytes`.
    """
    found: dict[str, bytes] = {}
    left = max_bytes
    names = frozenset(path for path in wanted if check_outgoing(path))
    try:
        with tarfile.open(fileobj=io.BufferedReader(_Feed(chunks)), mode="r|") as archive:
            for count, member in enumerate(archive):
                if count > len(names) + MAX_PARTS:
                    raise TransferError("more files came out of the box than were asked for")
                if member.name not in names or not member.isreg() or member.issparse():
                    continue
                if member.size > left:
                    raise TransferError(f"{member.name} exceeds the size limit of the copy")
                stream = archive.extractfile(member)
                found[member.name] = stream.read() if stream is not None else b""
                left -= member.size
    except tarfile.ReadError as error:
        if found or "empty" in str(error):
            return found
        raise TransferError(f"what came out of the box is not an archive: {error}") from error
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise TransferError(f"what came out of the box cannot be read: {error}") from error
    return found
