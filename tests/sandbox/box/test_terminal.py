"""A shell in a box behaves as a shell on a terminal does, and leaves nothing."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from pathlib import Path

import pytest

from sandbox.box.contract import Limits, SandboxError
from sandbox.box.engine import connect
from sandbox.box.terminal import run_shell

SHELL = """
import sys
from pathlib import Path
from sandbox.box.contract import Limits, SourceFile
from sandbox.box.terminal import run_shell
files = [SourceFile(path="hello.txt", content=b"hello")]
limits = Limits(timeout_s=float(sys.argv[3]))
code = run_shell(sys.argv[1], files, limits=limits, session="shell", lock_dir=Path(sys.argv[2]))
print("\\nended with", code)
"""
ROOT = Path(__file__).parents[3]


def converse(image: str, folder: Path, *steps: tuple[bytes, bytes], timeout_s: float = 60) -> str:
    """Type the second of each step once the first was shown; gives what the terminal showed."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        arguments = ["-c", SHELL, image, str(folder), str(timeout_s)]
        os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606
    shown, waiting = b"", list(steps)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if not select.select([terminal], [], [], 1)[0]:
            continue
        try:
            data = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        shown += data
        if waiting and waiting[0][0] in shown:
            os.write(terminal, waiting.pop(0)[1])
    os.close(terminal)
    os.waitpid(child, 0)
    return shown.decode("utf-8", "replace")


def boxes() -> list[object]:
    with connect() as client:
        return list(client.containers(all=True, filters={"label": "dev.elagent.kind=shell"}))


@pytest.mark.docker
def test_a_shell_has_a_terminal_the_files_and_no_rights(sandbox_image: str, tmp_path: Path) -> None:
    shown = converse(
        sandbox_image,
        tmp_path,
        (
            b"box:",
            b"test -t 0 && echo is$((1 + 1))tty; cat hello.txt; id -u; touch /no; sh -c 'echo $((40 + 2)); exec sleep 99'\r",
        ),
        (b"42", b"\x03"),
        (b"^C", b"echo after $?\rexit 7\r"),
    )
    assert "is2tty" in shown
    assert "hello" in shown
    assert "65532" in shown
    assert "Read-only file system" in shown
    assert "after 130" in shown
    assert "ended with 7" in shown
    assert boxes() == []


@pytest.mark.docker
def test_a_shell_ends_at_its_time_limit(sandbox_image: str, tmp_path: Path) -> None:
    assert "ended with 124" in converse(
        sandbox_image, tmp_path, (b"box:", b"sleep 50\r"), timeout_s=3
    )
    assert boxes() == []


def test_without_a_terminal_there_is_no_shell(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    try:
        with pytest.raises(SandboxError, match="a shell needs a terminal"):
            run_shell("x", [], limits=Limits(), session="s", lock_dir=tmp_path, terminal=reader)
    finally:
        os.close(reader)
        os.close(writer)
