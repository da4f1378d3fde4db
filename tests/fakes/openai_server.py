"""A scripted OpenAI-compatible server over real HTTP, in a thread, without any model."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Scripted:
    """What to answer to one chat completion."""

    pieces: Sequence[str] = ()
    finish: str | None = "stop"
    """None ends the stream without a finish reason, as a server that dies does."""
    status: int = 200
    error: Mapping[str, object] = field(default_factory=dict)
    """The body's `error`, with a status that is not 200, or inside the stream."""
    body: object = None
    """The whole body instead, with a status that is not 200."""
    headers: Mapping[str, str] = field(default_factory=dict)
    prompt_ids: Sequence[int] = ()
    adapter: str | None = None
    cached_tokens: int = 0
    delay_s: float = 0.0
    """Before the first piece and between pieces."""
    raw: bytes | None = None
    """Sent instead of everything else, byte by byte in small chunks."""
    content_type: str = "text/event-stream"
    drop: bool = False
    """Close the connection without a word."""


def text(*pieces: str) -> Scripted:
    """A text-only reply."""
    return Scripted(pieces=pieces)


def failure(status: int, message: str, **more: object) -> Scripted:
    return Scripted(status=status, error={"message": message, **more})


@dataclass(slots=True, kw_only=True)
class FakeServer:
    """Answers from its script, one entry per chat completion; the last one repeats."""

    script: list[Scripted] = field(default_factory=lambda: [text("ok")])
    models: list[dict[str, object]] = field(
        default_factory=lambda: [{"id": "fake", "max_model_len": 4096}]
    )
    api: str = "/v1"
    """Where the list of models and the chat are."""
    api_key: str | None = None
    token_ids: bool = False
    """Whether chunks carry token ids and log-probabilities: one token per piece."""
    counts_tokens: bool = False
    loads_adapters: bool = False
    infill: list[int] = field(default_factory=list)
    """Status of each `POST /v1/infill`; 200 fills the gap with `0`. When used up: a plain 404."""
    choose: list[int] = field(default_factory=list)
    """Status of each `POST /v1/choose`; 200 chooses the first text. When used up: a plain 404."""
    refuses_adapters: str = ""
    extra: dict[str, object] = field(default_factory=dict)
    """Other paths that answer GET with JSON."""
    unknown_path: object = None
    """What every other path answers with status 200; None: a plain 404."""
    url: str = ""
    requests: list[dict[str, object]] = field(default_factory=list)
    """Bodies of the chat completions."""
    paths: list[str] = field(default_factory=list)
    disconnected: threading.Event = field(default_factory=threading.Event)
    """Set when a client went away while a reply was being sent."""
    streaming: threading.Event = field(default_factory=threading.Event)
    """Set when the first piece of a reply was sent."""
    stopping: threading.Event = field(default_factory=threading.Event)
    leases: int = 0
    lease_seen: threading.Event = field(default_factory=threading.Event)
    on_lease_end: Callable[[], None] = lambda: None

    def next_reply(self) -> Scripted:
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]


@contextlib.contextmanager
def serve(server: FakeServer) -> Iterator[FakeServer]:
    """Run it on a free port of the loopback interface while in the context."""
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), _handler_of(server))
    httpd.daemon_threads = True
    server.url = f"http://127.0.0.1:{httpd.server_address[1]}"
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.stopping.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join()


