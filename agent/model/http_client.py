"""Questions to a model server other than "continue this": what it serves, adapters, errors."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from agent.errors import (
    AdapterRefusedError,
    ModelError,
    ReplyTimeoutError,
    ServerUnreachableError,
)
from agent.model.openai_api import V1, VLLM, ServedModel, is_loopback, served_models
from agent.model.server_errors import (
    BEHIND_A_PROXY,
    Failure,
    error_of,
    read_failure,
    unreachable_reason,
)
from agent.model.values import as_mapping, harmless

if TYPE_CHECKING:
    import httpx

OK = 200
_NOT_THERE = frozenset({404, 405, 501})
_ANSWER_TIMEOUT_S = 120.0
_LOADED_ALREADY = "has already been loaded"
_TAKES_ADAPTERS = (
    "start vLLM with --enable-lora and, in its environment, VLLM_ALLOW_RUNTIME_LORA_UPDATING=True"
)
_REMEDIES = {
    "LoRA is not enabled": _TAKES_ADAPTERS,
    "greater than max_lora_rank": "start vLLM with a larger --max-lora-rank",
    "No adapter found for": "vLLM must see this folder at the same path",
}
"""What to do about vLLM's reasons to refuse an adapter, by words in them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A served model: its address, and what is known about it."""

    root: str
    """The address without `/v1`."""
    api: str = V1
    """Path between the root and the endpoints of the API."""
    name: str
    context_length: int
    api_key: str | None = field(default=None, repr=False)
    adapter: str | None = None
    token_ids: bool = False
    """True if the server tells token ids and log-probabilities."""
    owner: str = ""
    """Kind of server, as its list of models names it."""
    stop_ids: tuple[int, ...] = ()
    """Tokens that end a reply, where the server tells them among its tokens."""
    remedy: str = "shorten the conversation, or serve the model with a longer context"
    """Advice for a context that is too small."""
    when_lost: str = "check that it runs and that model.base_url is right, http or https included"
    """Advice for a server that does not answer."""
    pid: int | None = None
    """The server's process, where it is ours."""


