"""Turns a conversation into a reply: a loaded model with its adapters yields events.

The code runs in the engine's thread and does not depend on HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from learning.model.catalog import InstalledModel, sha256_file
from learning.model.chat import ChatFormat, TextStream
from learning.model.engine import Engine, EngineError, Token, Usage
from learning.model.identity import check_adapter, check_adapter_files
from learning.records import Sampling

_DAMAGE = (OSError, ValueError, LookupError, TypeError, ArithmeticError, MemoryError, RuntimeError)
"""Exceptions that reading an untrusted file can raise."""


class UnknownModelError(EngineError):
    """The name is neither the served model's nor a loaded adapter's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatched:
    """The request has reached the engine; from here on its adapter is fixed."""

    adapter: str | None
    prompt_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenMade:
    """One token, and the text that it completes."""

    token: Token
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """The end of a reply, with text that was held back."""

    text: str
    reason: Literal["stop", "length"]
    usage: Usage


ReplyEvent = Dispatched | TokenMade | Finished


class LoadedModel:
    """One engine, its chat format, and the adapters loaded so far."""

    def __init__(self, model: InstalledModel, chat: ChatFormat, engine: Engine, kind: str) -> None:
        self.model = model
        self.chat = chat
        self.engine = engine
        self.kind = kind
        self._adapters: dict[str, str] = {}

    @property
    def adapters(self) -> Sequence[str]:
        return tuple(self._adapters)

    def adapter_of(self, name: str) -> str | None:
        """The adapter that a model name of a request means; None is the base model.

        Raises:
            UnknownModelError: If it is neither; the base never answers in place of an adapter.
        """
        if name in ("", self.model.name):
            return None
        if name in self._adapters:
            return name
        raise UnknownModelError(
            f"The model {name!r} is not served here; there are "
            f"{', '.join((self.model.name, *self._adapters))}."
        )

    def prepare_adapter(
        self, name: str, folder: Path, *, force: bool = False
    ) -> Callable[[], None]:
        """Check an adapter against this model and prepare it. Names are never reused.

        May run in any thread, one at a time. The returned function makes the adapter usable and is
        called in the engine's thread. See `Engine.prepare_adapter`.

        Raises:
            AdapterMismatchError: If it was made for another model.
            EngineError: If it is not an adapter, or another one has its name.
        """
        if name == self.model.name:
            raise EngineError(f"{name} is the name of the model; an adapter needs another.")
        check_adapter_files(folder)
        if not force:
            check_adapter(folder, self.model.identity)
        weights = folder / "adapter_model.safetensors"
        try:
            digest = sha256_file(weights)
        except (OSError, ValueError) as err:
            raise EngineError(f"{weights} cannot be read: not an adapter folder.") from err
        if self._adapters.get(name, digest) != digest:
            raise EngineError(
                f"Another adapter was loaded as {name} before; names are never used twice."
            )
        try:
            use_in_engine = self.engine.prepare_adapter(name, folder)
        except _DAMAGE as err:
            reason = (str(err).strip() or type(err).__name__).splitlines()[0]
            raise EngineError(f"{folder} is not a usable adapter: {reason}") from err

        def use() -> None:
            use_in_engine()
            self._adapters[name] = digest

        return use

    def reply(
        self,
        prompt_ids: Sequence[int],
        *,
        model: str,
        sampling: Sampling,
        cancelled: Callable[[], bool],
    ) -> Iterator[ReplyEvent]:
        """Events of one reply.

        Raises:
            EngineError: If the prompt does not fit or the engine fails.
        """
        adapter = self.adapter_of(model)
        yield Dispatched(adapter=adapter, prompt_ids=tuple(prompt_ids))
        counted: list[Usage] = []
        text = TextStream(self.chat.decode)
        tokens = self.engine.generate(
            prompt_ids,
            sampling=sampling,
            stop_ids=self.chat.stop_ids,
            adapter=adapter,
            cancelled=cancelled,
            on_usage=counted.append,
        )
        for token in tokens:
            yield TokenMade(token=token, text=text.push(token.id))
        usage = counted[0]
        room = min(sampling.max_tokens, self.engine.context_length - len(prompt_ids))
        yield Finished(
            text=text.flush(),
            reason="length" if usage.completion_tokens >= room else "stop",
            usage=usage,
        )
