"""Questions to a model server other than "continue this": what it serves, adapters, errors."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from agent.errors import (
    AdapterRefusedError,
    ModelError,
    ReplyTimeoutError,
    ServerUnreachableError,
)
from agent.model.openai_api import (
    ServedModel,
    as_mapping,
    error_of,
    harmless,
    is_loopback,
    served_models,
)

if TYPE_CHECKING:
    import httpx

OK = 200
_NOT_THERE = frozenset({404, 405, 501})
_ANSWER_TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a model is served and what is known about it."""

    root: str
    """The address without `/v1`."""
    name: str
    context_length: int
    api_key: str | None = field(default=None, repr=False)
    adapter: str | None = None
    token_ids: bool = False
    """Whether the server tells token ids and log-probabilities."""
    remedy: str = "shorten the conversation, or serve the model with a longer context"
    """What to do about a context that is too small."""
    when_lost: str = "check that it runs and that model.base_url is right"
    """What to do when nobody answers."""


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
            ModelError: If nobody answers, or the API key is refused.
        """
        status, data, body = await self.call("GET", "/v1/models")
        if status in _NOT_THERE:
            return ()
        if status != OK:
            raise self.error(status, body)
        return served_models(data)

    async def load_adapter(self, name: str, folder: Path) -> None:
        """Have the server load an adapter under a name, unless it has it already.

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
        if status in _NOT_THERE:
            raise AdapterRefusedError(f"the server at {self.endpoint.root} cannot load adapters")
        said = as_mapping(data.get("error")).get("message") or data.get("message")
        reason = harmless(str(said or content.decode("utf-8", "replace")))
        raise AdapterRefusedError(f"the adapter {name} was refused: {reason}")

    async def get(self, path: str) -> Mapping[str, object]:
        """The JSON object at a path of the server, empty if there is none.

        Raises:
            ModelError: If nobody answers.
        """
        status, data, _ = await self.call("GET", path)
        return data if status == OK else {}

    async def call(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> tuple[int, Mapping[str, object], bytes]:
        """Status, JSON object (empty if it is none) and body of one request.

        Raises:
            ModelError: If nobody answers.
        """
        import httpx

        try:
            async with asyncio.timeout(_ANSWER_TIMEOUT_S):
                response = await self.http.request(method, path, json=body)
        except TimeoutError as err:
            message = f"the server at {self.endpoint.root} does not answer {path}; try again"
            raise ReplyTimeoutError(message) from err
        except httpx.TransportError as err:
            raise self.unreachable(err) from err
        try:
            data = as_mapping(json.loads(response.content))
        except ValueError:
            data = {}
        return response.status_code, data, response.content

    def error(self, status: int, body: bytes) -> ModelError:
        """What an error response means for the person."""
        place = self.endpoint
        if place.api_key:
            body = body.replace(place.api_key.encode(), b"***")
        return error_of(
            status,
            body,
            root=place.root,
            model=place.adapter or place.name,
            context_length=place.context_length,
            remedy=place.remedy,
        )

    def unreachable(self, err: Exception) -> ServerUnreachableError:
        """What a lost connection means for the person."""
        reason = harmless(str(err)) or type(err).__name__
        return ServerUnreachableError(
            f"no answer from the model server at {self.endpoint.root} ({reason}); "
            f"{self.endpoint.when_lost}"
        )


def _new_client(endpoint: Endpoint, connect_s: float) -> httpx.AsyncClient:
    import httpx

    key = {"authorization": f"Bearer {endpoint.api_key}"} if endpoint.api_key else {}
    # Time limits on replies are ours: reading a long prompt is silent for minutes.
    timeout = httpx.Timeout(None, connect=connect_s)
    return httpx.AsyncClient(
        base_url=endpoint.root,
        headers=key,
        timeout=timeout,
        trust_env=not is_loopback(endpoint.root),
    )
