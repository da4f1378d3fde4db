"""A reply while it arrives, piece by piece."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.model.message import Calls, read_message
from agent.model.values import as_list, as_mapping, as_number, as_text, numbers
from learning.records import Action, Sampling

Ending = Literal["stop", "length", "cancelled", "filtered", "failed"]

_LENGTH = ("length", "max_tokens", "model_length", "max_output_tokens")
_FILTERED = (
    "content_filter",
    "safety",
    "recitation",
    "prohibited_content",
    "blocklist",
    "spii",
    "refusal",
    "sensitive",
)
_FAILED = (
    "error",
    "abort",
    "aborted",
    "insufficient_system_resource",
    "network_error",
    "malformed_function_call",
)
_ENDINGS: Mapping[str, Ending] = {
    "cancelled": "cancelled",
    **dict.fromkeys(_LENGTH, "length"),
    **dict.fromkeys(_FILTERED, "filtered"),
    **dict.fromkeys(_FAILED, "failed"),
}
_HIGH_SURROGATES = ("\ud800", "\udbff")


@dataclass(slots=True, kw_only=True)
class Answer:
    """The part of one reply that was received so far."""

    model: str
    adapter: str | None
    """The model that was asked for; replaced by the server's own stamp if it gives one."""
    sampling: Sampling
    stop_ids: tuple[int, ...] = ()
    """Tokens that end a reply and are no part of it, where the server tells them among its tokens."""
    began: bool = False
    """True if text or a token was received; from then on nothing may be asked again."""
    finish: str | None = None
    """The word with which the server ended the reply."""
    whole: bool = False
    """True if the reply came to its end, in whatever way the server shows that."""
    chosen: bool = False
    """True if there was a message at all, or the announcement of one."""
    refusal: str = ""
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    other: set[str] = field(default_factory=set)
    """Kinds of content that were no text."""
    _stamped: bool = False
    _held: str = ""
    """The first half of a character whose second half comes in the next piece."""
    _texts: list[str] = field(default_factory=list)
    _thoughts: list[str] = field(default_factory=list)
    _calls: Calls = field(default_factory=Calls)
    _prompt_ids: list[int] = field(default_factory=list)
    _token_ids: list[int] = field(default_factory=list)
    _logprobs: list[float] = field(default_factory=list)

    def add(self, chunk: Mapping[str, object]) -> str:
        """Take in one chunk (or one whole completion); gives the text that it adds."""
        if "adapter" in chunk and not self._stamped:
            self.adapter = as_text(chunk["adapter"]) or None
            self._stamped = True
        elif self.adapter and chunk.get("model") == self.model and not self._stamped:
            self.adapter = None  # vLLM names what answers: the base, in place of the adapter
        self._prompt_ids += numbers(chunk.get("prompt_token_ids"))
        self._add_usage(as_mapping(chunk.get("usage")))
        choices = as_list(chunk.get("choices"))
        if "choices" in chunk:
            # What was used is told after the end.
            self.whole = self.whole or bool(self.chosen and not choices and chunk.get("usage"))
            self.chosen = True
        return self._add_choice(as_mapping(choices[0])) if choices else ""

    def end(self) -> str:
        """End the answer; gives the text that this adds: calls that were made."""
        rest, self._held = self._held, ""
        calls = self._calls.as_text()
        if calls and self._texts and not self.text.endswith("\n"):
            calls = f"\n{calls}"
        return self._keep(_sound(rest) + calls)

    @property
    def text(self) -> str:
        return "".join(self._texts)

    @property
    def thought(self) -> str:
        return "".join(self._thoughts)

    @property
    def ending(self) -> Ending:
        return _ENDINGS.get((self.finish or "").lower(), "stop")

    def _add_choice(self, choice: Mapping[str, object]) -> str:
        message = as_mapping(choice.get("message"))
        self.whole = self.whole or bool(message)
        said = read_message(as_mapping(choice.get("delta")) or message)
        ids = numbers(choice.get("token_ids"))
        for item in as_list(as_mapping(choice.get("logprobs")).get("content")):
            logprob = as_mapping(item).get("logprob")
            if isinstance(logprob, int | float):
                self._logprobs.append(float(logprob))
        self._token_ids += ids
        self._thoughts.append(_sound(said.thought))
        self.refusal += _sound(said.refusal)
        self.other.update(said.other)
        for call in said.calls:
            self._calls.add(call)
        text = self._keep(self._joined(said.text or as_text(choice.get("text"))))
        self.began = self.began or bool(text or ids)
        self.finish = as_text(choice.get("finish_reason")) or self.finish
        self.whole = self.whole or self.finish is not None
        return text

    def _keep(self, text: str) -> str:
        if text:
            self._texts.append(text)
        return text

    def _joined(self, piece: str) -> str:
        """A piece with what was held back, without a half character at its end."""
        text, self._held = self._held + piece, ""
        if text and _HIGH_SURROGATES[0] <= text[-1] <= _HIGH_SURROGATES[1]:
            text, self._held = text[:-1], text[-1]
        return _sound(text)

    def _add_usage(self, usage: Mapping[str, object]) -> None:
        details = as_mapping(usage.get("prompt_tokens_details"))
        self.prompt_tokens = as_number(usage.get("prompt_tokens")) or self.prompt_tokens
        self.cached_tokens = as_number(details.get("cached_tokens")) or self.cached_tokens
        self.completion_tokens = as_number(usage.get("completion_tokens")) or self.completion_tokens

    def action(self) -> Action:
        """The whole reply. Token ids without their prompt are of no use and left out."""
        complete = bool(self._prompt_ids)
        token_ids, logprobs = self._token_ids, self._logprobs
        whole = complete and len(logprobs) == len(token_ids)
        while token_ids and token_ids[-1] in self.stop_ids:
            token_ids, logprobs = token_ids[:-1], logprobs[:-1]
        ending = self.ending
        return Action(
            text=self.text,
            model=self.model,
            adapter=self.adapter,
            prompt_ids=tuple(self._prompt_ids),
            token_ids=tuple(token_ids) if complete else (),
            logprobs=tuple(logprobs) if whole and token_ids else None,
            sampling=self.sampling,
            finish=ending if ending in {"length", "cancelled"} else "stop",
        )


def _sound(text: str) -> str:
    """Text in which halves of characters are joined, and those without a partner replaced."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
