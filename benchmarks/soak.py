"""Many turns in one session, with faults put in: is anything lost, does anything leak?

Run: `python -P -m benchmarks.soak [--turns N] [--fault-every N] [--round-every N] [--out FILE]`.

One `Assistant` works on one small repository in turns of five kinds: a question, an edit, a command, the tests, an
undo. The model is a scripted server; the repository, the sandbox, the store and the snapshots are real. Now and then
a fault is put in: the model's server dies within a reply, the Docker engine is out of reach for some seconds (its
socket goes through one of ours) or restarted with all its boxes, the store is locked by somebody else, the clock jumps
a day, the disk that holds the state is full, another elagent on the same repository is killed within a run of the tests,
the worker of a learner is killed as the kernel does where memory runs out. Beside the turns, `elagent learn` makes
rounds on a tiny model.

After each turn what it must have done is checked. After every hundredth one row says what the process holds:
containers, children, open files, memory, files in the temporary folder. At the end nothing may be left.

The engine that is restarted is a second one, of this run alone. Limits: as root only there is such an engine, and a
small file system that can be full.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from agent.approval import ModeApprover
from agent.assistant import Assistant
from agent.errors import EXPECTED
from agent.events import Event, OutputChunk, TestsFinished, TurnFinished
from agent.paths import from_environ
from agent.session.context import Context
from agent.settings.load import load
from benchmarks.real_projects import commit
from benchmarks.soak_engine import USUAL, EngineSocket, OwnEngine, own_engine
from benchmarks.soak_learner import Learner, command_of
from learning.experience.store import ExperienceStore
from learning.promotion.adapters import AdapterStore
from sandbox.box.engine import connect
from sandbox.box.policy import LABEL_PREFIX
from tests.fakes.openai_server import FakeServer, Scripted, serve, text

ROOT = Path(__file__).resolve().parents[1]
_FILES = {
    "calc.py": "STEP = 0\n\n\ndef add(a, b):\n    return a + b\n",
    "test_calc.py": "from calc import add\n\n\ndef test_add():\n    assert add(1, 2) == 3\n",
}
_MOUNT, _UMOUNT = (shutil.which(name) or name for name in ("mount", "umount"))
_A_DAY_S = 86_400.0
_AWAY_S = 3.0
_NOTHING_LEFT = ("containers", "children", "temporary files")
_KINDS = ("question", "edit", "command", "tests", "undo")


@dataclass(kw_only=True)
class Soak:
    """The session, its surroundings, and what was found."""

    assistant: Assistant
    where: Context
    server: FakeServer
    engine: EngineSocket
    own: OwnEngine | None
    """The engine behind the socket, where it may be restarted."""
    learner: Learner
    home: Path
    done: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    edits: int = 0
    """Edits that were written: each must be an experience at the end."""

    async def turn(self, number: int) -> None:
        """Do one turn and check it."""
        kind = _KINDS[number % len(_KINDS)]
        self.done[kind] += 1
        try:
            problem = await getattr(self, f"_{kind}")(number)
        except EXPECTED as err:
            problem = f"{type(err).__name__}: {err}"
        if problem:
            self.wrong.append(f"{number} ({kind}): {problem}")
            print(f"WRONG {self.wrong[-1]}", flush=True)

    async def _question(self, _number: int) -> str:
        self.server.script = [text("It gives the sum of both.")]
        end = await _last(self.assistant.turn("what does add do?"))
        return "" if end == "done" else end

    async def _edit(self, number: int) -> str:
        whole = _FILES["calc.py"].replace("STEP = 0", f"STEP = {number}")
        self.server.script = [text(f"calc.py\n```python\n{whole}```\n")]
        end = await _last(self.assistant.turn(f"set STEP to {number} in calc.py"))
        written = (self.where.root / "calc.py").read_text() == whole
        self.edits += written
        return "" if written and end == "done" else f"{end}; written: {written}"

    async def _command(self, number: int) -> str:
        said = ""
        async for event in self.assistant.run_command(f"python -c 'print({number} * 2)'"):
            said += event.text if isinstance(event, OutputChunk) else ""
        return "" if str(number * 2) in said else f"the command said {said[-200:]!r}"

    async def _tests(self, _number: int) -> str:
        green = False
        async for event in self.assistant.test():
            green = event.report.all_green if isinstance(event, TestsFinished) else green
        return "" if green else "the tests are not green"

    async def _undo(self, _number: int) -> str:
        await asyncio.to_thread(self.assistant.workspace.undo)
        before = (self.where.root / "calc.py").read_text()
        return "" if before == _FILES["calc.py"] else f"the file is {before[:20]!r}"

    async def round(self, number: int, *, last: bool = False) -> None:
        """See how the learner's round ended, and begin the next one beside the turns."""
        if problem := await self.learner.ended():
            self.wrong.append(f"{number} (learner): {problem}")
            print(f"WRONG {self.wrong[-1]}", flush=True)
        if not last:
            await self.learner.start()

    def account(self, most: int) -> None:
        """Compare what was written and learned with what is stored at the end."""
        with ExperienceStore.open(self.where.repository.experiences) as store:
            kept = sum("STEP =" in each.action.text for each in store.list(limit=most))
        adapters = [*AdapterStore(self.where.repository.adapters).list()]
        print(f"turns {dict(self.done)}; faults {dict(self.faults)}")
        print(f"edits written {self.edits}, kept as experiences {kept}")
        print(f"rounds of the learner {self.learner.rounds}, adapters kept {len(adapters)}")
        if kept < self.edits:
            self.wrong.append(f"{self.edits - kept} edits are no experiences")
        if not adapters:
            self.wrong.append("no round made an adapter")

    async def fault(self, number: int, kind: str) -> None:
        """Put in one fault, with a turn in it that may fail and must end in words."""
        self.faults[kind] += 1
        try:
            await getattr(self, f"_fault_{kind}")(number)
        except EXPECTED as err:
            print(f"fault {kind} at {number}: {err}"[:300], flush=True)
        restored = _FILES["calc.py"]
        if (self.where.root / "calc.py").read_text() != restored:
            self.wrong.append(f"{number} ({kind}): the file was left changed")
            (self.where.root / "calc.py").write_text(restored)

    async def _fault_server(self, _number: int) -> None:
        self.server.script = [
            Scripted(pieces=("calc.py\n```python\nSTEP",), finish=None),
            Scripted(drop=True),
        ]
        await _last(self.assistant.turn("set STEP to 1 in calc.py"))

    async def _fault_engine(self, number: int) -> None:
        self.engine.cut(away=True)
        back = threading.Timer(_AWAY_S, self.engine.cut, kwargs={"away": False})
        back.start()
        try:
            await self._command(number)
        finally:
            await asyncio.to_thread(back.join)

    async def _fault_restart(self, number: int) -> None:
        if self.own is None:
            return
        back = asyncio.create_task(asyncio.to_thread(self.own.restart))
        try:
            await self._command(number)
        finally:
            await back

    async def _fault_learner(self, number: int) -> None:
        if problem := await self.learner.out_of_memory():
            self.wrong.append(f"{number} (learner): {problem}")
            print(f"WRONG {self.wrong[-1]}", flush=True)

    async def _fault_store(self, number: int) -> None:
        locked = sqlite3.connect(self.where.repository.experiences, check_same_thread=False)
        locked.execute("BEGIN EXCLUSIVE")
        free = threading.Timer(_AWAY_S, locked.rollback)
        free.start()
        try:
            await self._edit(number)
        finally:
            await asyncio.to_thread(free.join)
            locked.close()
        await asyncio.to_thread(self.assistant.workspace.undo)

    async def _fault_clock(self, number: int) -> None:
        real = time.time
        for jump in (_A_DAY_S, -_A_DAY_S):
            time.time = lambda jump=jump: real() + jump  # type: ignore[misc]
            try:
                await self._edit(number)
                await asyncio.to_thread(self.assistant.workspace.undo)
            finally:
                time.time = real

    async def _fault_disk(self, number: int) -> None:
        fill = self.home / "fill"
        with contextlib.suppress(OSError), fill.open("wb") as stream:
            while True:
                stream.write(bytes(1 << 16))
        before = self.edits
        try:
            await self._edit(number)
        finally:
            fill.unlink()
        self.edits = before  # whether it was recorded is not promised
        if (self.where.root / "calc.py").read_text() != _FILES["calc.py"]:
            await asyncio.to_thread(self.assistant.workspace.undo)

    async def _fault_killed(self, _number: int) -> None:
        other = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", str(ROOT / "elagent.py"), "run-tests", str(self.where.root)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        await asyncio.sleep(1.5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(other.pid, signal.SIGKILL)
        await other.wait()


