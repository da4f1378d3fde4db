"""Finds vLLM on this machine, and runs it as a program that listens on a private Unix socket only."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from learning.extra import NotInstalledError
from learning.model.engine import EngineError
from learning.model.processor import may_have_gpu
from learning.model.vllm.client import MOST_LIKELIEST, VllmClient
from learning.training.resources import available_bytes

RANKS = (8, 16, 32, 64, 128, 256, 320, 512)
"""The values that vLLM takes for `--max-lora-rank`."""
_START_S = 1800.0
_LOOK_EVERY_S = 0.2
_END_S = 30.0
_MOST_ADAPTERS_AT_ONCE = 4
_MOST_ADAPTERS_KEPT = 16
_GUARD = Path(__file__).with_name("guard.py")
_OF_THIS_PYTHON = frozenset({"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP"})
_BUILD = re.compile(r"vllm(_cpu)?-\d")
_CAUSE = re.compile(r"\b(\w+(?:Error|Exception)): (.+)")
_CONSEQUENCE = "See root cause above"
_HARMLESS = re.compile(r"\b(?:WARNING|INFO|DEBUG) \d")
"""A line of vLLM's log that is no error, whatever it names."""
_SHARE = 0.7
"""Of the memory that is free: what vLLM on a processor may take, which is 0.92 of the whole machine by its own default."""


def find_vllm(path: str | None = None) -> Path:
    """The program `vllm`, beside this Python or on `path` (by default PATH), if it can compute here.

    Raises:
        NotInstalledError: If there is none, or no GPU for it; the message says what to do.
    """
    beside = Path(sys.executable).with_name("vllm")
    found = str(beside) if beside.is_file() else shutil.which("vllm", path=path)
    if found is None:
        raise NotInstalledError(
            "`--engine vllm` needs the program vllm, which is neither beside this Python nor on PATH:"
            " install it (https://docs.vllm.ai), in an environment of its own if you like, or use"
            " `--engine llama`"
        )
    program = Path(found)
    if not is_for_processors(program) and not may_have_gpu():
        raise NotInstalledError(
            f"`--engine vllm` needs a GPU, and there is none here that {program} could use: use"
            " `--engine llama`"
        )
    return program


def build_of(program: Path) -> str:
    """Distribution and version of an installed vLLM, as `vllm-0.33.0`; empty if they cannot be found."""
    prefix = program.resolve().parent.parent
    found = prefix.glob("lib/python*/site-packages/vllm*.dist-info")
    names = (folder.name.removesuffix(".dist-info") for folder in found)
    return next((name for name in sorted(names) if _BUILD.match(name)), "")


def is_for_processors(program: Path) -> bool:
    """True for a build of vLLM that computes without a GPU."""
    return "cpu" in build_of(program)


class VllmProcess:
    """A vLLM with one model, which ends with this process."""

    def __init__(
        self,
        program: Path,
        folder: Path,
        *,
        name: str,
        context_length: int,
        max_rank: int,
        environ: Mapping[str, str],
        given_up: Callable[[], bool] = lambda: False,
        end_s: float = _END_S,
    ) -> None:
        """Start it and wait until the model is loaded, which can take minutes, or until it is `given_up`.

        What does not end within `end_s` when it is asked to is killed.

        Raises:
            EngineError: If it ends before, or takes too long; its log is named. If it is given up.
        """
        self._place = Path(tempfile.mkdtemp(prefix="elagent-vllm-"))  # of mode 700, as its socket
        self.log = self._place / "log"
        self._group, self._end_s = self._place / "group", end_s
        socket = self._place / "socket"
        options = _options(folder, name, socket, context_length=context_length, max_rank=max_rank)
        if is_for_processors(program):
            options = [*options, *_within_free_memory()]
        guard = [sys.executable, "-P", str(_GUARD), str(self._group)]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*guard, str(program), "serve", *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=_environment(environ),
                cwd=self._place,  # nothing of the folder in which elagent stands is imported
                start_new_session=True,
            )
        self.client = VllmClient(socket)
        try:
            self._wait_until_ready(given_up)
        except BaseException:
            self._end()
            raise

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End it and everything that it started. Safe to call twice."""
        self._end()
        shutil.rmtree(self._place, ignore_errors=True)

    def _wait_until_ready(self, given_up: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_S
        while not self.client.ready():
            if given_up():
                raise EngineError("The model was closed while vLLM was starting.")
            if not self.alive:
                reason = _cause(self.log) or f"exit code {self._process.returncode}"
                raise EngineError(f"vLLM did not start: {reason} (log: {self.log})")
            if time.monotonic() > deadline:
                raise EngineError(
                    f"vLLM was not ready after {_START_S:.0f} s; look into its log {self.log}"
                )
            time.sleep(_LOOK_EVERY_S)

    def _end(self) -> None:
        self.client.close()
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        try:
            self._process.wait(self._end_s)
        except subprocess.TimeoutExpired:
            self._kill_group()  # first: the guard's end would leave the processes of its program
            self._process.kill()
            self._process.wait()

    def _kill_group(self) -> None:
        """Kill vLLM with all that it started, as its guard should have done."""
        with suppress(OSError, ValueError):
            os.killpg(int(self._group.read_text(encoding="ascii")), signal.SIGKILL)


def _options(
    folder: Path, name: str, socket: Path, *, context_length: int, max_rank: int
) -> Sequence[str]:
    return [
        str(folder),
        *("--served-model-name", name),
        *("--uds", str(socket)),
        *("--max-model-len", str(context_length)),
        # the model's own numbers for drawing tokens would count wherever a request names none
        *("--generation-config", "vllm"),
        *("--max-logprobs", str(MOST_LIKELIEST)),
        "--enable-prompt-tokens-details",
        "--enable-prefix-caching",
        "--enable-lora",
        *("--max-lora-rank", str(max_rank)),
        *("--max-loras", str(_MOST_ADAPTERS_AT_ONCE)),
        *("--max-cpu-loras", str(_MOST_ADAPTERS_KEPT)),
    ]


def _within_free_memory() -> Sequence[str]:
    """The option that keeps vLLM on a processor within the memory that is free; none if that is unknown."""
    free = available_bytes()
    if free is None:
        return []
    whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    # vLLM's name for it on a processor, too
    return ["--gpu-memory-utilization", f"{_SHARE * free / whole:.2f}"]


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Build vLLM's environment: adapters at run time, no statistics sent."""
    return {
        **{name: value for name, value in environ.items() if name not in _OF_THIS_PYTHON},
        "VLLM_ALLOW_RUNTIME_LORA_UPDATING": "True",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_DO_NOT_TRACK": "1",
        "DO_NOT_TRACK": "1",
        "HF_HUB_OFFLINE": "1",
    }


def _cause(log: Path) -> str:
    """The first error in a log that is not only the consequence of another one."""
    text = log.read_text("utf-8", "replace") if log.exists() else ""
    lines = [line for line in text.splitlines() if not _HARMLESS.search(line)]
    every = (_CAUSE.search(line) for line in lines)
    errors = [found for found in every if found and _CONSEQUENCE not in found[2]]
    if errors:
        return f"{errors[0][1]}: {errors[0][2].strip()}"
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def rank_for(wanted: int) -> int:
    """The smallest rank that vLLM can be started for and that adapters of the wanted rank fit in.

    Raises:
        EngineError: If there is none.
    """
    for rank in RANKS:
        if wanted <= rank:
            return rank
    raise EngineError(f"vLLM serves adapters up to rank {RANKS[-1]}, not {wanted}.")
