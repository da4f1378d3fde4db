"""Records a session of the real app: `python -P -m benchmarks.recording [--model NAME]`.

The full-screen app runs in a pseudo terminal, with a real sandbox, on a small project with one failing
test: the person asks why it fails, repairs it, and takes the repair back. Written are a cast for asciinema
and an animated picture of it, which says how long it really took. With `--scripted` the model's replies
come from a script, so that the recording itself can be tried in a minute; the picture says that, too.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.animated_svg import animated
from benchmarks.terminal_cast import Cast, Recording, recording
from tests.fakes.openai_server import FakeServer, Scripted, serve

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "screenshots"
NAME = "session"
SIZE = (96, 30)
_BUGGY = '''"""Figures of a day's orders."""


def average_value(orders):
    """Mean value of an order in cents; 0 on a day without orders."""
    return sum(order["cents"] for order in orders) // len(orders)


def largest(orders, count):
    """The largest orders, the largest first."""
    return sorted(orders, key=lambda order: -order["cents"])[:count]
'''
_TESTS = """from orders import average_value, largest

DAY = [{"cents": 1200}, {"cents": 300}, {"cents": 900}]


def test_average():
    assert average_value(DAY) == 800


def test_average_of_a_day_without_orders():
    assert average_value([]) == 0


def test_largest():
    assert largest(DAY, 2) == [{"cents": 1200}, {"cents": 900}]
"""
FILES = {"orders.py": _BUGGY, "test_orders.py": _TESTS}
_WHY = "why does test_average_of_a_day_without_orders fail?"
_SUM = '    return sum(order["cents"] for order in orders) // len(orders)\n'
_SAID = (
    "It expects 0 for an empty list, and `average_value` in orders.py, line 6, divides by `len(orders)`,"
    " which is 0 there."
)
_READ_S = 2.5
"""For what a person reads before going on."""
_LIMIT_S = 900.0


def project(folder: Path) -> Path:
    """Make the small project, as a git repository with one commit."""
    root = folder / "shop"
    root.mkdir()
    for path, text in FILES.items():
        (root / path).write_text(text, encoding="utf-8")
    git = ["git", "-c", "user.name=You", "-c", "user.email=you@example.org"]
    for args in (("init", "-q", "-b", "main"), ("add", "."), ("commit", "-q", "-m", "Shop")):
        subprocess.run([*git, *args], cwd=root, check=True, capture_output=True)
    return root


def play(terminal: Recording) -> None:
    """The session: why, the repair with its diff and the tests, and back.

    Raises:
        TimeoutError: If the app does not show what comes of it.
    """
    terminal.wait_for("Ask for a change", limit_s=120)
    time.sleep(1.0)
    _say(terminal, _WHY)
    terminal.wait_for("still fails.", "Stopped:", limit_s=_LIMIT_S)
    time.sleep(_READ_S)
    _say(terminal, "/fix")
    terminal.wait_for("Done: no test is red.", "stays red", "stay red", limit_s=_LIMIT_S)
    time.sleep(_READ_S)
    _say(terminal, "/undo")
    terminal.wait_for("undo: run-tests", "nothing to undo", limit_s=60)
    time.sleep(_READ_S)


def _say(terminal: Recording, line: str) -> None:
    terminal.type(line)
    time.sleep(0.4)
    terminal.press("\r")


def recorded(
    arguments: Sequence[str],
    *,
    environ: Mapping[str, str],
    title: str,
    size: tuple[int, int] = SIZE,
) -> Cast:
    """Play the session with these arguments of elagent.

    Raises:
        TimeoutError: If the app does not show what is waited for.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = project(Path(folder))
        command = [sys.executable, "-P", str(ROOT / "elagent.py"), *arguments]
        with recording(command, cwd=root, environ=environ, size=size) as terminal:
            play(terminal)
            cast = terminal.cast(title)
            terminal.press("\x03\x03")
            time.sleep(1.0)
    return cast


@contextmanager
def scripted() -> Iterator[Sequence[str]]:
    """Arguments that name a server whose replies are written down here."""
    head, _, _ = _BUGGY.partition(_SUM)
    function = head[head.index("def ") :] + f"    if not orders:\n        return 0\n{_SUM}"
    fixed = f"```python\n{function}```\n"
    pieces = [fixed[start : start + 12] for start in range(0, len(fixed), 12)]
    words = [f"{word} " for word in _SAID.split()]
    script = [Scripted(pieces=words, delay_s=0.06), Scripted(pieces=pieces, delay_s=0.06)]
    with serve(FakeServer(script=script)) as server:
        yield ("--model", "fake", "--base-url", server.url)


def main() -> None:
    """Record, and write the cast and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--scripted", action="store_true", help="replies from a script, no model")
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder of the two files")
    parser.add_argument("--note", default="", help="what stands below, such as the machine")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        # A state of its own with the installed models: nothing was learned here.
        environ = {**os.environ, "XDG_CONFIG_HOME": home}
        if options.scripted:
            with scripted() as arguments:
                cast = recorded(arguments, environ=environ, title="elagent, with scripted replies")
            note = "scripted replies, real sandbox"
        else:
            arguments = ("--model", options.model)
            cast = recorded(arguments, environ=environ, title=f"elagent with {options.model}")
            note = options.note or options.model
    took = int(cast.events[-1][0])
    caption = f"{note} · took {took // 60}:{took % 60:02d}, waits shortened (»)"
    options.out.mkdir(parents=True, exist_ok=True)
    if not any("no test is red" in text for _, text in cast.events):
        print("the test was not repaired this time; the picture shows that", file=sys.stderr)
    cast.write(options.out / f"{NAME}.cast")
    picture = animated(cast, caption=caption)
    (options.out / f"{NAME}.svg").write_text(picture, encoding="utf-8")
    print(f"{NAME}.cast and {NAME}.svg ({len(picture.encode()):,} bytes) in {options.out}")


if __name__ == "__main__":
    main()
