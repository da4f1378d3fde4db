"""A prompt that stays open during work: lines queue, Esc or Ctrl-C stops the work at once.

The prompt stays even while stopped work cleans up, so an interrupt takes effect without a wait.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import Completer
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import History
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output
from prompt_toolkit.patch_stdout import patch_stdout

Handle = Callable[[str], Coroutine[Any, Any, None]]

_TWICE_S = 2.0
# Time to wait after Esc for the rest of another key's sequence.
_ESCAPE_WAIT_S = 0.05


class LinePrompt:
    """Reads lines and passes them to a handler one after the other. Call `run` once."""

    def __init__(
        self,
        *,
        status: Callable[[], str] = lambda: "",
        history: History | None = None,
        completer: Completer | None = None,
        input_: Input | None = None,
        output: Output | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._session: PromptSession[str] = PromptSession(
            history=history,
            completer=completer,
            key_bindings=self._keys(),
            bottom_toolbar=self._toolbar,
            input=input_,
            output=output,
        )
        self._session.app.ttimeoutlen = _ESCAPE_WAIT_S
        self._session.app.timeoutlen = _ESCAPE_WAIT_S
        self._status = status
        self._clock = clock
        self._waiting: deque[str] = deque()
        self._arrived = asyncio.Event()
        self._job: asyncio.Task[None] | None = None
        self._on_interrupt: Callable[[], None] = lambda: None
        self._question: tuple[str, asyncio.Future[str]] | None = None
        self._stopped_at = float("-inf")
        self._stopping = False

    @property
    def busy(self) -> bool:
        """True while a line is handled, or while its handling is being stopped."""
        return self._job is not None

    async def run(self, handle: Handle, *, on_interrupt: Callable[[], None]) -> None:
        """Read and handle lines until the person leaves; then cancel the work that still runs.

        `handle` must print its own expected failures; `on_interrupt` is called as soon as the person
        stops the work, before its clean-up.
        """
        self._on_interrupt = on_interrupt
        worker = asyncio.create_task(self._work(handle))
        try:
            with patch_stdout(raw=True):
                await self._read(worker)
        finally:
            worker.cancel()
            await asyncio.wait([worker])
        if not worker.cancelled() and (error := worker.exception()):
            raise error

    async def ask(self, question: str) -> str:
        """Ask in place of the prompt and return the next line; an interrupt cancels the question."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._question = question, answer
        self._session.app.invalidate()
        try:
            return await answer
        finally:
            self._question = None
            self._session.app.invalidate()

    def ring(self, signal: str) -> None:
        """Send a signal, such as BEL, to the terminal as it is."""
        output = self._session.app.output
        output.write_raw(signal)
        output.flush()

    async def _read(self, worker: asyncio.Task[None]) -> None:
        while not worker.done():
            try:
                line = await self._session.prompt_async(self._message)
            except (EOFError, KeyboardInterrupt):
                return
            if self._question is not None and not self._question[1].done():
                self._question[1].set_result(line)
            elif line.split()[:1] == ["/quit"]:
                return
            elif line.strip():
                self._waiting.append(line.strip())
                self._arrived.set()

    async def _work(self, handle: Handle) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                await self._do(handle(self._waiting.popleft()))

    async def _do(self, work: Coroutine[Any, Any, None]) -> None:
        job = self._job = asyncio.create_task(work)
        try:
            await asyncio.wait([job])
        finally:
            if not job.done():
                if not job.cancelling():  # a second cancel would cut its clean-up short
                    job.cancel()
                await asyncio.wait([job])
            self._job, self._stopping = None, False
            self._session.app.invalidate()
        if not job.cancelled():
            job.result()

    def _stop(self) -> None:
        """Cancel the work; put the waiting lines back into the prompt, unhandled."""
        if self._job is None or self._stopping:
            return
        self._stopping = True
        self._job.cancel()
        self._on_interrupt()
        if self._waiting:
            buffer = self._session.default_buffer
            buffer.text = "\n".join([*self._waiting, buffer.text]).rstrip("\n")
            buffer.cursor_position = len(buffer.text)
            self._waiting.clear()

    def _keys(self) -> KeyBindings:
        keys = KeyBindings()

        @keys.add("escape", eager=True, filter=Condition(lambda: self.busy))
        def _(_event: KeyPressEvent) -> None:
            self._stop()

        @keys.add("f4")
        def _(_event: KeyPressEvent) -> None:
            self._stop()
            self._waiting.append("/as")
            self._arrived.set()

        @keys.add("escape", "enter")
        @keys.add("c-j")
        def _(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add("c-c")
        def _(event: KeyPressEvent) -> None:
            now = self._clock()
            again = now - self._stopped_at < _TWICE_S
            self._stopped_at = now
            if again:
                event.app.exit(exception=EOFError())
            elif self.busy:
                self._stop()
            else:
                event.current_buffer.reset()

        return keys

    def _message(self) -> str:
        return self._question[0] if self._question is not None else "> "

    def _toolbar(self) -> str:
        parts = [self._status()]
        if self.busy:
            parts.append("stopping" if self._stopping else "Esc stops it")
        if self._waiting:
            parts.append(f"{len(self._waiting)} waiting")
        return " | ".join(part for part in parts if part)
