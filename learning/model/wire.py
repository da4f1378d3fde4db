"""The HTTP bodies of the model server: requests parsed into values, values written as JSON.

The OpenAI chat API with vLLM's extensions for token ids. Fields that cannot be honoured are refused.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from learning.model.choosing import ChoiceRequest
from learning.model.engine import Capabilities, LocalModelError, Token, Usage
from learning.model.infill import LEAST_PROBABILITY, InfillRequest
from learning.records import Message, Role, Sampling

_REFUSED = ("tools", "functions", "stop", "logit_bias", "response_format")
_MAX_SEED = 2**31
_MOST_FILLS = 64
_MOST_CHOICES = 4096
_MOST_FILL_TOKENS = 2048
_LARGEST = 2.0**53
_ROLES: dict[str, Role] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


class RequestError(LocalModelError):
    """The request cannot be understood or honoured; the message says which part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatRequest:
    """One `POST /v1/chat/completions`."""

    model: str
    messages: tuple[Message, ...]
    begun: str
    """The beginning of the answer, which the reply continues; empty where it begins itself."""
    sampling: Sampling
    stream: bool
    logprobs: bool
    token_ids: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterRequest:
    """One `POST /v1/load_lora_adapter`."""

    name: str
    path: str
    force: bool
    """Use an adapter that does not say what it was made for."""


def chat_request(body: dict[str, Any]) -> ChatRequest:
    """Parse a chat request.

    Raises:
        RequestError: If a field is missing, wrong or cannot be honoured.
    """
    for name in _REFUSED:
        if body.get(name):
            raise RequestError(f"{name!r} is not supported by this server.")
    if _number(body, "n", 1) != 1:
        raise RequestError("'n' must be 1.")
    said, begun = _begun(body, messages(body))
    return ChatRequest(
        model=_text(body, "model", ""),
        messages=said,
        begun=begun,
        sampling=_sampling(body),
        stream=_flag(body, "stream"),
        logprobs=_flag(body, "logprobs"),
        token_ids=_flag(body, "return_token_ids"),
    )


def _begun(body: dict[str, Any], said: tuple[Message, ...]) -> tuple[tuple[Message, ...], str]:
    """The conversation, and the assistant's last message where it is to be continued (as in vLLM)."""
    if not _flag(body, "continue_final_message"):
        return said, ""
    if said[-1].role != "assistant" or len(said) == 1:
        raise RequestError("'continue_final_message' needs a last message of the assistant.")
    return said[:-1], said[-1].content


def messages(body: dict[str, Any]) -> tuple[Message, ...]:
    """The conversation of a request.

    Raises:
        RequestError: If there is none, or a message is not text of a known role.
    """
    items = body.get("messages")
    if not isinstance(items, list) or not items:
        raise RequestError("'messages' must be a list of at least one message.")
    return tuple(_message(item) for item in items)


def infill_request(body: dict[str, Any]) -> InfillRequest:
    """Parse a request to fill a gap.

    Raises:
        RequestError: If a field is missing or wrong.
    """
    if "prefix" not in body or "suffix" not in body:
        raise RequestError("'prefix' and 'suffix' are needed.")
    stop = _text(body, "stop", "\n")
    if not stop:
        raise RequestError("'stop' must not be empty.")
    return InfillRequest(
        model=_text(body, "model", ""),
        prefix=_text(body, "prefix", ""),
        suffix=_text(body, "suffix", ""),
        fills=_count(body, "fills", 1, most=_MOST_FILLS),
        skip=_count(body, "skip", 0, most=_MOST_FILLS),
        max_tokens=_count(body, "max_tokens", 64, most=_MOST_FILL_TOKENS),
        stop=stop,
        least=min(max(_number(body, "least", LEAST_PROBABILITY), 0.0), 1.0),
        avoid=_text(body, "avoid", ""),
    )


def choice_request(body: dict[str, Any]) -> ChoiceRequest:
    """Parse a request to choose how an answer goes on.

    Raises:
        RequestError: If a field is missing or wrong.
    """
    choices = body.get("choices")
    if not isinstance(choices, list) or not 1 <= len(choices) <= _MOST_CHOICES:
        raise RequestError(f"'choices' must be a list of 1 to {_MOST_CHOICES} texts.")
    texts = tuple(item for item in choices if isinstance(item, str) and item)
    if len(texts) != len(choices):
        raise RequestError("Each of the 'choices' must be a text that is not empty.")
    return ChoiceRequest(
        model=_text(body, "model", ""),
        messages=messages(body),
        begun=_text(body, "begun", ""),
        choices=texts,
        count=_count(body, "count", 1, most=_MOST_FILLS),
    )