def _handler_of(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        fake = server

    return Handler


class _Handler(BaseHTTPRequestHandler):
    fake: FakeServer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        pass

    def do_GET(self) -> None:
        self.fake.paths.append(self.path)
        if self.path == "/health":
            self._json(200, {"status": "ok"})
        elif not self._allowed():
            self._json(401, {"error": {"message": f"bad key {self.fake.api_key}"}})
        elif self.path == f"{self.fake.api}/models":
            self._json(200, {"object": "list", "data": self.fake.models})
        elif self.path == "/v1/lease":
            self._lease()
        elif self.path in self.fake.extra:
            self._json(200, self.fake.extra[self.path])
        else:
            self._plain_404()

    def do_POST(self) -> None:
        self.fake.paths.append(self.path)
        length = int(self.headers.get("content-length", "0"))
        body = json.loads(self.rfile.read(length) or b"{}")
        if not self._allowed():
            self._json(401, {"error": {"message": f"bad key {self.fake.api_key}"}})
        elif self.path == f"{self.fake.api}/chat/completions":
            self.fake.requests.append(body)
            self._complete(self.fake.next_reply(), body)
        elif self.path == "/tokenize" and self.fake.counts_tokens:
            words = " ".join(str(item["content"]) for item in body["messages"]).split()
            self._json(200, {"count": len(words), "tokens": [], "max_model_len": 4096})
        elif self.path == "/v1/infill" and self.fake.infill:
            status = self.fake.infill.pop(0)
            fills = [{"text": "0", "logprob": -1.0, "tokens": 1}] if status == 200 else None
            self._json(status, {"fills": fills, "error": {"message": "not now"}})
        elif self.path == "/v1/choose" and self.fake.choose:
            status = self.fake.choose.pop(0)
            chosen = [{"text": body["choices"][0], "logprob": -1.0}] if status == 200 else None
            self._json(status, {"choices": chosen, "error": {"message": "not now"}})
        elif self.path == "/v1/load_lora_adapter" and self.fake.loads_adapters:
            self._load_adapter(body)
        else:
            self._plain_404()

    def _allowed(self) -> bool:
        key = self.fake.api_key
        return key is None or self.headers.get("authorization") == f"Bearer {key}"

    def _load_adapter(self, body: Mapping[str, object]) -> None:
        if self.fake.refuses_adapters:
            self._json(400, {"error": {"message": self.fake.refuses_adapters}})
            return
        base = self.fake.models[0]["id"]
        self.fake.models.append({"id": body["lora_name"], "parent": base})
        self._json(200, {})

    def _lease(self) -> None:
        self._start(200, {"content-type": "text/plain"})
        self.fake.leases += 1
        self.fake.lease_seen.set()
        try:
            while not self.fake.stopping.is_set():
                self._send(b"\n")
                time.sleep(0.02)
        except OSError:
            pass
        finally:
            self.fake.leases -= 1
            self.fake.on_lease_end()

    def _complete(self, reply: Scripted, body: Mapping[str, object]) -> None:
        if reply.drop:
            self.close_connection = True
            return
        if reply.status != 200:
            error_body: object = {"error": reply.error} if reply.body is None else reply.body
            self._json(reply.status, error_body, reply.headers)
            return
        self._start(200, {"content-type": reply.content_type, **reply.headers})
        try:
            if reply.raw is not None:
                for start in range(0, len(reply.raw), 7):
                    self._send(reply.raw[start : start + 7])
            else:
                self._stream(reply, body)
        except OSError:
            self.fake.disconnected.set()

    def _stream(self, reply: Scripted, body: Mapping[str, object]) -> None:
        first: dict[str, object] = {"choices": [{"delta": {"role": "assistant"}}]}
        if self.fake.token_ids:
            first |= {"prompt_token_ids": list(reply.prompt_ids), "adapter": reply.adapter}
        self._event(first)
        for number, piece in enumerate(reply.pieces):
            self._wait(reply.delay_s)
            choice: dict[str, object] = {"delta": {"content": piece}, "finish_reason": None}
            if self.fake.token_ids and body.get("return_token_ids"):
                choice |= {
                    "token_ids": [100 + number],
                    "logprobs": {"content": [{"token": piece, "logprob": -0.5 * number}]},
                }
            self._event({"choices": [choice]})
            self.fake.streaming.set()
        if reply.error:
            self._event({"error": reply.error})
        if reply.finish is None:
            return
        self._event({"choices": [{"delta": {}, "finish_reason": reply.finish}]})
        self._event({"choices": [], "usage": self._usage(reply)})
        self._send(b"data: [DONE]\n\n")

    def _usage(self, reply: Scripted) -> dict[str, object]:
        return {
            "prompt_tokens": len(reply.prompt_ids) or 7,
            "completion_tokens": len(reply.pieces),
            "prompt_tokens_details": {"cached_tokens": reply.cached_tokens},
        }

    def _wait(self, seconds: float) -> None:
        """Wait, but notice a client that goes away, as a server between two tokens does."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not self.fake.stopping.is_set():
            self._send(b": waiting\n\n")
            time.sleep(min(0.01, seconds))

    def _event(self, data: Mapping[str, object]) -> None:
        self._send(b"data: " + json.dumps(data).encode() + b"\n\n")

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def _start(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def _json(self, status: int, data: object, headers: Mapping[str, str] | None = None) -> None:
        content = json.dumps(data).encode()
        length = {"content-type": "application/json", "content-length": str(len(content))}
        self._start(status, length | dict(headers or {}))
        self._send(content)

    def _plain_404(self) -> None:
        if self.fake.unknown_path is not None:
            self._json(200, self.fake.unknown_path)
            return
        self._start(404, {"content-type": "text/plain"})
        self._send(b"404 page not found")