class ServerClient:
    """One connection to one server."""

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        connect_s: float = 5.0,
        http: httpx.AsyncClient | None = None,
    ) -> None:
        self.endpoint = endpoint
        self.http = http or _new_client(endpoint, connect_s)

    def at(self, endpoint: Endpoint) -> ServerClient:
        """The same connection with more known about the endpoint."""
        return ServerClient(endpoint, http=self.http)

    async def close(self) -> None:
        await self.http.aclose()

    async def served(self) -> tuple[ServedModel, ...]:
        """The models and adapters that the server offers; empty if it does not list them.

        Raises:
            ModelError: If nobody answers, the API key is refused, or it is no API.
        """
        status, data, body = await self.call("GET", f"{self.endpoint.api}/models")
        if status in _NOT_THERE:
            return ()
        failure = self.failure(status, body)
        if status != OK or failure.page:
            raise self.error(failure)
        return served_models(data)

    async def load_adapter(self, name: str, folder: Path) -> None:
        """Have the server load an adapter under a name, unless it has it already.

        Two sessions may do so at once: vLLM refuses the second, which has what it wants.

        Raises:
            AdapterRefusedError: If the server cannot load adapters, or not this one.
            ModelError: If nobody answers.
        """
        if any(item.id == name and item.parent for item in await self.served()):
            return
        body = {"lora_name": name, "lora_path": str(folder)}
        status, data, content = await self.call("POST", "/v1/load_lora_adapter", body)
        if status == OK:
            return
        said = as_mapping(data.get("error")).get("message") or data.get("message")
        if not said and status in _NOT_THERE:
            how = f"; {_TAKES_ADAPTERS}" if self.endpoint.owner == VLLM else ""
            raise AdapterRefusedError(
                f"the server at {self.endpoint.root} cannot load adapters{how}"
            )
        reason = harmless(str(said or content.decode("utf-8", "replace")))
        if _LOADED_ALREADY in reason:
            return
        remedy = next((f"; {told}" for words, told in _REMEDIES.items() if words in reason), "")
        raise AdapterRefusedError(f"the adapter {name} was refused: {reason}{remedy}")

    async def unload_adapter(self, name: str) -> None:
        """Have the server forget an adapter; one that it does not have is none the worse.

        Raises:
            ModelError: If nobody answers.
        """
        await self.call("POST", "/v1/unload_lora_adapter", {"lora_name": name})

    async def get(self, path: str) -> Mapping[str, object]:
        """The JSON object at a path of the server, empty if there is none.

        Raises:
            ModelError: If nobody answers.
        """
        status, data, _ = await self.call("GET", path)
        return data if status == OK else {}

    async def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None = None,
        *,
        timeout_s: float = _ANSWER_TIMEOUT_S,
    ) -> tuple[int, Mapping[str, object], bytes]:
        """Status, JSON object (empty if it is none) and body of one request.

        Raises:
            ModelError: If nobody answers, or only where to go instead.
        """
        import httpx

        try:
            async with asyncio.timeout(timeout_s):
                response = await self.http.request(method, path, json=body)
        except TimeoutError as err:
            message = f"the server at {self.endpoint.root} does not answer {path}; try again"
            raise ReplyTimeoutError(message) from err
        except httpx.RequestError as err:
            raise self.unreachable(err) from err
        if location := response.headers.get("location", ""):
            failure = self.failure(response.status_code, response.content, location=location)
            raise self.error(failure)
        return response.status_code, _object(response.content), response.content

    def failure(self, status: int, body: bytes, *, location: str = "") -> Failure:
        """An error response, without the API key, which some servers repeat."""
        if key := self.endpoint.api_key:
            body = body.replace(key.encode(), b"***")
        return read_failure(status, body, location=location)

    def error(self, failure: Failure) -> ModelError:
        """The error that tells the person about an error response."""
        place = self.endpoint
        return error_of(
            failure,
            root=place.root,
            api=place.api,
            model=place.adapter or place.name,
            context_length=place.context_length,
            remedy=place.remedy,
        )

    def unreachable(self, err: Exception) -> ServerUnreachableError:
        """The error that tells the person about a lost connection."""
        root = self.endpoint.root
        reason, remedy = unreachable_reason(err)
        between = f"; {BEHIND_A_PROXY}" if not remedy and _has_proxy(root) else ""
        return ServerUnreachableError(
            f"no answer from the model server at {root} ({reason}); "
            f"{remedy or self.endpoint.when_lost}{between}"
        )


def _has_proxy(root: str) -> bool:
    parts = urlsplit(root)
    beside = is_loopback(root) or urllib.request.proxy_bypass(parts.hostname or "")
    return not beside and not {parts.scheme, "all"}.isdisjoint(urllib.request.getproxies())


def _object(body: bytes) -> Mapping[str, object]:
    """The JSON object of a body, empty if it is none; a bare list is what Together answers."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return {"data": value} if isinstance(value, list) else as_mapping(value)


def _new_client(endpoint: Endpoint, connect_s: float) -> httpx.AsyncClient:
    import httpx

    key = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    # Time limits on replies are ours: reading a long prompt is silent for minutes.
    timeout = httpx.Timeout(None, connect=connect_s)
    try:
        return httpx.AsyncClient(
            base_url=endpoint.root,
            headers=key,
            timeout=timeout,
            verify=_trusted(endpoint.root),
            trust_env=not is_loopback(endpoint.root),
        )
    except (ValueError, ImportError, OSError, httpx.InvalidURL) as err:
        # A proxy of an unknown kind, a key with line ends, a file of certificates that is missing.
        reason = harmless(str(err))
        raise ServerUnreachableError(
            f"no connection to {endpoint.root} can be made ({reason}); check model.api_key, "
            "HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and SSL_CERT_FILE"
        ) from err


def _trusted(root: str) -> ssl.SSLContext | bool:
    """The trusted certificates; on this machine proxies count for nothing, too."""
    authorities = os.environ.get("SSL_CERT_FILE")
    if not authorities or not is_loopback(root) or not root.startswith("https:"):
        return True
    return ssl.create_default_context(cafile=authorities)
