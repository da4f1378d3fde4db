"""Measures the full-screen app: `python -P -m benchmarks.tui`.

Everything is measured on the real app; only the agent behind it is scripted. Start and idle cost are
measured on a process in a pseudo-terminal, the rest in this process over Textual's test driver,
which draws every frame and writes it nowhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import pty
import select
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

from textual.pilot import Pilot

from agent.events import Event, OutputChunk, ReplyFinished, TextDelta, TurnFinished
from agent.paths import Paths
from agent.session.context import Context
from agent.settings.load import load
from learning.training.resources import rss_mib
from tests.fakes.agent import Scripted, ScriptedAgent, Waits
from tui.app.app import ElagentApp
from tui.app.transcript.entries import Entry, ReplyEntry, SaidEntry

ROOT = Path(__file__).resolve().parents[1]
LIMITS = {
    "first paint, s": 1.0,
    "idle, % of a core": 2.0,
    "streaming 100 tokens/s, % of a core": 15.0,
    "longest wait of a key in 1 MB of output, ms": 50.0,
    "memory after 1000 messages, MiB": 150.0,
    "opening 10000 messages, s": 1.0,
}
_TICKS = os.sysconf("SC_CLK_TCK")
_IDLE_S = 10.0
_STARTS = 3
_TEXT = """Here is `code` and *more* text:

```python
def f(x):
    return x + 1
```

- one
- two

"""
_MARK = b"Ask for a change"


def main() -> None:
    """Measure everything and print it; with `--json` one object for programs."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        found["first paint, s"], found["idle, % of a core"] = process_costs(Path(folder))
        for measure in (streaming, flood, thousand_messages, long_session):
            found |= asyncio.run(measure(context_in(Path(folder))))
    if "--json" in sys.argv:
        print(json.dumps(found))
        return
    for name, value in found.items():
        print(f"{name:<45} {value:8.2f}   (less than {LIMITS[name]:g})")


def context_in(folder: Path) -> Context:
    root = folder / "project"
    root.mkdir(exist_ok=True)
    return Context(root=root, loaded=load(root, {}, {}), paths=Paths(folder / "home"))


def process_costs(folder: Path) -> tuple[float, float]:
    """Seconds to the first paint of a real process, best of three, and its cost while idle."""
    starts = []
    idle = 0.0
    for attempt in range(_STARTS):
        began = time.monotonic()
        process, terminal = start(folder)
        read_until(terminal, _MARK)
        starts.append(time.monotonic() - began)
        if attempt == _STARTS - 1:
            drain(terminal, 5.0)
            if "libtorch" in Path(f"/proc/{process.pid}/maps").read_text():
                raise RuntimeError("the front end has loaded torch")
            before = cpu_s(process.pid)
            drain(terminal, _IDLE_S)
            idle = 100 * (cpu_s(process.pid) - before) / _IDLE_S
        process.terminate()
        drain(terminal, 1.0)
        process.wait(timeout=20)
        os.close(terminal)
    return min(starts), idle


def start(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    project = folder / "project"
    project.mkdir(exist_ok=True)
    ours, theirs = pty.openpty()
    environ = {**os.environ, "ELAGENT_HOME": str(folder / "home"), "TERM": "xterm-256color",
               "COLUMNS": "120", "LINES": "40"}  # fmt: skip
    process = subprocess.Popen(
        [sys.executable, "-P", str(ROOT / "elagent.py"), "--here"],
        cwd=project, env=environ, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    return process, ours


def read_until(terminal: int, mark: bytes) -> None:
    seen = b""
    while mark not in seen:
        seen += os.read(terminal, 65536)


def drain(terminal: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            try:
                os.read(terminal, 65536)
            except OSError:  # the other end is closed
                return


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


async def streaming(where: Context) -> dict[str, float]:
    """CPU time while a reply of Markdown and code comes at 100 tokens/s."""
    words = _TEXT.split(" ")

    class Streams(ScriptedAgent):
        async def _job(self, asked: str) -> AsyncGenerator[Event, None]:
            began = time.monotonic()
            for number in range(1000):
                yield TextDelta(f"{words[number % len(words)]} ")
                await asyncio.sleep(max(0.0, began + number / 100 - time.monotonic()))
            yield TurnFinished("done")

    app = ElagentApp(where, "auto", Streams())
    async with app.run_test(size=(120, 40)) as pilot:
        await app.backstage.opened.wait()
        await pilot.pause(1)
        app.prompt.set_text("go")
        cpu, wall = time.process_time(), time.monotonic()
        await sent(app, pilot)
        used = 100 * (time.process_time() - cpu) / (time.monotonic() - wall)
    await app.close()
    return {"streaming 100 tokens/s, % of a core": used}


async def flood(where: Context) -> dict[str, float]:
    """Measure how long 1 MB of output keeps the event loop, which takes the keys, from its work."""
    chunk = OutputChunk("0123456789abcdef \x1b[31mred\x1b[0m\n" * 256)
    size = len(chunk.text)
    script: Sequence[Scripted] = (*([chunk] * (2**20 // size)), Waits())
    app = ElagentApp(where, "auto", ScriptedAgent(script=[script]))
    longest = 0.0
    async with app.run_test(size=(120, 40)) as pilot:
        await app.backstage.opened.wait()
        await pilot.pause(1)
        app.prompt.set_text("/run yes")
        await pilot.press("enter")
        deadline = time.monotonic() + 5
        while (before := time.monotonic()) < deadline:
            await asyncio.sleep(0.001)
            longest = max(longest, time.monotonic() - before - 0.001)
        app.backstage.jobs.interrupt()
    await app.close()
    return {"longest wait of a key in 1 MB of output, ms": longest * 1000}


async def thousand_messages(where: Context) -> dict[str, float]:
    """Memory of this process after 1,000 replies were streamed and drawn."""
    text = "Some **text** with `code`.\n\n```python\nprint('hello')\n```\n"
    reply = ReplyFinished(text, "tiny", None, 100, 80, 20, 4096, 1.0)
    turn = (TextDelta(text), reply, TurnFinished("done"))
    app = ElagentApp(where, "auto", ScriptedAgent(script=[turn * 500]))
    async with app.run_test(size=(120, 40)) as pilot:
        await app.backstage.opened.wait()
        for _ in range(2):
            app.prompt.set_text("go")
            await sent(app, pilot)
        used = rss_mib()
    await app.close()
    return {"memory after 1000 messages, MiB": float(used)}


async def long_session(where: Context) -> dict[str, float]:
    """From a conversation of 10,000 messages in memory to its last ones on the screen."""
    earlier: list[Entry] = [
        SaidEntry(f"message {n}") if n % 2 else ReplyEntry(f"answer **{n}**") for n in range(10_000)
    ]
    began = time.monotonic()
    app = ElagentApp(where, "auto", ScriptedAgent(), earlier=earlier)
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        opened_s = time.monotonic() - began
    await app.close()
    return {"opening 10000 messages, s": opened_s}


async def sent(app: ElagentApp, pilot: Pilot[int]) -> None:
    """Press Enter, and wait until the job has ended and everything of it is drawn."""
    before = app.backstage.jobs.last
    await pilot.press("enter")
    while app.backstage.jobs.last is before or app.backstage.jobs.busy:  # noqa: ASYNC110 - the app has no event for it
        await asyncio.sleep(0.1)
    while app.talk.message_queue_size:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    main()
