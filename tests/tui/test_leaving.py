"""Whichever way somebody leaves, nothing that elagent started is there a moment later (tmux)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tui.app.terminal import Terminal, elagent

HUNG_GIT = """\
#!/bin/sh
for word; do [ "$word" = update-index ] && sleep 600; done
exec {git} "$@"
"""
AT_ONCE_S = 1.0
NOTICED_S = 1.5
"""What a loaded machine may take to run tmux, and to deliver a key."""

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pyproject.toml").touch()
    (folder / "test_one.py").write_text("def test_one(): pass\n")
    return folder


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A git that hangs as soon as it would copy a file."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "git").write_text(HUNG_GIT.format(git=shutil.which("git")))
    (tools / "git").chmod(0o755)
    return {
        "PATH": f"{tools}:{os.environ['PATH']}",
        "ELAGENT_HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
    }


def commands(environ: dict[str, str]) -> dict[int, str]:
    """What runs with this environment: elagent itself and whatever it started."""
    mark = f"ELAGENT_HOME={environ['ELAGENT_HOME']}".encode()
    # git has an environment of its own, in which only the path is ours
    path = f"PATH={environ['PATH']}".encode()
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = (folder / "environ").read_bytes().split(b"\0")
            words = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if (mark in variables or path in variables) and "elagent test shell" not in words:
            found[int(folder.name)] = words
    return found


def wait_for(what: Callable[[], bool], *, within_s: float = 60.0) -> float:
    began = time.monotonic()
    while not what():
        assert time.monotonic() - began < within_s
        time.sleep(0.02)
    return time.monotonic() - began


def sleeping(environ: dict[str, str]) -> list[str]:
    return [words for words in commands(environ).values() if words.startswith("sleep 600")]


def hung(environ: dict[str, str]) -> Callable[[], bool]:
    return lambda: bool(sleeping(environ))


def hang_at(verb: str, environ: dict[str, str]) -> None:
    git = Path(environ["PATH"].partition(":")[0], "git")
    git.write_text(HUNG_GIT.format(git=shutil.which("git")).replace("update-index", verb))


def nothing_left(environ: dict[str, str]) -> Callable[[], bool]:
    return lambda: (
        not any(
            "elagent.py" in words or "git" in words or "sleep 600" in words
            for words in commands(environ).values()
        )
    )


def main_process(environ: dict[str, str]) -> int:
    return min(pid for pid, words in commands(environ).items() if "python" in words.split(" ")[0])


def send(number: signal.Signals) -> Callable[[Terminal, dict[str, str]], None]:
    return lambda _, environ: os.kill(main_process(environ), number)


def press(*keys: str) -> Callable[[Terminal, dict[str, str]], None]:
    def leave(terminal: Terminal, environ: dict[str, str]) -> None:
        for key in keys:
            terminal.press(key)

    return leave


def close(terminal: Terminal, environ: dict[str, str]) -> None:
    terminal.end()


WAYS = {
    "Ctrl-D": press("C-d"),
    "Ctrl-C twice": press("C-c", "C-c"),
    "SIGTERM": send(signal.SIGTERM),
    "SIGHUP": send(signal.SIGHUP),
    "terminal closed": close,
}


@pytest.mark.parametrize("way", WAYS)
def test_leaving_the_app_ends_everything_within_a_second(
    root: Path, environ: dict[str, str], way: str
) -> None:
    with elagent(root, environ=environ) as terminal:
        terminal.wait_for("Ask for a change")
        wait_for(hung(environ))
        WAYS[way](terminal, environ)
        wait_for(nothing_left(environ), within_s=AT_ONCE_S + NOTICED_S)


@pytest.mark.parametrize("way", ["Ctrl-C", "SIGTERM", "SIGHUP", "terminal closed"])
@pytest.mark.parametrize("command", ["--repl", "run-tests"])
@pytest.mark.docker
def test_leaving_what_has_no_screen_ends_everything_within_a_second(
    root: Path, environ: dict[str, str], command: str, way: str
) -> None:
    if command == "run-tests":
        hang_at("ls-files", environ)
    leave = {**WAYS, "Ctrl-C": press("C-c")}[way]
    with elagent(root, command, environ=environ) as terminal:
        wait_for(hung(environ))
        leave(terminal, environ)
        wait_for(nothing_left(environ), within_s=AT_ONCE_S + NOTICED_S)


@pytest.mark.docker
def test_escape_ends_what_a_job_has_started(root: Path, environ: dict[str, str]) -> None:
    hang_at("never", environ)
    with elagent(root, environ=environ) as terminal:
        terminal.wait_for("Ask for a change")
        terminal.type("/diff")
        terminal.press("Enter")
        terminal.wait_for("nothing changed")
        hang_at("ls-files", environ)
        terminal.type("/test")
        terminal.press("Enter")
        wait_for(hung(environ))
        hang_at(
            "never", environ
        )  # the app asks git for the files again as soon as the job has ended
        terminal.press("Escape")
        wait_for(lambda: not sleeping(environ), within_s=AT_ONCE_S + NOTICED_S)
        terminal.wait_for("Stopped. No file was changed.")
        terminal.press("C-d")
        wait_for(nothing_left(environ), within_s=AT_ONCE_S + NOTICED_S)


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGTERM])
def test_a_clean_up_that_never_ends_holds_up_no_process(number: signal.Signals) -> None:
    code = (
        "import time\n"
        "from tui.leaving import end_on_signals\n"
        "end_on_signals(grace_s=2.0)\n"
        "try:\n    print('ready', flush=True)\n    time.sleep(60)\n"
        "except KeyboardInterrupt:\n    print('cleaning', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == "cleaning\n"
        assert process.wait(20) == 128 + number
