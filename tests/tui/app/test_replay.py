"""Replays, in a real terminal with a scripted model, what once went wrong in an hour of use.

Each test is one fault as a person met it; what is claimed is what is on the screen and on the disk.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.openai_server import FakeServer, Scripted, serve, text
from tests.tui.app.terminal import PATIENCE_S, Terminal, elagent

STATS = (
    "def mean(values):\n    return sum(values) / len(values)\n\n\n"
    "def spread(values):\n    return max(values) - min(values) + 1\n"
)
TESTS = (
    "from stats import mean, spread\n\n\ndef test_mean():\n    assert mean([1, 3]) == 2\n\n\n"
    "def test_spread():\n    assert spread([1, 4]) == 3\n"
)
README = "# Stats\n"
LONG = "".join(f"Line {number} of a long answer.\n\n" for number in range(1, 61))

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A small project, and the settings of the person who works there."""

    root: Path
    environ: dict[str, str]

    @contextmanager
    def opened(self, server: FakeServer, *args: str) -> Iterator[Terminal]:
        model = ("--model", "fake", "--base-url", server.url)
        with elagent(self.root, *model, *args, environ=self.environ) as terminal:
            terminal.wait_for("mode ")
            yield terminal

    def files(self) -> dict[str, str]:
        paths = (path for path in self.root.rglob("*") if path.is_file())
        return {path.relative_to(self.root).as_posix(): path.read_text() for path in paths}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """The project on a machine without a sandbox: nothing here waits for one."""
    root = tmp_path / "stats"
    (root / "shapes").mkdir(parents=True)
    (root / "stats.py").write_text(STATS)
    (root / "test_stats.py").write_text(TESTS)
    (root / "README.md").write_text(README)
    (root / "shapes" / "models.py").write_text("SIDES = 4\n")
    environ = {
        "ELAGENT_HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "DOCKER_HOST": "unix:///nowhere/docker.sock",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return Place(root=root, environ=environ)


@pytest.fixture
def boxed(place: Place) -> Place:
    """The project with a sandbox."""
    environ = {name: value for name, value in place.environ.items() if name != "DOCKER_HOST"}
    return Place(root=place.root, environ=environ | {"ELAGENT_SANDBOX_IMAGE": "lite"})


def said(server: FakeServer) -> list[str]:
    """The last message of each request to the model."""
    found = []
    for request in server.requests:
        messages = request["messages"]
        assert isinstance(messages, list)
        found.append(str(messages[-1]["content"]))
    return found


def sent(terminal: Terminal, line: str) -> None:
    terminal.type(line)
    terminal.press("Enter")


def sent_until(terminal: Terminal, line: str, shown: str) -> None:
    """Send a line that is refused while a job ends, until the screen shows a text."""
    deadline = time.monotonic() + PATIENCE_S
    while shown not in terminal.screen():
        assert time.monotonic() < deadline, f"no {shown!r} on the screen:\n{terminal.screen()}"
        sent(terminal, line)
        time.sleep(1.0)


def until_asked(server: FakeServer, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while len(server.requests) < count:
        assert time.monotonic() < deadline, f"{len(server.requests)} requests"
        time.sleep(0.05)


def code(block: str, label: str) -> Scripted:
    return text(f"{label}\n```python\n{block}```\n")


@pytest.mark.docker
@pytest.mark.usefixtures("sandbox_image")
def test_a_shell_escape_runs_in_the_sandbox_and_overwrites_nothing(boxed: Place) -> None:
    before = boxed.files()
    with serve(FakeServer(script=[text("It lists three files.")])) as server:
        with boxed.opened(server) as terminal:
            sent(terminal, "!ls")
            terminal.wait_for("test_stats.py", behind="> !ls")
            assert server.requests == []
            sent(terminal, "what did that print?")
            terminal.wait_for("It lists three files.")
        assert "test_stats.py" in str(server.requests[-1]["messages"])
    assert boxed.files() == before


@pytest.mark.slow
@pytest.mark.docker
@pytest.mark.usefixtures("sandbox_image")
def test_tests_run_once_and_a_failing_one_is_run_before_it_is_explained(boxed: Place) -> None:
    before = boxed.files()
    with (
        serve(FakeServer(script=[text("It should pass now.")])) as server,
        boxed.opened(server) as terminal,
    ):
        sent(terminal, "run the tests")
        terminal.wait_for("1 failed, 1 passed")
        assert server.requests == []
        sent(terminal, "why does test_spread fail?")
        shown = terminal.wait_for("still fails", behind="> why does test_spread fail?")
        assert "Nothing was changed" in " ".join(shown.split())
    assert boxed.files() == before


def test_a_question_changes_no_file_whatever_the_model_says(place: Place) -> None:
    before = place.files()
    answer = f"It is:\n\nREADME.md\n```\n{'x' * 8}\n```\n"
    with serve(FakeServer(script=[text(answer)])) as server, place.opened(server) as terminal:
        sent(terminal, "what stands in README.md?")
        terminal.wait_for("no file was changed, since this was read as a question")
    assert place.files() == before


def test_lines_break_where_the_keys_say_so_and_a_burst_is_sent_whole(place: Place) -> None:
    with serve(FakeServer(script=[text("Seen.")])) as server, place.opened(server) as terminal:
        terminal.type("what is line one")
        terminal.press("M-Enter")
        terminal.type("and line two")
        terminal.press("C-j")
        terminal.type("and line three?\r")
        terminal.wait_for("Seen.")
        assert "what is line one\nand line two\nand line three?" in said(server)[-1]
        terminal.type("what is sent at once?\r")
        until_asked(server, 2)
        assert "what is sent at once?" in said(server)[-1]


PIECES = ("a", "word", "x=1", "?", "why?", "/", "@", ".", "é", "(", " b", "\n", "/help", "!")


@pytest.mark.parametrize("count", [15, pytest.param(500, marks=pytest.mark.slow)])
def test_keys_of_random_bursts_keep_their_order(place: Place, count: int) -> None:
    draw = random.Random(0)  # noqa: S311 - the same bursts in every run
    with serve(FakeServer()) as server, place.opened(server) as terminal:
        for number in range(count):
            burst = "".join(["z", *draw.choices(PIECES, k=draw.randint(1, 9)), f"#{number}."])
            terminal.type(burst)
            shown = terminal.wait_for(f"#{number}.")
            at = 0
            for line in burst.split("\n"):
                assert (at := shown.find(line.strip(), at)) >= 0, (burst, shown)
            terminal.press("C-c")
        assert server.requests == []


@pytest.mark.slow
def test_a_mistyped_command_is_told_the_nearest_and_never_sent(place: Place) -> None:
    with serve(FakeServer()) as server, place.opened(server) as terminal:
        for typed, nearest in (("/tset", "/test"), ("/exprences", "/experiences")):
            sent(terminal, typed)
            terminal.wait_for(f"{typed} is no command; did you mean {nearest}?")
        assert server.requests == []


@pytest.mark.slow
def test_a_file_in_a_folder_is_completed_and_help_fits_a_newcomer(place: Place) -> None:
    with serve(FakeServer()) as server, place.opened(server) as terminal:
        terminal.type("what is in @shapes/mo")
        deadline = time.monotonic() + PATIENCE_S
        while "shapes/models.py" not in terminal.screen():
            assert time.monotonic() < deadline
            terminal.press("Tab")  # the list of files is read behind the first prompt
            time.sleep(0.5)
        terminal.press("C-c")
        sent(terminal, "/help")
        terminal.wait_for("say what you want: files change")
        assert server.requests == []


def test_a_declined_edit_with_a_reason_goes_on_with_the_reason(place: Place) -> None:
    first = code("def mean(values):\n    return 0\n", "stats.py")
    second = code("def mean(values):\n    return sum(values) / (len(values) or 1)\n", "stats.py")
    with serve(FakeServer(script=[first, second])) as server:
        with place.opened(server, "--mode", "ask") as terminal:
            sent(terminal, "let mean in stats.py cope with an empty list")
            terminal.wait_for("Accept (y)")
            terminal.press("r")
            terminal.wait_for("What instead?")
            sent(terminal, "divide by one then")
            terminal.wait_for("Accept (y)", behind="+    return sum(values) / (len(values) or 1)")
            terminal.press("y")
            terminal.wait_for("/undo takes it back.")
            terminal.wait_for("sandbox not there")
        assert "divide by one then" in said(server)[1]
    assert (place.root / "stats.py").read_text() == STATS.replace(
        "len(values)\n", "(len(values) or 1)\n"
    )


@pytest.mark.slow
def test_a_function_alone_below_a_placeholder_takes_its_place(place: Place) -> None:
    block = 'def mean(values):\n    """The mean."""\n    return sum(values) / len(values)\n'
    with (
        serve(FakeServer(script=[code(block, "path/to/stats.py")])) as server,
        place.opened(server) as terminal,
    ):
        sent(terminal, "@stats.py add a docstring to mean")
        shown = terminal.wait_for("/undo takes it back.")
        assert "the tests were not run" in " ".join(shown.split())
    assert (place.root / "stats.py").read_text() == STATS.replace(
        "(values):\n    return sum", '(values):\n    """The mean."""\n    return sum'
    )
    assert not (place.root / "path").exists()


@pytest.mark.slow
def test_a_rename_changes_every_use_without_the_model(place: Place) -> None:
    with serve(FakeServer()) as server, place.opened(server) as terminal:
        sent(terminal, "rename mean to average in stats.py")
        terminal.wait_for("/undo takes it back.")
        assert server.requests == []
    assert "def average(values):" in (place.root / "stats.py").read_text()
    tests = (place.root / "test_stats.py").read_text()
    assert "import average, spread" in tests
    assert "average([1, 3])" in tests


@pytest.mark.slow
def test_a_reply_that_goes_in_circles_is_stopped_and_what_came_before_is_used(
    place: Place,
) -> None:
    line = "    assert mean([1, 2, 3]) == 2\n"
    circle = ["test_stats.py\n", "```python\n", "def test_three():\n", *[line] * 400]
    with serve(FakeServer(script=[Scripted(pieces=circle), text("Yes.")])) as server:
        with place.opened(server) as terminal:
            sent(terminal, "add a test for mean to test_stats.py")
            terminal.wait_for("fake began to repeat itself and was stopped")
            terminal.wait_for("/undo takes it back.")
            sent(terminal, "what is a mean?")
            terminal.wait_for("Yes.")
        assert str(server.requests[-1]["messages"]).count(line.strip()) < 5
    tests = (place.root / "test_stats.py").read_text()
    assert tests.startswith(TESTS.rstrip())
    assert 0 < tests.count(line) < 5


@pytest.mark.slow
def test_an_interrupt_says_truly_that_nothing_was_written(place: Place) -> None:
    before = place.files()
    slow = Scripted(pieces=["I ", *["think "] * 400], delay_s=0.2)
    with serve(FakeServer(script=[slow])) as server, place.opened(server) as terminal:
        sent(terminal, "what is a median?")
        terminal.wait_for("think")
        terminal.press("Escape")
        terminal.wait_for("Stopped. No file was changed.")
    assert place.files() == before


@pytest.mark.slow
def test_what_lies_below_is_marked_and_a_new_question_comes_into_sight(place: Place) -> None:
    with (
        serve(FakeServer(script=[text(LONG), text("The second answer.")])) as server,
        place.opened(server) as terminal,
    ):
        sent(terminal, "what is long?")
        terminal.wait_for("Line 60 of a long answer.")
        terminal.press("PageUp")
        terminal.wait_for("below")
        terminal.press("End")
        terminal.wait_for("Line 60 of a long answer.")
        terminal.press("PageUp")
        terminal.wait_for("below")
        sent(terminal, "what is short?")
        terminal.wait_for("The second answer.")


@pytest.mark.slow
def test_a_new_conversation_counts_no_tokens(place: Place) -> None:
    with serve(FakeServer(script=[text("A mean.")])) as server, place.opened(server) as terminal:
        sent(terminal, "what is a mean?")
        terminal.wait_for("of 4096 tokens", behind="A mean.")
        sent_until(terminal, "/clear", "no tokens yet")
