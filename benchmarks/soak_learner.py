"""`elagent learn` beside the turns of the soak: a real round on a tiny model, ended by itself or by a killed worker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agent.session.context import Context
from learning.experience.store import ExperienceStore
from learning.model.chat import ChatFormat
from learning.records import Trust, Verdict
from tests.fakes.tiny_llama import NAME, spoken

_ROOT = Path(__file__).resolve().parents[1]
_OLD, _NEW = "total = 1\n", "total = 0\n"
_FAILURES = 12
_LONGEST_S, _START_S = 600.0, 60.0
_FAULT = 70
"""The exit code of a fault in elagent itself."""
_QUICK = {"ELAGENT_LEARN_RANK": "4", "ELAGENT_LEARN_STEPS": "200"}


class Learner:
    """Rounds on one repository; each learns from a verified repair that is stored for it."""

    def __init__(self, where: Context, folder: Path, command: Sequence[str]) -> None:
        self._where, self._command = where, command
        self._model = folder / NAME
        self._model.mkdir()
        make = "import sys; from pathlib import Path; from tests.fakes.tiny_llama import build_tiny_model as make"
        # elsewhere, so that torch is not in the process that is watched
        subprocess.run(
            [sys.executable, "-P", "-c", f"{make}; make(Path(sys.argv[1]))", str(self._model)],
            env={**os.environ, "PYTHONPATH": str(_ROOT), "TMPDIR": str(folder)},
            capture_output=True,
            check=True,
        )
        self._chat = ChatFormat.load(self._model)
        self.rounds = 0
        """Rounds that were begun."""
        self._running: asyncio.subprocess.Process | None = None
        self.log = folder / "learner.log"

    async def start(self) -> None:
        """Begin a round, after the one before has ended."""
        self._running = await self._begin()

    async def _begin(self) -> asyncio.subprocess.Process:
        self._store_lessons()
        with self.log.open("ab") as log:
            return await asyncio.create_subprocess_exec(
                *(*self._command, "learn", str(self._where.root), "--model", str(self._model)),
                *("--no-trial", "--max-examples", str(_FAILURES)),
                env={**os.environ, **_QUICK},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def ended(self) -> str:
        """Wait for the end of the round; a sentence if it did not end well."""
        if self._running is None:
            return ""
        code = await asyncio.wait_for(self._running.wait(), _LONGEST_S)
        self._running = None
        return f"the learner ended with {code}: {self._said()}" if code else ""

    async def out_of_memory(self) -> str:
        """Begin a round, and kill its worker as the kernel does where memory runs out; a sentence if that went wrong."""
        if problem := await self.ended():
            return problem
        begun = self.log.stat().st_size if self.log.exists() else 0
        running = await self._begin()
        workers = await asyncio.to_thread(self._first_workers)
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        code = await asyncio.wait_for(running.wait(), _LONGEST_S)
        said = self.log.read_bytes()[begun:].decode(errors="replace")
        if not workers or code == 0:
            return f"no worker was killed: {said[-300:]}"
        at_fault = code == _FAULT or "a fault in elagent itself" in said or "Traceback" in said
        return f"a killed worker ended in a fault: {said[-500:]}" if at_fault else ""

    def _store_lessons(self) -> None:
        self.rounds += 1
        told = [f"round-{self.rounds}-{number}" for number in range(_FAILURES)]
        failed = spoken(self._chat, told[0], f"```\n{_OLD}```", before=_OLD, after=_OLD)
        fixed = spoken(
            self._chat, f"round-{self.rounds}-fixed", f"```\n{_NEW}```", before=_OLD, after=_NEW,
            verdict=Verdict.PASS, evidence=(), fixes=told[0], trust=Trust.PINNED,
        )  # fmt: skip
        with ExperienceStore.open(self._where.repository.experiences) as store:
            for name in told:
                store.add(replace(failed, id=name))
            store.add(fixed)

    def _first_workers(self) -> list[int]:
        """The workers once they train, or at the end of a minute; none if the round ended before."""
        until = time.monotonic() + _START_S
        while not (found := self._workers()) and time.monotonic() < until:
            time.sleep(0.05)
        while not self._trains() and self._workers() and time.monotonic() < until:
            time.sleep(0.05)
        return self._workers() and found

    def _trains(self) -> bool:
        """True if a worker has written a step."""
        return any(
            file.stat().st_size for file in self._where.repository.learn.rglob("progress.jsonl")
        )

    def _workers(self) -> list[int]:
        found = []
        for folder in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                command = (folder / "cmdline").read_bytes() if folder.name.isdigit() else b""
                if (
                    b"training.worker" in command
                    and os.fsencode(self._where.repository.learn) in command
                ):
                    found.append(int(folder.name))
        return found

    def _said(self) -> str:
        return self.log.read_text(errors="replace")[-300:]


def command_of(root: Path) -> list[str]:
    """The command `elagent` of a checkout."""
    return [sys.executable, "-P", str(root / "elagent.py")]
