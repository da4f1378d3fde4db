"""A model in this process that answers evaluation prompts: chats, begun answers, and plain text.

The model server speaks only chat; raw completion and begun answers need the tokens themselves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Self

from learning.evaluation.prompting import Prompt
from learning.evaluation.task import Generated
from learning.model.catalog import InstalledModel
from learning.model.chat import ChatFormat
from learning.model.choosing import ChoiceRequest, choose
from learning.model.engine import Token
from learning.model.replies import Dispatched, Finished, LoadedModel, TokenMade
from learning.model.vllm.process import build_of, find_vllm
from learning.records import Sampling


class LocalModel:
    """A model and at most one adapter, loaded into this process. Use as a context manager."""

    def __init__(
        self,
        model: InstalledModel,
        *,
        engine: str = "auto",
        context_length: int | None = None,
        adapter: tuple[str, Path] | None = None,
    ) -> None:
        """Load it.

        Raises:
            LocalModelError: If the model cannot be loaded or the adapter was made for another.
        """
        from learning.model.server import open_engine, pick_engine

        self.kind = pick_engine(model, engine)
        folder = model.hf
        assert folder is not None  # noqa: S101 - resolve() sees to the tokenizer
        self._served = LoadedModel(
            model,
            ChatFormat.load(folder),
            open_engine(model, self.kind, context_length=context_length),
            self.kind,
        )
        self._name = model.name
        if adapter is not None:
            name, adapter_folder = adapter
            self._served.prepare_adapter(name, adapter_folder)()
            self._name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._served.engine.close()

    @property
    def versions(self) -> dict[str, str]:
        """The engine and the library behind it, for manifests."""
        if self.kind == "vllm":
            return {"engine": self.kind, "vllm": build_of(find_vllm())}
        library = "torch" if self.kind == "torch" else "xllamacpp"
        return {"engine": self.kind, library: version(library)}

    async def generate(self, prompt: Prompt, sampling: Sampling) -> Generated:
        """See `Generator.generate`. Cancelling ends the generation at the next token."""
        import asyncio
        import threading

        stop = threading.Event()
        work = asyncio.ensure_future(
            asyncio.to_thread(self.reply, prompt, sampling, cancelled=stop.is_set)
        )
        try:
            return await asyncio.shield(work)
        except asyncio.CancelledError:
            stop.set()
            await asyncio.wait({work})
            raise

    def reply(
        self,
        prompt: Prompt,
        sampling: Sampling,
        *,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Generated:
        """Answer one prompt, blocking.

        Raises:
            EngineError: If the prompt does not fit or the engine fails.
        """
        started = time.perf_counter()
        text, enough = "", False
        prompt_ids: tuple[int, ...] = ()
        tokens: list[Token] = []
        reason = "stop"
        events = self._served.reply(
            self._ids(prompt),
            model=self._name,
            sampling=sampling,
            cancelled=lambda: enough or cancelled(),
        )
        for event in events:
            match event:
                case Dispatched(prompt_ids=ids):
                    prompt_ids = ids
                case TokenMade(token=token, text=piece):
                    tokens.append(token)
                    text += piece
                    enough = enough or _first_stop(text, prompt.stops) is not None
                case Finished(text=piece, reason=why):
                    text += piece
                    reason = why
        cut = _first_stop(text, prompt.stops)
        return Generated(
            text=prompt.begun + (text if cut is None else text[:cut]),
            finish="stop" if cut is not None else reason,
            prompt_tokens=len(prompt_ids),
            completion_tokens=len(tokens),
            duration_s=time.perf_counter() - started,
            prompt_ids=prompt_ids,
            token_ids=tuple(token.id for token in tokens),
            logprobs=tuple(token.logprob for token in tokens),
        )

    async def choose(self, prompt: Prompt, choices: Sequence[str]) -> str:
        """The likeliest of some texts to go on with behind what is begun; empty if it thinks of none.

        Raises:
            EngineError: If this engine cannot tell which tokens may come next.
        """
        import asyncio

        wanted = ChoiceRequest(
            model=self._name,
            messages=prompt.messages,
            begun=prompt.begun,
            choices=tuple(choices),
        )
        found = await asyncio.to_thread(
            lambda: list(choose(self._served, wanted, cancelled=lambda: False))
        )
        return found[0].text if found else ""

    def score(self, prompt: Prompt, choices: Sequence[str]) -> tuple[float, ...]:
        """Natural log-probability of the first token of each choice after the prompt.

        Raises:
            EngineError: If this engine cannot score given tokens.
        """
        from learning.model.engine import EngineError
        from learning.model.torch_engine import TorchEngine

        engine = self._served.engine
        if not isinstance(engine, TorchEngine):
            raise EngineError("Scoring letters needs the torch engine: add --engine torch.")
        first = [self._served.chat.encode_text(text)[0] for text in choices]
        adapter = self._served.adapter_of(self._name)
        return engine.next_logprobs(self._ids(prompt), first, adapter=adapter)

    def _ids(self, prompt: Prompt) -> list[int]:
        chat = self._served.chat
        if prompt.text:
            return chat.encode_text(prompt.text)
        return chat.continued(prompt.messages, prompt.begun)


def _first_stop(text: str, stops: Sequence[str]) -> int | None:
    places = [place for stop in stops if (place := text.find(stop)) >= 0]
    return min(places, default=None)
