"""The OpenAI-compatible HTTP API as values: addresses, event streams, replies, errors.

No input or output happens here. What a server sends is untrusted: unknown fields are ignored, and
fields of the wrong type read as missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from agent.errors import (
    AuthenticationError,
    ConfigError,
    ContextLengthError,
    ModelError,
    ModelMissingError,
    ServerUnreachableError,
)
from learning.records import Action, Message, Sampling

_MAX_REASON_CHARACTERS = 300
_TOO_LONG = re.compile(r"context[ _](length|size|window)|maximum context|n_ctx", re.IGNORECASE)
_MISSING = re.compile(
    r"\bmodel\b.{0,200}\b(not found|does not exist)|no models loaded", re.IGNORECASE
)
_NO_PLACE = re.compile(r"unexpected endpoint", re.IGNORECASE)
_ENDPOINTS = re.compile(r"(/v1)?(/chat/completions|/completions|/models)?/*$")


def api_root(url: str) -> str:
    """The address without `/v1`, whether or not it was given with one.

    Raises:
        ConfigError: If it is not an http or https address, or holds a password or query.
    """
    complete = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(complete.strip())
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError as err:
        raise ConfigError(f"model.base_url {url!r} is not an address: {err}") from err
    if not usable:
        raise ConfigError(f"model.base_url {url!r} must look like http://localhost:11434/v1")
    if parts.username or parts.password:
        raise ConfigError("model.base_url must not hold a password; set model.api_key instead")
    if parts.query or parts.fragment:
        raise ConfigError(f"model.base_url {url!r} must end with its path, usually /v1")
    return f"{parts.scheme}://{parts.netloc}{_ENDPOINTS.sub('', parts.path)}"


def is_loopback(root: str) -> bool:
    """Whether the address is this machine; then no proxy is asked."""
    host = urlsplit(root).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def request_body(
    messages: Sequence[Message], sampling: Sampling, *, model: str, token_ids: bool
) -> dict[str, object]:
    """The body of a streaming chat completion."""
    body: dict[str, object] = {
        "model": model,
        "messages": [{"role": item.role, "content": item.content} for item in messages],
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "max_tokens": sampling.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    # Strict servers refuse parameters that they do not know.
    return body | {"logprobs": True, "return_token_ids": True} if token_ids else body


async def event_data(chunks: AsyncIterator[bytes]) -> AsyncGenerator[str, None]:
    """The `data` of each server-sent event.

    Lines end at line feeds only: JSON may hold U+2028 and its like, which `str.splitlines` and
    with it httpx would cut at.
    """
    pending = b""
    async for chunk in chunks:
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:"):
                yield line[5:].strip().decode("utf-8", "replace")
    if pending.startswith(b"data:"):
        yield pending[5:].strip().decode("utf-8", "replace")


@dataclass(slots=True, kw_only=True)
class Answer:
    """A reply while it arrives, piece by piece."""

    model: str
    adapter: str | None
    """What was asked for; replaced by the server's own stamp where it gives one."""
    sampling: Sampling
    began: bool = False
    """Whether text or a token was received; from then on nothing may be asked again."""
    finish: str | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    _stamped: bool = False
    _texts: list[str] = field(default_factory=list)
    _prompt_ids: list[int] = field(default_factory=list)
    _token_ids: list[int] = field(default_factory=list)
    _logprobs: list[float] = field(default_factory=list)

    def add(self, chunk: Mapping[str, object]) -> str:
        """Take in one chunk (or one whole completion); gives the text that it adds."""
        if "adapter" in chunk and not self._stamped:
            self.adapter = as_text(chunk["adapter"]) or None
            self._stamped = True
        self._prompt_ids += _numbers(chunk.get("prompt_token_ids"))
        self._add_usage(as_mapping(chunk.get("usage")))
        choices = as_list(chunk.get("choices"))
        return self._add_choice(as_mapping(choices[0])) if choices else ""

    def _add_choice(self, choice: Mapping[str, object]) -> str:
        said = as_mapping(choice.get("delta") or choice.get("message"))
        text = as_text(said.get("content"))
        ids = _numbers(choice.get("token_ids"))
        for item in as_list(as_mapping(choice.get("logprobs")).get("content")):
            logprob = as_mapping(item).get("logprob")
            if isinstance(logprob, int | float):
                self._logprobs.append(float(logprob))
        self._texts.append(text)
        self._token_ids += ids
        self.began = self.began or bool(text or ids)
        self.finish = as_text(choice.get("finish_reason")) or self.finish
        return text

    def _add_usage(self, usage: Mapping[str, object]) -> None:
        details = as_mapping(usage.get("prompt_tokens_details"))
        self.prompt_tokens = as_number(usage.get("prompt_tokens")) or self.prompt_tokens
        self.cached_tokens = as_number(details.get("cached_tokens")) or self.cached_tokens
        self.completion_tokens = as_number(usage.get("completion_tokens")) or self.completion_tokens

    def action(self) -> Action:
        """The whole reply. Token ids without their prompt are of no use and left out."""
        complete = bool(self._prompt_ids)
        token_ids = tuple(self._token_ids) if complete else ()
        whole = bool(token_ids) and len(self._logprobs) == len(token_ids)
        finishes: dict[str, Literal["length", "cancelled"]] = {
            "length": "length",
            "cancelled": "cancelled",
        }
        return Action(
            text="".join(self._texts),
            model=self.model,
            adapter=self.adapter,
            prompt_ids=tuple(self._prompt_ids),
            token_ids=token_ids,
            logprobs=tuple(self._logprobs) if whole else None,
            sampling=self.sampling,
            finish=finishes.get(self.finish or "", "stop"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """One entry of the server's list of models."""

    id: str
    owner: str
    parent: str | None
    context_length: int
    """0 when the server does not say."""
    token_ids: bool


def served_models(data: Mapping[str, object]) -> tuple[ServedModel, ...]:
    """The answer to `GET /v1/models`; entries without an id are left out."""
    entries = [as_mapping(item) for item in as_list(data.get("data"))]
    return tuple(_served(entry) for entry in entries if as_text(entry.get("id")))


def _served(entry: Mapping[str, object]) -> ServedModel:
    ours = as_mapping(entry.get("elagent"))
    return ServedModel(
        id=as_text(entry["id"]),
        owner=as_text(entry.get("owned_by")),
        parent=as_text(entry.get("parent")) or None,
        context_length=as_number(entry.get("max_model_len"))
        or as_number(as_mapping(entry.get("meta")).get("n_ctx")),
        token_ids=ours.get("token_ids") is True,
    )


def error_of(
    status: int, body: bytes, *, root: str, model: str, context_length: int, remedy: str
) -> ModelError:
    """What an error response means for the person. The body is quoted briefly and made harmless."""
    error = _error_object(body)
    reason = harmless(as_text(error.get("message")) or body.decode("utf-8", "replace"))
    code = f"{error.get('code')} {error.get('type')}"
    if status in {401, 403}:
        return AuthenticationError(
            f"the model server at {root} refuses the API key; "
            "set model.api_key or ELAGENT_MODEL_API_KEY"
        )
    if "context" in code or (status in {400, 413, 500} and _TOO_LONG.search(reason)):
        return _too_long(error, reason, context_length=context_length, remedy=remedy)
    nowhere = _NO_PLACE.search(reason) is not None  # LM Studio says so with status 200
    if not nowhere and ((status == 404 and error) or _MISSING.search(reason)):  # noqa: PLR2004
        return ModelMissingError(f"the server at {root} does not have the model {model!r}")
    if nowhere or status == 404 or 300 <= status < 400:  # noqa: PLR2004 - or moved elsewhere
        return ServerUnreachableError(
            f"there is no OpenAI-compatible API at {root}/v1 (HTTP {status}); check model.base_url"
        )
    return ModelError(f"the model server at {root} failed with HTTP {status}: {reason}")


def _too_long(
    error: Mapping[str, object], reason: str, *, context_length: int, remedy: str
) -> ContextLengthError:
    prompt = as_number(error.get("n_prompt_tokens")) or as_number(error.get("prompt_tokens"))
    limit = as_number(error.get("n_ctx")) or as_number(error.get("context_length"))
    limit = limit or context_length
    size = f"the prompt of {prompt} tokens" if prompt else "the prompt"
    return ContextLengthError(
        f"{size} does not fit into a context of {limit} tokens ({reason}); {remedy}",
        prompt_tokens=prompt or None,
        context_length=limit,
    )


def _error_object(body: bytes) -> Mapping[str, object]:
    try:
        data = as_mapping(json.loads(body))
    except ValueError:
        return {}
    # vLLM put the fields of the error into the body itself for a long time.
    error = data.get("error", data.get("detail", data if as_text(data.get("message")) else None))
    return {"message": error} if isinstance(error, str) else as_mapping(error)


def harmless(text: str) -> str:
    """A server's words on one line, without control characters and not too long."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    too_long = len(line) > _MAX_REASON_CHARACTERS
    return line[:_MAX_REASON_CHARACTERS] + " ..." if too_long else line


def as_mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def as_list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def as_text(value: object) -> str:
    return value if isinstance(value, str) else ""


def as_number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _numbers(value: object) -> list[int]:
    return [item for item in as_list(value) if isinstance(item, int)]
