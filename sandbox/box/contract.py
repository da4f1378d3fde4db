"""The contract of a sandbox: the values that go in and come out, and the promise between them.

No implementation lives here. A non-zero exit, a timeout or a memory kill is an *answer* and comes
back as an `Execution`; exceptions mean that no answer can be given.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from sandbox.box.status import Status


class SandboxError(Exception):
    """No answer could be given; never evidence about the code that was to run."""


class EngineUnavailableError(SandboxError):
    """No container engine answers, or this user may not talk to it."""


class ImageError(SandboxError):
    """An image could not be found, assembled or given the project's dependencies."""


class TransferError(SandboxError):
    """A file was refused on its way in or out (size, kind, name, secret)."""


class NeedsNetworkError(SandboxError):
    """A build needs the network, and nobody has allowed it."""

    def __init__(self, message: str, *, build: str) -> None:
        super().__init__(message)
        self.build = build
        """File name of the source archive that would be built."""


class Ending(StrEnum):
    """End of a command, as seen from outside the box."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    OOM = "oom"
    OUTPUT_LIMIT = "output_limit"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Captured:
    """One output stream: the first and the last bytes, with the gap between them counted."""

    head: bytes
    tail: bytes = b""
    dropped_bytes: int = 0

    @property
    def data(self) -> bytes:
        """The kept bytes, with a line that counts the dropped ones."""
        if not self.dropped_bytes:
            return self.head + self.tail
        gap = f"\n[... {self.dropped_bytes} bytes not kept ...]\n".encode()
        return self.head + gap + self.tail

    @property
    def text(self) -> str:
        """The kept bytes as text; bytes that are not UTF-8 appear as backslash escapes.

        This is *not* safe to print: see `sandbox.box.streams.display_safe`.
        """
        return self.data.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One regular file, or one link between such files, to be copied into the box."""

    path: str
    """Relative POSIX path inside the box's work directory, without `..`."""
    content: bytes | Path
    """A link's target on the host, as version control keeps it."""
    executable: bool = False
    link: str = ""
    """Target of a symbolic link in the box, relative to its folder; empty for a regular file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of one run. They hold whatever the code does: the container ends with them."""

    timeout_s: float = 120.0
    test_s: float = 30.0
    """A test that takes longer is ended and fails, so that the others still run. Our test runner holds to it, as
    far as the code under test lets it; the box does not."""
    memory_mib: int = 2048
    cpus: float = 2.0
    pids: int = 256
    work_mib: int = 512
    """Size of the writable work directory (tmpfs, counted against the memory)."""
    output_kib: int = 256
    """Kept of each stream, half of it from the head and half from the tail."""
    output_limit_mib: int = 64
    """A run that prints more than this in all is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One command to run in a fresh box."""

    argv: Sequence[str]
    files: Sequence[SourceFile] = ()
    harness: Sequence[SourceFile] = ()
    """Our own files, placed under `/el`, which the command can read but not write."""
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    stdin: bytes = b""
    limits: Limits = Limits()
    collect: Sequence[str] = ()
    """Relative paths of regular files to bring back from the work directory."""
    judged: bool = False
    """True for test runs: the exit code is not the verdict; the caller reports it later."""
    label: str = ""
    """Name of the run in the list of runs, such as `tests`; empty for that of its program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One finished command: its end, its output and the files that were collected."""

    argv: tuple[str, ...]
    ending: Ending
    exit_code: int | None
    """None unless the command ended by itself; negative for a signal (-11 is SIGSEGV)."""
    stdout: Captured
    stderr: Captured
    duration_s: float
    image_id: str
    collected: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    note: Callable[[Status], None] = field(default=lambda _: None, compare=False, repr=False)
    """Takes the verdict on a judged job, for the ledger of runs where one is kept."""

    @property
    def succeeded(self) -> bool:
        """True if the command ended by itself with exit code 0. For tests this alone is *not* a pass."""
        return self.ending is Ending.EXITED and self.exit_code == 0


class Sandbox(Protocol):
    """A place where untrusted commands run."""

    async def run(
        self,
        job: Job,
        *,
        on_output: Callable[[bytes], None] | None = None,
        on_stderr: Callable[[bytes], None] | None = None,
    ) -> Execution:
        """Run one command to its end in a fresh box and remove the box.

        `on_output` receives what the command prints while it prints it. With `on_stderr` given,
        standard error goes there instead, uncapped: the test reporters speak on that stream.

        MUST fail closed: it never runs anything outside the box. When the awaiting task is
        cancelled the box is removed before the cancellation propagates.

        Raises:
            SandboxError: If no answer can be given, e.g. the engine died.
        """
        ...
