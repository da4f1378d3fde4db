"""A sandbox that runs our own programs with this Python."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sandbox.box.contract import Captured, Ending, Execution, Job, SandboxError
from sandbox.box.policy import HARNESS_DIR


@dataclass
class HereSandbox:
    """Runs our own program with this Python, as the box would; or says that it cannot."""

    folder: Path
    error: SandboxError | None = None
    silent: bool = False
    jobs: list[Job] = field(default_factory=list)

    async def run(
        self,
        job: Job,
        *,
        on_output: Callable[[bytes], None] | None = None,
        on_stderr: Callable[[bytes], None] | None = None,
    ) -> Execution:
        self.jobs.append(job)
        if self.error is not None:
            raise self.error
        for file in job.harness:
            (self.folder / file.path).parent.mkdir(parents=True, exist_ok=True)
            assert isinstance(file.content, bytes)
            (self.folder / file.path).write_bytes(file.content)
        argv = [part.replace(HARNESS_DIR, str(self.folder)) for part in job.argv[1:]]
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, *argv],
            input=job.stdin,
            capture_output=True,
            check=False,
            cwd=self.folder,
        )
        return Execution(
            argv=tuple(job.argv),
            ending=Ending.EXITED,
            exit_code=done.returncode,
            stdout=Captured(head=b"" if self.silent else done.stdout),
            stderr=Captured(head=done.stderr),
            duration_s=0.1,
            image_id="image",
        )