async def _last(events: AsyncGenerator[Event, None]) -> str:
    """The reason at the end of a turn."""
    end = "no end"
    async for event in events:
        end = event.reason if isinstance(event, TurnFinished) else end
    return end


def held(home: Path, scratch: Path, own: OwnEngine | None) -> dict[str, int]:
    """Count what this process and the sessions of this home hold; the engine itself is no child of theirs."""
    with connect(f"unix://{own.socket if own else USUAL}") as client:
        boxes = client.containers(all=True, filters={"label": f"{LABEL_PREFIX}kind"})
    ours = [
        box for box in boxes if box["Labels"].get(f"{LABEL_PREFIX}lock", "").startswith(str(home))
    ]
    me = Path("/proc/self")
    children = [
        child
        for task in (me / "task").iterdir()
        for child in (task / "children").read_text().split()
    ]
    pages = int((me / "statm").read_text().split()[1])
    return {
        "containers": len(ours),
        "children": len(children) - (own is not None),
        "open files": len(list((me / "fd").iterdir())),
        "threads": threading.active_count(),
        "memory MiB": pages * os.sysconf("SC_PAGE_SIZE") >> 20,
        "temporary files": sum(1 for _ in scratch.rglob("*")),
    }


@contextlib.contextmanager
def surroundings() -> Iterator[tuple[Path, Path, Path, bool]]:
    """A project, a home on a file system of 512 MiB where that can be mounted, and a temporary folder."""
    with tempfile.TemporaryDirectory(prefix="elagent-soak-") as folder:
        root, home, scratch = (Path(folder, name) for name in ("project", "home", "tmp"))
        for path in (root, home, scratch):
            path.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=512m", "soak", str(home)]
        small = (
            shutil.which("mount") is not None
            and not subprocess.run(mount, capture_output=True, check=False).returncode
        )
        tempfile.tempdir = str(scratch)
        try:
            yield root, home, scratch, small
        finally:
            tempfile.tempdir = None
            if small:
                subprocess.run([_UMOUNT, "-l", str(home)], check=False)


