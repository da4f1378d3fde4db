"""Access to the model server: the check of every request, and the watch that ends an idle server."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

_START_GRACE_S = 60.0
"""Time for the client that started the server to take its lease."""
_OPEN_PATHS = ("/health",)


class IdleWatch:
    """Counts open clients and requests, and tells when an idle server may end."""

    def __init__(self, *, idle_s: float, clock: Callable[[], float]) -> None:
        self._idle_s = idle_s
        self._clock = clock
        self._open = 0
        self._leased = False
        self._over = False
        self._last = clock()

    def begin(self, *, lease: bool = False) -> None:
        self._open += 1
        self._leased = self._leased or lease

    def end(self) -> None:
        self._open -= 1
        self._last = self._clock()

    def finish(self) -> None:
        """End the server now, even if clients hold leases."""
        self._over = True

    def remaining_s(self) -> float:
        """Seconds until the server may end, if nothing happens; 0 or less is now."""
        if self._over:
            return 0.0
        stay = self._idle_s if self._leased else max(self._idle_s, _START_GRACE_S)
        if self._open:
            return max(stay, 1.0)
        return self._last + stay - self._clock()


class AccessCheck:
    """ASGI middleware: loopback names only (DNS rebinding), and the bearer token."""

    def __init__(self, app: ASGIApp, *, token: str, watch: IdleWatch) -> None:
        self._app = app
        self._token = token.encode()
        self._watch = watch

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if refusal := self._refusal(scope):
            from starlette.responses import JSONResponse

            status, message, code = refusal
            body = {"error": {"message": message, "type": "access", "code": code}}
            await JSONResponse(body, status_code=status)(scope, receive, send)
            return
        if scope["path"] in _OPEN_PATHS:
            await self._app(scope, receive, send)
            return
        self._watch.begin(lease=scope["path"] == "/v1/lease")
        try:
            await self._app(scope, receive, send)
        finally:
            self._watch.end()

    def _refusal(self, scope: Scope) -> tuple[int, str, str] | None:
        headers = dict(scope["headers"])
        if not _is_loopback_host(headers.get(b"host", b"")):
            return 403, "This server answers to 127.0.0.1 and localhost only.", "wrong_host"
        if scope["path"] in _OPEN_PATHS:
            return None
        kind, _, given = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() != b"bearer" or not secrets.compare_digest(given.strip(), self._token):
            return 401, "The bearer token is missing or wrong.", "invalid_api_key"
        return None


def _is_loopback_host(host: bytes) -> bool:
    name, _, port = host.rpartition(b":") if b":" in host else (host, b"", b"")
    return name in (b"127.0.0.1", b"localhost") and (not port or port.isdigit())
