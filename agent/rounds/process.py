"""The worker process of a learning round: start, progress as events, immediate end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from agent.errors import AgentError
from agent.events import Event, LearnStep, Progress, StageStarted
from learning.training import job as job_module
from learning.training.progress import ProgressLine, ProgressReader

WORKER = "learning.training.worker"
_LOOK_EVERY_S = 0.2
_END_WITHIN_S = 2.0


class LearnerFailedError(AgentError):
    """The worker ended without a result; the message is its own last sentence."""

    def __init__(self, message: str, *, exit_code: int) -> None:
        super().__init__(message)
        self.environment = exit_code == 3  # noqa: PLR2004 - the documented code
        """True if this machine cannot train now, e.g. for lack of memory."""
        self.resumable = self.environment or exit_code < 0
        """True if the same job may succeed when it is started again."""


class LearnerSwitch:
    """Pauses and resumes a running worker from outside, at any moment.

    A paused worker uses no processor but keeps its memory. The switch works before a worker starts.
    """

    def __init__(self) -> None:
        self._group: int | None = None
        self._paused = False

    @property
    def paused(self) -> bool:
        return self._paused

    def pause(self) -> None:
        """Stop the whole process group with SIGSTOP."""
        self._set(paused=True)

    def resume(self) -> None:
        """Let the process group go on from the same instruction."""
        self._set(paused=False)

    def attach(self, group: int) -> None:
        """Take the process group of a worker that has started."""
        self._group = group
        if self._paused:
            self._signal()

    def detach(self) -> None:
        """Forget the process group of a worker that has ended: its number may be reused."""
        self._group = None

    def _set(self, *, paused: bool) -> None:
        if paused != self._paused:
            self._paused = paused
            self._signal()

    def _signal(self) -> None:
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._group, signal.SIGSTOP if self._paused else signal.SIGCONT)


async def resumed(switch: LearnerSwitch) -> None:
    """Return as soon as the switch is not paused."""
    while True:
        if not switch.paused:
            return
        await asyncio.sleep(_LOOK_EVERY_S)


async def run_worker(
    folder: Path,
    emit: Callable[[Event], None],
    *,
    environ: Mapping[str, str],
    python: str,
    switch: LearnerSwitch | None = None,
    module: str = WORKER,
) -> None:
    """Run the job in `folder` to its end and emit what the worker reports.

    The worker ends with this call, also on an exception. `switch` pauses the worker; `module` is the
    Python module that it runs.

    Raises:
        LearnerFailedError: If the worker ended with an error or was killed.
    """
    reader = ProgressReader(folder)
    shown = _Shown()
    process = await _start(folder, environ=environ, python=python, module=module)
    ended = asyncio.ensure_future(process.wait())
    switch = switch or LearnerSwitch()
    switch.attach(process.pid)
    try:
        while not ended.done():
            await asyncio.wait([ended], timeout=_LOOK_EVERY_S)
            for line in reader.read():
                for event in shown.events_of(line):
                    emit(event)
    finally:
        await _end(process, ended)
        switch.detach()
    if exit_code := ended.result():
        raise LearnerFailedError(_last_words(folder, exit_code), exit_code=exit_code)


class _Shown:
    """Turns progress lines into events and announces each stage once."""

    def __init__(self) -> None:
        self._stage = ""

    def events_of(self, line: ProgressLine) -> Iterator[Event]:
        if line.stage != self._stage:
            self._stage = line.stage
            yield StageStarted(line.stage)
        if line.loss is not None:
            yield LearnStep(
                step=line.step,
                steps=line.steps,
                loss=line.loss,
                tokens_per_s=line.tokens_per_s,
                eta_s=line.eta_s,
                memory_mib=line.rss_mib,
            )
        elif line.steps:
            yield Progress(done=line.step, total=line.steps, unit="steps", eta_s=line.eta_s)
        else:
            yield Progress(done=line.rss_mib, total=0, unit="MiB")


async def _start(
    folder: Path, *, environ: Mapping[str, str], python: str, module: str
) -> asyncio.subprocess.Process:
    # Nothing of the user's project may be imported, and nothing be asked of a network.
    clean = {name: value for name, value in environ.items() if not name.startswith("PYTHON")}
    with (folder / "worker.log").open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *(python, "-P", "-m", module, "--parent-pipe", str(folder)),
            stdin=asyncio.subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**clean, "PYTHONPATH": _source_folder(), "HF_HUB_OFFLINE": "1"},
        )


def _source_folder() -> str:
    """The folder that holds our packages, installed or not."""
    return str(Path(job_module.__file__).resolve().parents[2])


async def _end(process: asyncio.subprocess.Process, ended: asyncio.Future[int]) -> None:
    if ended.done():
        return
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
            os.killpg(process.pid, signal.SIGCONT)  # one that is paused would not hear it
        await asyncio.wait([ended], timeout=_END_WITHIN_S)
        if ended.done():
            return


def _last_words(folder: Path, exit_code: int) -> str:
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        return (
            f"the learner was ended by {name}, which the system also does when memory runs out:"
            " `elagent learn` goes on from its last step"
        )
    lines: Sequence[str] = (folder / "worker.log").read_text("utf-8", "replace").splitlines()
    said = next((line for line in reversed(lines) if line.strip()), f"exit code {exit_code}")
    return f"learning failed: {said}"