@contextlib.contextmanager
def an_engine(folder: Path) -> Iterator[OwnEngine | None]:
    """A second engine where this user may start one."""
    if os.geteuid() or shutil.which("dockerd") is None:
        yield None
        return
    with own_engine(folder) as own:
        yield own


async def soak(turns: int, every: int, rounds: int, out: Path) -> int:
    """Run it; return the exit code."""
    with (
        surroundings() as (root, home, scratch, small),
        an_engine(Path(scratch.parent, "engine")) as own,
        serve(FakeServer()) as server,
    ):
        for path, content in _FILES.items():
            (root / path).write_text(content)
        commit(root)
        behind = own.socket if own else USUAL
        engine = EngineSocket(Path(scratch.parent, "engine.sock"), behind)
        os.environ.update(
            {
                "XDG_DATA_HOME": str(home),
                "XDG_CACHE_HOME": str(home / "cache"),
                "TMPDIR": str(scratch),
                "DOCKER_HOST": f"unix://{engine.path}",
            }
        )
        given = {"model.base_url": f"{server.url}/v1", "model.name": "fake"}
        where = Context(
            root=root,
            loaded=load(root, dict(os.environ), {**given, "sandbox.image": "lite"}),
            paths=from_environ(os.environ),
            launcher=command_of(ROOT),
        )
        kinds = ["server", "engine", "store", "clock", "killed", "learner"]
        kinds += [*(["disk"] if small else []), *(["restart"] if own else [])]
        async with Assistant(where, ModeApprover("auto")) as assistant:
            work = Soak(
                assistant=assistant,
                where=where,
                server=server,
                engine=engine,
                own=own,
                learner=Learner(where, scratch.parent, command_of(ROOT)),
                home=home,
            )
            started = time.monotonic()
            for number in range(turns):
                if number % rounds == 0:
                    await work.round(number)
                await work.turn(number)
                if number % every == every - 1:
                    await work.fault(number, kinds[number // every % len(kinds)])
                if number % 100 in (9, 99):
                    row = {
                        "turn": number + 1,
                        "s": round(time.monotonic() - started),
                        **held(home, scratch, own),
                    }
                    print(row, flush=True)
                    with out.open("a", encoding="utf-8") as stream:
                        stream.write(f"{json.dumps(row)}\n")
            await work.round(turns, last=True)
        engine.cut(away=False)
        work.account(10 * turns)
        left = held(home, scratch, own)
        print(f"left at the end: {left}")
        print(*(f"left: {path}" for path in scratch.rglob("*")), sep="\n")
        work.wrong += [f"{left[kind]} {kind} are left" for kind in _NOTHING_LEFT if left[kind]]
        if not small:
            print("the disk was never full: no small file system could be mounted")
        if own is None:
            print("the engine was never restarted: only root may start a second one")
        print(f"{len(work.wrong)} turns went wrong", *work.wrong[:20], sep="\n  ")
        return 1 if work.wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--turns", type=int, default=2000)
    parser.add_argument("--fault-every", type=int, default=40)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "soak.jsonl")
    parser.add_argument("--round-every", type=int, default=100, help="turns from round to round")
    given = parser.parse_args()
    return asyncio.run(soak(given.turns, given.fault_every, given.round_every, given.out))


if __name__ == "__main__":
    raise SystemExit(main())
