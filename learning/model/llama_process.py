"""llama.cpp in a process of its own, with the interface of the binding.

The binding holds Python's global lock while it loads a file, seconds for a large one. In another
process it does not stop a reply in flight.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

from learning.model.engine import EngineError
from learning.model.llama_binding import GenerationRequest, LlamaBinding, Piece, TokenCandidate

_ROOT = Path(__file__).resolve().parent.parent.parent
_START = f"from {__name__} import main; main()"
_LOOK_EVERY_S = 0.1
_END_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    gguf: Path
    context_length: int
    threads: int
    adapters: Sequence[Path]


@dataclass(frozen=True, slots=True)
class _Generate:
    job: GenerationRequest


@dataclass(frozen=True, slots=True)
class _Candidates:
    job: GenerationRequest
    shown_id: int


@dataclass(frozen=True, slots=True)
class _Cancel:
    """End the run in progress, if it has not ended by itself meanwhile."""


class LlamaProcess:
    """A loaded GGUF file with a fixed list of adapters, in a child process."""

    def __init__(
        self, gguf: Path, *, context_length: int, threads: int, adapters: Sequence[Path]
    ) -> None:
        """Start the process and load everything; other threads go on meanwhile.

        Raises:
            EngineError: If a file cannot be loaded.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _START, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": str(_ROOT)},
            )
        self._connection: Connection[Any, Any] = Connection(ours.detach())
        try:
            self._send(
                _Load(gguf=gguf, context_length=context_length, threads=threads, adapters=adapters)
            )
            self._receive()
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def run(self, job: GenerationRequest, cancelled: Callable[[], bool]) -> Generator[Piece]:
        """Events of one job.

        Raises:
            EngineError: If llama.cpp refuses, fails or dies.
        """
        self._send(_Generate(job))
        ended = False
        try:
            while not ended and not cancelled():
                if not self._connection.poll(_LOOK_EVERY_S):
                    continue
                try:
                    piece = self._receive()
                except EngineError:
                    ended = True
                    raise
                if piece is None:
                    ended = True
                else:
                    yield cast("Piece", piece)
        finally:
            if not ended:
                self._end_run()

    def candidates(self, job: GenerationRequest, *, shown_id: int) -> list[TokenCandidate]:
        """The most likely next tokens, best first; see `LlamaBinding.candidates`."""
        self._send(_Candidates(job, shown_id))
        return cast("list[TokenCandidate]", self._receive())

    def close(self) -> None:
        """End the process. Safe to call twice."""
        self._connection.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _end_run(self) -> None:
        """Stop the job and drop its remaining output."""
        with suppress(EngineError):
            self._send(_Cancel())
            while self._receive() is not None:
                pass

    def _send(self, message: object) -> None:
        try:
            self._connection.send(message)
        except OSError as err:
            raise self._dead() from err

    def _receive(self) -> object:
        try:
            answer = self._connection.recv()
        except (EOFError, OSError) as err:
            raise self._dead() from err
        if isinstance(answer, EngineError):
            raise answer
        return answer

    def _dead(self) -> EngineError:
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_END_S)
        code = self._process.returncode
        return EngineError(
            f"llama.cpp ended unexpectedly (exit code {code}); memory may be short. "
            "The next request starts it anew."
        )


def serve_binding(connection: Connection[Any, Any]) -> None:
    """Answer one parent until it is gone."""
    load = connection.recv()
    try:
        binding = LlamaBinding(
            load.gguf,
            context_length=load.context_length,
            threads=load.threads,
            adapters=load.adapters,
        )
    except EngineError as err:
        connection.send(err)
        return
    connection.send(None)
    while True:
        match connection.recv():
            case _Generate(job):
                _answer_run(connection, binding, job)
            case _Candidates(job, shown_id):
                _answer_candidates(connection, binding, job, shown_id)
            case _Cancel():
                pass  # it crossed the end of its run


def _answer_run(
    connection: Connection[Any, Any], binding: LlamaBinding, job: GenerationRequest
) -> None:
    try:
        # while a run is on, all that the parent can have to say is that it shall end
        for piece in binding.run(job, connection.poll):
            connection.send(piece)
    except EngineError as err:
        connection.send(err)
    else:
        connection.send(None)


def _answer_candidates(
    connection: Connection[Any, Any], binding: LlamaBinding, job: GenerationRequest, shown_id: int
) -> None:
    try:
        connection.send(binding.candidates(job, shown_id=shown_id))
    except EngineError as err:
        connection.send(err)


def main() -> None:
    """Run in the child process; ends when the parent has closed its end, however that came."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    connection: Connection[Any, Any] = Connection(int(sys.argv[1]))
    with suppress(EOFError, OSError):
        serve_binding(connection)
