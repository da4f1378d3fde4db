"""An engine that says what it is told to, one token after another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from learning.model.engine import Capabilities, EngineError, Token, Usage
from learning.records import Sampling


class FakeEngine:
    """Replies with `script`, over and over when `endless`; the adapter's name is remembered."""

    def __init__(self, script: Sequence[int], *, context_length: int = 200) -> None:
        self.script = tuple(script)
        self.endless = False
        self.fails_after: int | None = None
        self.adapters: list[str] = []
        self.asked: list[tuple[tuple[int, ...], str | None]] = []
        self.ended = threading.Event()
        self.prepared = threading.Event()
        self.closed = False
        self.alive = True
        self.curable = True
        self.revived = 0
        self._context_length = context_length

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(token_ids=True, logprobs=True, adapters=True)

    @property
    def context_length(self) -> int:
        return self._context_length

    def generate(
        self,
        prompt_ids: Sequence[int],
        *,
        sampling: Sampling,
        stop_ids: Sequence[int],
        adapter: str | None = None,
        cancelled: Callable[[], bool] = lambda: False,
        on_usage: Callable[[Usage], None] = lambda _: None,
    ) -> Iterator[Token]:
        self.asked.append((tuple(prompt_ids), adapter))
        made = 0
        try:
            while not cancelled():
                if made == self.fails_after:
                    raise EngineError("the engine died")
                if made >= sampling.max_tokens and not self.endless:
                    break
                if made >= len(self.script) and not self.endless:
                    break
                token = self.script[made % len(self.script)]
                made += 1
                yield Token(id=token, logprob=-0.5)
                if self.endless:
                    time.sleep(0.001)  # a real engine leaves time for others, too
        finally:
            on_usage(Usage(prompt_tokens=len(prompt_ids), cached_tokens=3, completion_tokens=made))
            self.ended.set()

    def revive(self) -> None:
        if self.alive:
            return
        if not self.curable:
            raise EngineError("there is no memory for it")
        self.alive = True
        self.revived += 1

    def prepare_adapter(self, name: str, folder: Path) -> Callable[[], None]:
        if not folder.is_dir():
            raise EngineError("no such folder")
        self.prepared.set()
        return lambda: self.adapters.append(name)

    def close(self) -> None:
        self.closed = True
