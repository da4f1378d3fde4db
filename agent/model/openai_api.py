"""The OpenAI-compatible HTTP API as values: addresses, requests, the list of models.

No input or output happens here. What a server sends is untrusted: unknown fields are ignored, and
fields of the wrong type read as missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from agent.errors import ConfigError
from agent.model.values import as_list, as_mapping, as_number, as_text
from learning.records import Message, Sampling

V1 = "/v1"
VLLM = "vllm"
"""The owner that vLLM names in its list of models."""
_ENDPOINTS = re.compile(r"/(chat/completions|completions|models)/*$")
_LENGTHS = (
    "max_model_len",
    "context_length",
    "context_window",
    "max_context_length",
    "loaded_context_length",
    "max_input_tokens",
)
"""Names of the context size at vLLM and SGLang, OpenRouter, Groq, Mistral, LM Studio, LiteLLM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A server's address, as completely as the given one tells it."""

    root: str
    """The address without `/v1`."""
    apis: tuple[str, ...]
    """Paths that may follow the root, the likeliest first: not every API is under `/v1`."""


def address(url: str) -> Address:
    """Read a given address, whether or not it ends in `/v1` or in an endpoint.

    Raises:
        ConfigError: If it is not an http or https address, or holds a password or query.
    """
    complete = (url if "://" in url else f"http://{url}").strip()
    try:
        parts = urlsplit(complete)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError as err:
        raise ConfigError(f"model.base_url {url!r} is not an address: {err}") from err
    if not usable:
        raise ConfigError(f"model.base_url {url!r} must look like http://localhost:11434/v1")
    if parts.username or parts.password:
        raise ConfigError("model.base_url must not hold a password; set model.api_key instead")
    if parts.query or parts.fragment:
        azure = "; Azure's is https://RESOURCE.openai.azure.com/openai/v1"
        more = azure if str(parts.hostname).endswith(".azure.com") else ""
        raise ConfigError(f"model.base_url must end with its path, usually /v1{more}")
    path = _ENDPOINTS.sub("", parts.path).rstrip("/")
    if path.endswith(V1):
        path = path.removesuffix(V1)
        apis: tuple[str, ...] = (V1,)
    else:
        apis = ("",) if _ENDPOINTS.search(parts.path) else (V1, "")
    return Address(root=f"{parts.scheme}://{parts.netloc}{path.rstrip('/')}", apis=apis)


def api_root(url: str) -> str:
    """The address without `/v1`, whether or not it was given with one; see `address`."""
    return address(url).root


def is_loopback(root: str) -> bool:
    """True if the address is this machine; then no proxy is asked."""
    host = urlsplit(root).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def request_body(
    messages: Sequence[Message],
    sampling: Sampling,
    *,
    model: str,
    token_ids: bool,
    begun: str = "",
) -> dict[str, object]:
    """The body of a streaming chat completion; `begun` is the beginning of the reply."""
    said = [{"role": item.role, "content": item.content} for item in messages]
    body: dict[str, object] = {
        "model": model,
        "messages": [*said, {"role": "assistant", "content": begun}] if begun else said,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "max_tokens": sampling.max_tokens,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    if begun:
        body |= {"continue_final_message": True, "add_generation_prompt": False}
    # Strict servers refuse parameters that they do not know.
    return body | {"logprobs": True, "return_token_ids": True} if token_ids else body


def drawn_plainly(body: Mapping[str, object]) -> dict[str, object]:
    """The body with every number of vLLM's that would draw tokens in another way than was asked for.

    vLLM takes those that a request does not name from the model's folder, e.g. Qwen's penalty of repetition.
    """
    return {**body, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedModel:
    """One entry of the server's list of models."""

    id: str
    owner: str
    parent: str | None
    context_length: int
    """0 when the server does not say."""
    token_ids: bool
    root: str = ""
    """Where the server has the weights from, if it says so."""


def served_models(data: Mapping[str, object]) -> tuple[ServedModel, ...]:
    """The answer to `GET /v1/models`; entries without an id are left out."""
    listed = as_list(data.get("data")) or as_list(data.get("models"))
    entries = [{"id": item} if isinstance(item, str) else as_mapping(item) for item in listed]
    return tuple(_served(entry) for entry in entries if as_text(entry.get("id")))


def _served(entry: Mapping[str, object]) -> ServedModel:
    ours = as_mapping(entry.get("elagent"))
    return ServedModel(
        id=as_text(entry["id"]),
        owner=as_text(entry.get("owned_by")),
        parent=as_text(entry.get("parent")) or None,
        context_length=next(filter(None, (as_number(entry.get(name)) for name in _LENGTHS)), 0)
        or as_number(as_mapping(entry.get("meta")).get("n_ctx")),
        token_ids=ours.get("token_ids") is True,
        root=as_text(entry.get("root")),
    )