def _count(body: dict[str, Any], name: str, default: int, *, most: int) -> int:
    value = _number(body, name, default)
    if value != int(value) or not 0 <= value <= most:
        raise RequestError(f"{name!r} must be a whole number from 0 to {most}.")
    return int(value)


def adapter_request(body: dict[str, Any]) -> AdapterRequest:
    """Parse a request to load an adapter.

    Raises:
        RequestError: If a field is missing or wrong.
    """
    name, path = _text(body, "lora_name", ""), _text(body, "lora_path", "")
    if not name or not path:
        raise RequestError("'lora_name' and 'lora_path' are needed.")
    return AdapterRequest(name=name, path=path, force=_flag(body, "force"))


def _message(item: Any) -> Message:  # noqa: ANN401 - JSON
    if not isinstance(item, dict):
        raise RequestError("Each message must be an object with 'role' and 'content'.")
    role = next((known for name, known in _ROLES.items() if name == item.get("role")), None)
    if role is None:
        raise RequestError(f"The role {item.get('role')!r} is not supported.")
    content = item.get("content")
    if isinstance(content, list):
        content = "".join(_part(part) for part in content)
    if not isinstance(content, str):
        raise RequestError("The content of a message must be text.")
    return Message(role=role, content=content)


def _part(part: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str):
        text: str = part["text"]
        return text
    raise RequestError("Only parts of type 'text' are supported in a message.")


def _sampling(body: dict[str, Any]) -> Sampling:
    default = Sampling()
    limit = body.get("max_completion_tokens") or body.get("max_tokens") or default.max_tokens
    sampling = Sampling(
        temperature=float(_number(body, "temperature", default.temperature)),
        top_p=float(_number(body, "top_p", default.top_p)),
        seed=int(_number(body, "seed", secrets.randbelow(_MAX_SEED))),
        max_tokens=limit if isinstance(limit, int) else 0,
    )
    if sampling.max_tokens < 1:
        raise RequestError("'max_tokens' must be a whole number above 0.")
    if sampling.temperature < 0 or not 0 < sampling.top_p <= 1:
        raise RequestError("'temperature' must be at least 0 and 'top_p' between 0 and 1.")
    return sampling


def _number(body: dict[str, Any], name: str, default: float) -> float:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise RequestError(f"{name!r} must be a number.")
    if not -_LARGEST < value < _LARGEST:
        raise RequestError(f"{name!r} is too large.")
    return value


def _text(body: dict[str, Any], name: str, default: str) -> str:
    value = body.get(name, default)
    if not isinstance(value, str):
        raise RequestError(f"{name!r} must be text.")
    return value


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name) or False
    if not isinstance(value, bool):
        raise RequestError(f"{name!r} must be true or false.")
    return value


def error_body(message: str, *, kind: str, code: str | None = None, **more: int) -> dict[str, Any]:
    """An error in OpenAI's form."""
    return {"error": {"message": message, "type": kind, "code": code, **more}}


def models_body(
    base: str,
    adapters: Sequence[str],
    *,
    engine: str,
    context: int,
    can: Capabilities,
    created: int,
) -> dict[str, Any]:
    """The list of models: the base, and each adapter as a model with it as parent.

    `created` is the time since which they are served, in seconds since 1970.
    """
    ours = {
        "engine": engine,
        "token_ids": can.token_ids,
        "logprobs": can.logprobs,
        "adapters": can.adapters,
    }
    entries = [
        {
            "id": name,
            "object": "model",
            "created": created,
            "owned_by": "elagent",
            "max_model_len": context,
            "parent": None if name == base else base,
            "elagent": ours,
        }
        for name in (base, *adapters)
    ]
    return {"object": "list", "data": entries}


def usage_body(usage: Usage) -> dict[str, Any]:
    """Counted tokens in OpenAI's form."""
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens},
        "completion_tokens_details": {
            "accepted_prediction_tokens": usage.accepted_tokens,
            "rejected_prediction_tokens": usage.drafted_tokens - usage.accepted_tokens,
        },
    }


def choice_fields(
    request: ChatRequest, tokens: Sequence[Token], token_text: Callable[[int], str]
) -> dict[str, Any]:
    """The parts of a choice that a client gets only when it asked for them."""
    fields: dict[str, Any] = {}
    if request.token_ids:
        fields["token_ids"] = [token.id for token in tokens]
    if request.logprobs:
        content: list[dict[str, Any]] = [
            {
                "token": token_text(token.id),
                "logprob": token.logprob,
                "bytes": None,
                "top_logprobs": [],
            }
            for token in tokens
        ]
        fields["logprobs"] = {"content": content}
    return fields
