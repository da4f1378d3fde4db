"""Asks what only our own server offers: filling gaps, and going on with a reply from a given word."""

from __future__ import annotations

from collections.abc import Sequence

from agent.model.http_client import ServerClient
from agent.model.protocol import Fill
from agent.model.values import as_list, as_mapping, as_number, as_text

_NOT_OFFERED = frozenset({404, 405, 501})
"""Answers of a server that will not do it the next time either."""


class OwnServer:
    """Asks for what no other server offers, and never again once that was refused."""

    def __init__(self, server: ServerClient, *, model: str, offered: bool) -> None:
        """`model` is the name of the model or adapter; `offered` is False for foreign servers."""
        self._server = server
        self._model = model
        self._fills = self._chooses = offered

    @property
    def continues(self) -> bool:
        """True as far as is known, where a reply can go on from a given word."""
        return self._chooses

    async def fill(self, body: dict[str, object], *, timeout_s: float) -> Sequence[Fill]:
        """Fill a gap; empty where the server cannot.

        Raises:
            ModelError: If nobody answers in time.
        """
        if not self._fills:
            return ()
        status, data, _ = await self._server.call(
            "POST", "/v1/infill", {"model": self._model, **body}, timeout_s=timeout_s
        )
        self._fills = status not in _NOT_OFFERED
        return tuple(map(_fill, as_list(data.get("fills"))))

    async def choose(self, body: dict[str, object], *, timeout_s: float) -> str:
        """Choose among texts; empty where the server cannot.

        Raises:
            ModelError: If nobody answers in time.
        """
        if not self._chooses:
            return ""
        status, data, _ = await self._server.call(
            "POST", "/v1/choose", {"model": self._model, **body}, timeout_s=timeout_s
        )
        self._chooses = status not in _NOT_OFFERED
        chosen = as_list(data.get("choices"))
        return as_text(as_mapping(chosen[0]).get("text")) if chosen else ""


def _fill(item: object) -> Fill:
    fields = as_mapping(item)
    logprob = fields.get("logprob")
    return Fill(
        text=str(fields.get("text", "")),
        logprob=float(logprob) if isinstance(logprob, int | float) else 0.0,
        tokens=as_number(fields.get("tokens")),
    )
