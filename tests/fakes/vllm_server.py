"""A small HTTP server that behaves like vLLM 0.32: its routes, its words, and its cache of prefixes.

What it says depends on every token that was read and on the weights that read it. What was read is kept
by the *name* of the adapter, as vLLM does: a name that is loaded again with other weights goes on from
what the old ones had read. Run as a program it takes the command line of `vllm serve`.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

_VOCABULARY = 256
_BLOCK = 4


@dataclass(slots=True, kw_only=True)
class FakeVllm:
    """One served model, its adapters, and what was read."""

    folder: str
    name: str
    context_length: int = 4096
    updating: bool = True
    """Whether `VLLM_ALLOW_RUNTIME_LORA_UPDATING` was set."""
    lora: bool = True
    """Whether it was started with `--enable-lora`."""
    max_rank: int = 16
    end: int = 257
    """The token that ends a reply of the chat."""
    effect: bool = True
    """False for a server that loads adapters and answers without them."""
    says_context: bool = True
    """False for a server that does not list its models."""
    sees_paths: bool = True
    """False for a server on another machine."""
    adapters: dict[str, str] = field(default_factory=dict)
    """Path by name."""
    loads: list[str] = field(default_factory=list)
    unloads: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    read: dict[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)
    url: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def weights(self, model: str) -> str:
        """What tells the weights of a model name apart from others."""
        path = self.adapters.get(model) if self.effect else None
        content = (Path(path) / "adapter_model.safetensors").read_bytes() if path else b""
        return hashlib.sha256(content).hexdigest() if path else self.folder

    def reply(self, model: str, ids: Sequence[int], limit: int, stop: Sequence[int]) -> _Reply:
        """Continue a prompt from what is cached of it under the model's name."""
        with self.lock:
            weights = self.weights(model)
            cached = max(
                (n for n in range(0, len(ids), _BLOCK) if (model, tuple(ids[:n])) in self.read),
                default=0,
            )
            state = self.read.get((model, tuple(ids[:cached])), 0)
            made: list[tuple[int, float]] = []
            for position in range(cached, len(ids) + limit):
                token = ids[position] if position < len(ids) else made[-1][0]
                state = _mixed(state, token, weights)
                if position < len(ids) and (position + 1) % _BLOCK == 0:
                    self.read[model, tuple(ids[: position + 1])] = state
                if position >= len(ids) - 1 and len(made) < limit:
                    made.append((state % _VOCABULARY, -(state % 997) / 100))
                    if made[-1][0] in stop:
                        break
            return _Reply(tokens=tuple(made), cached=cached)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reply:
    tokens: tuple[tuple[int, float], ...]
    cached: int


def _mixed(state: int, token: int, weights: str) -> int:
    text = f"{state} {token} {weights}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:6], "big")


