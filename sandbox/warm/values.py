"""Programs for a warm box, and their results; neither needs an engine to be made or read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from sandbox.box.contract import Captured, Limits, SandboxError, SourceFile
from sandbox.box.status import Status


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramLimits:
    """Limits of one program; the box as a whole has limits of its own."""

    timeout_s: float = 10.0
    """Wall clock, kept inside the box and a second time outside."""
    memory_mib: int = 512
    """Address space of each process. Beyond it Python raises MemoryError, which is an `error`."""
    processes: int = 40
    """Processes and threads together."""
    file_mib: int = 32
    open_files: int = 256
    output_kib: int = 64
    """Kept of each stream, half of it from the head and half from the tail."""
    output_limit_mib: int = 8
    """A program that prints more than this in all is ended."""


BOX_LIMITS = Limits(timeout_s=1200.0, memory_mib=1024, cpus=2.0, pids=128, work_mib=64)
"""Limits that all programs of a box share. The time is the box's whole life, not one program's."""

PROGRAMS_PER_BOX = 200
"""A box is replaced after this many programs, whatever state it is in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program: Python source, or a command."""

    source: str = ""
    """Run as `__main__` from `main.py` in a fresh directory, which is also where it starts."""
    argv: Sequence[str] = ()
    """A command to run instead of the source."""
    files: Sequence[SourceFile] = ()
    """Placed in the same directory first."""
    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    limits: ProgramLimits = ProgramLimits()

    def __post_init__(self) -> None:
        if self.argv and self.source:
            raise SandboxError("a program is either Python source or a command, not both")


NOTHING = Captured(head=b"")
"""An output stream on which nothing was said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramResult:
    """Result of one program.

    `pass` means that it ran to its end: Python source past its last line and with exit code 0
    (leaving through `sys.exit(0)` or `os._exit(0)` before that is a `fail`), a command with exit
    code 0. Whether what it did was *right* is for `sandbox.warm.judge` to say.
    """

    status: Status
    exit_code: int | None = None
    """None when it was ended from outside; negative for a signal (-11 is SIGSEGV)."""
    stdout: Captured = NOTHING
    stderr: Captured = NOTHING
    duration_s: float = 0.0
    exception: str = ""
    """Class name of what Python source raised and did not catch, such as `MemoryError`."""
    note: str = ""
    """Reason why the program did not pass, in one line; may hold the program's own words."""
    clean: bool = True
    """False if something was left that could not be wiped: the box was replaced."""
