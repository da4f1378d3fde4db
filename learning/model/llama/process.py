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
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

from learning.model.engine import EngineError, Token
from learning.model.llama.binding import (
    GenerationRequest,
    LlamaBinding,
    Piece,
    TokenCandidate,
)
from learning.model.llama.decoder import LlamaDecoder
from learning.model.llama.gpu_layers import Footprint
from learning.model.llama.library import CannotDriveError

_ROOT = Path(__file__).resolve().parents[3]
_START = f"from {__name__} import main; main()"
_LOOK_EVERY_S = 0.1
_END_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    gguf: Path
    context_length: int
    threads: int
    adapters: Sequence[Path]
    footprint: Footprint | None


@dataclass(frozen=True, slots=True)
class _Generate:
    job: GenerationRequest


@dataclass(frozen=True, slots=True)
class _Candidates:
    job: GenerationRequest
    shown_id: int


@dataclass(frozen=True, slots=True)
class _Branch:
    job: GenerationRequest
    firsts: Sequence[int]


@dataclass(frozen=True, slots=True)
class _EndBranch:
    """Go no further with one branch of the run in progress."""

    index: int


@dataclass(frozen=True, slots=True)
class _Cancel:
    """End the run in progress, if it has not ended by itself meanwhile."""


class LlamaProcess:
    """A loaded GGUF file with a fixed list of adapters, in a child process."""

    def __init__(
        self,
        gguf: Path,
        *,
        context_length: int,
        threads: int,
        adapters: Sequence[Path],
        footprint: Footprint | None = None,
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
                _Load(
                    gguf=gguf,
                    context_length=context_length,
                    threads=threads,
                    adapters=adapters,
                    footprint=footprint,
                )
            )
            self.branching = bool(self._receive())
            """False for a release of llama.cpp that makes one continuation at a time."""
        except BaseException:  # an interruption, too
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
        yield from cast("Generator[Piece]", self._run(_Generate(job), cancelled))

    def branches(
        self, job: GenerationRequest, firsts: Sequence[int], ended: Callable[[int], bool]
    ) -> Generator[tuple[int, Token]]:
        """Continuations of one prompt; see `LlamaDecoder.branches`.

        Raises:
            EngineError: If llama.cpp fails or dies.
        """
        going = set(range(len(firsts)))

        def all_ended() -> bool:
            for index in sorted(going):
                if ended(index):
                    going.discard(index)
                    self._send(_EndBranch(index))
            return not going

        run = self._run(_Branch(job, firsts), all_ended)
        yield from cast("Generator[tuple[int, Token]]", run)

    def _run(self, request: object, cancelled: Callable[[], bool]) -> Generator[object]:
        """Yield the answers to a request until it has ended or is cancelled."""
        self._send(request)
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
                    yield piece
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
        binding = _open(load)
    except EngineError as err:
        connection.send(err)
        return
    connection.send(isinstance(binding, LlamaDecoder))
    while True:
        match connection.recv():
            case _Generate(job):
                # while a run is on, all that the parent can have to say is that it shall end
                _answer_run(connection, binding.run(job, connection.poll))
            case _Branch(job, firsts) if isinstance(binding, LlamaDecoder):
                heard = _Heard(connection)
                _answer_run(connection, binding.branches(job, firsts, heard.ended))
            case _Candidates(job, shown_id):
                _answer_candidates(connection, binding, job, shown_id)
            case _Cancel() | _EndBranch():
                pass  # it crossed the end of its run


def _open(load: _Load) -> LlamaDecoder | LlamaBinding:
    """llama.cpp's batches where its library is as we know it, else the server in the binding."""
    try:
        return LlamaDecoder(
            load.gguf,
            context_length=load.context_length,
            threads=load.threads,
            adapters=load.adapters,
            footprint=load.footprint,
        )
    except CannotDriveError:  # the server fits a model to a GPU by itself
        return LlamaBinding(
            load.gguf,
            context_length=load.context_length,
            threads=load.threads,
            adapters=load.adapters,
        )


class _Heard:
    """Hears what the parent says about the branches of a run."""

    def __init__(self, connection: Connection[Any, Any]) -> None:
        self._connection = connection
        self._ended: set[int] = set()
        self._all = False

    def ended(self, index: int) -> bool:
        while not self._all and self._connection.poll():
            match self._connection.recv():
                case _EndBranch(other):
                    self._ended.add(other)
                case _:
                    self._all = True
        return self._all or index in self._ended


def _answer_run(connection: Connection[Any, Any], pieces: Iterable[object]) -> None:
    try:
        for piece in pieces:
            connection.send(piece)
    except EngineError as err:
        connection.send(err)
    else:
        connection.send(None)


def _answer_candidates(
    connection: Connection[Any, Any],
    binding: LlamaDecoder | LlamaBinding,
    job: GenerationRequest,
    shown_id: int,
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