class _Handler(BaseHTTPRequestHandler):
    fake: FakeVllm

    def address_string(self) -> str:
        return "client"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
        pass

    def do_GET(self) -> None:
        if self.path == "/health":
            self._send(200, "")
        elif self.path == "/v1/models" and self.fake.says_context:
            self._send(200, {"object": "list", "data": self._models()})
        else:
            self._send(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", "0"))
        body = json.loads(self.rfile.read(length) or b"{}")
        match self.path:
            case "/v1/load_lora_adapter" if self.fake.updating:
                self._load(body["lora_name"], body["lora_path"])
            case "/v1/unload_lora_adapter" if self.fake.updating:
                self._unload(body["lora_name"])
            case "/v1/completions":
                self._complete(body)
            case "/v1/chat/completions":
                self._chat(body)
            case _:
                self._send(404, {"detail": "Not Found"})

    def _models(self) -> list[dict[str, object]]:
        fake = self.fake
        card = {"object": "model", "owned_by": "vllm"}
        base = {**card, "id": fake.name, "root": fake.folder, "parent": None}
        adapters: list[dict[str, object]] = [
            {**card, "id": name, "root": path, "parent": fake.name, "max_model_len": None}
            for name, path in fake.adapters.items()
        ]
        return [{**base, "max_model_len": fake.context_length}, *adapters]

    def _load(self, name: str, path: str) -> None:
        fake = self.fake
        if name in fake.adapters:
            said = (
                f"The lora adapter '{name}' has already been loaded. If you want to load the adapter"
                " in place, set 'load_inplace' to True."
            )
            self._error(400, said, "InvalidUserInput")
        elif not fake.lora:
            said = "LoRA is not enabled. Use --enable-lora to enable LoRA."
            self._error(500, f"Call to add_lora method failed: {said}", "InternalServerError")
        elif not fake.sees_paths or not (Path(path) / "adapter_config.json").is_file():
            said = f"Loading lora {name} failed: No adapter found for {path}"
            self._error(404, said, "NotFoundError")
        elif (rank := json.loads((Path(path) / "adapter_config.json").read_text())["r"]) > (
            fake.max_rank
        ):
            said = f"LoRA rank {rank} is greater than max_lora_rank {fake.max_rank}."
            self._error(500, f"Call to add_lora method failed: {said}", "InternalServerError")
        else:
            fake.adapters[name] = path
            fake.loads.append(name)
            self._send(200, f"Success: LoRA adapter '{name}' added successfully.")

    def _unload(self, name: str) -> None:
        if name not in self.fake.adapters:
            self._error(404, f"The lora adapter '{name}' cannot be found.", "NotFoundError")
            return
        del self.fake.adapters[name]  # what was read by it stays
        self.fake.unloads.append(name)
        self._send(200, f"Success: LoRA adapter '{name}' removed successfully.")

    def _complete(self, body: dict[str, Any]) -> None:
        if not self._accepts(body):
            return
        prompts = body["prompt"] if isinstance(body["prompt"][0], list) else [body["prompt"]]
        assert body["ignore_eos"]
        stop = body.get("stop_token_ids") or []
        replies = [self.fake.reply(body["model"], ids, body["max_tokens"], stop) for ids in prompts]
        if not body.get("stream"):
            (_, logprob), *_ = replies[0].tokens
            first = replies[0].tokens[0][0]
            top = {f"token_id:{first}": logprob, f"token_id:{(first + 1) % 256}": logprob - 1}
            choice = {"index": 0, "logprobs": {"top_logprobs": [top]}}
            self._send(200, {"choices": [choice]})
            return
        self._begin_stream()
        for position in range(max(len(reply.tokens) for reply in replies)):
            for index, reply in enumerate(replies):
                if position < len(reply.tokens):
                    id_, logprob = reply.tokens[position]
                    logprobs = {"token_logprobs": [logprob]}
                    choice = {"index": index, "token_ids": [id_], "logprobs": logprobs}
                    self._event({"choices": [{**choice, "text": "\u2028"}]})
        cached = sum(reply.cached for reply in replies)
        self._event({"choices": [], "usage": {"prompt_tokens_details": {"cached_tokens": cached}}})
        self.wfile.write(b"data: [DONE]\n\n")

    def _chat(self, body: dict[str, Any]) -> None:
        if not self._accepts(body):
            return
        ids = [byte for item in body["messages"] for byte in item["content"].encode()]
        reply = self.fake.reply(body["model"], ids, body["max_tokens"], [self.fake.end])
        ended = reply.tokens[-1][0] == self.fake.end
        content = [{"token": "", "logprob": logprob} for _, logprob in reply.tokens]
        if not body.get("stream"):
            self._send(200, {"choices": [{"message": {}, "logprobs": {"content": content}}]})
            return
        self._begin_stream()
        head = {"model": body["model"], "object": "chat.completion.chunk"}
        delta: dict[str, object] = {"role": "assistant", "content": ""}
        first = {**head, "choices": [{"index": 0, "delta": delta}]}
        ids_wanted = body.get("return_token_ids")
        self._event({**first, **({"prompt_token_ids": ids} if ids_wanted else {})})
        for (id_, _), told in zip(reply.tokens, content, strict=True):
            choice: dict[str, object] = {"index": 0, "delta": {"content": f"<{id_}>"}}
            choice |= {"token_ids": [id_]} if ids_wanted else {}
            choice |= {"logprobs": {"content": [told]}} if body.get("logprobs") else {}
            choice |= {"delta": {}} if id_ == self.fake.end else {}
            self._event({**head, "choices": [choice]})
        finish = "stop" if ended else "length"
        self._event({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        usage = {"prompt_tokens": len(ids), "completion_tokens": len(reply.tokens)}
        self._event({**head, "choices": [], "usage": usage})
        self.wfile.write(b"data: [DONE]\n\n")

    def _accepts(self, body: dict[str, Any]) -> bool:
        self.fake.requests.append(body)
        if body["model"] in {self.fake.name, *self.fake.adapters}:
            return True
        self._error(404, f"The model `{body['model']}` does not exist.", "NotFoundError")
        return False

    def _error(self, status: int, message: str, kind: str) -> None:
        error = {"message": message, "type": kind, "param": None, "code": status}
        self._send(status, {"error": error})

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.end_headers()

    def _event(self, data: Mapping[str, object]) -> None:
        # like pydantic, which leaves characters as they are
        self.wfile.write(b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n")

    def _send(self, status: int, data: object) -> None:
        content = data.encode() if isinstance(data, str) else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _handler_of(fake: FakeVllm) -> type[_Handler]:
    class Handler(_Handler):
        pass

    Handler.fake = fake
    return Handler


class _TcpServer(socketserver.ThreadingTCPServer):
    daemon_threads = True


class _UnixServer(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def serve(fake: FakeVllm) -> Iterator[FakeVllm]:
    """Run it on a free port of the loopback interface while in the context."""
    with _TcpServer(("127.0.0.1", 0), _handler_of(fake)) as server:
        fake.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield fake
        finally:
            server.shutdown()
            thread.join()


def main() -> None:
    """Serve as `vllm serve` does. A file in the model's folder makes it go wrong.

    `fails`: it does not load; `hangs`: it loads without end; `lists-nothing`: it does not say its models.
    `works`: it has a process of its own that computes; `processor`: it computes without a GPU, and other
    programs need their part of the memory.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("command", choices=["serve"])
    parser.add_argument("folder")
    for option in ("served-model-name", "uds", "generation-config"):
        parser.add_argument(f"--{option}", required=True)
    for option in ("max-model-len", "max-logprobs", "max-lora-rank", "max-loras", "max-cpu-loras"):
        parser.add_argument(f"--{option}", type=int, required=True)
    for option in ("enable-prompt-tokens-details", "enable-prefix-caching", "enable-lora"):
        parser.add_argument(f"--{option}", action="store_true")
    parser.add_argument("--gpu-memory-utilization", type=float, default=0.92)
    options = parser.parse_args()
    sys.stdout.write("INFO loading weights\n")
    if (Path(options.folder) / "processor").exists() and options.gpu_memory_utilization > 0.9:
        sys.exit(
            "ERROR ValueError: Available memory on node 0 (12.65/23.54 GiB) is less than desired"
        )
    if (Path(options.folder) / "fails").exists():
        sys.exit(
            "(APIServer pid=3331) WARNING 11-30 22:48:37 [system_utils.py:255] Found ulimit of 20000. This can"
            " cause fd limit errors like `OSError: [Errno 24] Too many open files`.\n"
            "ERROR ValueError: No available memory for the cache blocks.\n"
            "RuntimeError: Engine core initialization failed. See root cause above."
        )
    if (Path(options.folder) / "hangs").exists():
        time.sleep(600)
    if (Path(options.folder) / "works").exists():
        worker = "import sys, time; time.sleep(600)"
        subprocess.Popen([sys.executable, "-c", worker, options.folder])
    assert options.generation_config == "vllm"
    assert os.environ["VLLM_NO_USAGE_STATS"] == os.environ["HF_HUB_OFFLINE"] == "1"
    fake = FakeVllm(
        folder=options.folder,
        name=options.served_model_name,
        context_length=options.max_model_len,
        updating=os.environ.get("VLLM_ALLOW_RUNTIME_LORA_UPDATING", "").lower() == "true",
        lora=options.enable_lora,
        max_rank=options.max_lora_rank,
        says_context=not (Path(options.folder) / "lists-nothing").exists(),
    )
    with _UnixServer(options.uds, _handler_of(fake)) as server:
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    main()
