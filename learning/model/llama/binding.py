"""The untyped llama.cpp binding behind a typed, streaming interface. One slot, one job at a time.

Tokens in the middle of a character are not shown by the binding; the text of the piece after them
has the whole character.
"""

from __future__ import annotations

import json
import math
import os
import queue
import secrets
import threading
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from learning.model.engine import EngineError, PromptTooLongError, Token
from learning.records import Sampling

_BATCH = 128
"""Prompt tokens read at a time: a cancelled job stops at the next batch."""
_CANDIDATES = 512
BRANCHES = 8
"""Continuations of one prompt that are made at a time."""
_FORCE = 10_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """Continue `ids` by at most `limit` tokens."""

    ids: Sequence[int]
    limit: int
    sampling: Sampling
    seed: int = 0
    adapter: int | None = None
    """Number of the adapter in the order of loading."""
    drafts: bool = True
    """False to make every token by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One event: progress of the prompt, a token, or the end of the job."""

    tokens: tuple[Token, ...] = ()
    text: str = ""
    """Text shown with the tokens, that of hidden tokens before them included."""
    cached_tokens: int | None = None
    completion_tokens: int | None = None
    """Number of tokens made, shown or not, when the job has ended."""
    ended: bool = False
    """The model has said its last token, which is not told."""
    drafted: int = 0
    """Tokens that were guessed, and verified with this piece; of these `accepted` were right."""
    accepted: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCandidate:
    """A possible next token and the bytes it stands for."""

    token: Token
    data: bytes


class LlamaBinding:
    """A loaded GGUF file with a fixed list of adapters."""

    def __init__(
        self, gguf: Path, *, context_length: int, threads: int, adapters: Sequence[Path]
    ) -> None:
        """Load everything.

        Raises:
            EngineError: If a file cannot be loaded.
        """
        wait_briefly()
        import xllamacpp  # type: ignore[import-untyped]

        params = xllamacpp.CommonParams()
        params.model.path = str(gguf)
        params.n_ctx = context_length
        params.n_parallel = 1
        params.n_batch = params.n_ubatch = _BATCH
        params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
        params.verbosity = -1
        # Saved prompts are found by their tokens alone: one read with another adapter would match.
        params.cache_ram_mib = 0
        # The binding always listens on a port of its own; nobody else may use it.
        params.api_keys = [secrets.token_hex(32)]
        params.cors_origins = ""
        params.endpoint_slots = params.endpoint_props = params.ui = False
        params.lora_init_without_apply = True
        params.lora_adapters = [
            xllamacpp.CommonAdapterLoraInfo(str(path), 1.0) for path in adapters
        ]
        self._adapter_count = len(adapters)
        try:
            self._server: Any = xllamacpp.Server(params)
        except Exception as err:  # the binding passes errors of C++ on as several kinds
            raise EngineError(
                f"llama.cpp cannot load {gguf.name}"
                + (f" with {len(adapters)} adapter(s)" if adapters else "")
                + ": the file is damaged or of an unknown kind, or memory is short."
            ) from err

    def run(self, job: GenerationRequest, cancelled: Callable[[], bool]) -> Generator[Piece]:
        """Events of one job, which runs in a thread of its own since the binding blocks.

        Raises:
            EngineError: If llama.cpp refuses or fails.
        """
        events: queue.SimpleQueue[Any] = queue.SimpleQueue()
        ended = threading.Event()
        body = json.dumps(self._request(job))

        def on_event(event: Any) -> bool:  # noqa: ANN401 - text or dict, as the binding likes
            events.put(event)
            return ended.is_set() or cancelled()

        def work() -> None:
            try:
                self._server.handle_completions(body, on_event)
                events.put(None)
            except Exception as err:  # noqa: BLE001 - handed to the reader below
                events.put(err)

        thread = threading.Thread(target=work, name="llama", daemon=True)
        thread.start()
        try:
            while (event := events.get()) is not None:
                if isinstance(event, Exception):
                    raise EngineError(f"llama.cpp failed: {event}") from event
                yield _read(json.loads(event) if isinstance(event, str | bytes) else event)
        finally:
            ended.set()
            thread.join()

    def candidates(self, job: GenerationRequest, *, shown_id: int) -> list[TokenCandidate]:
        """The most likely next tokens, best first.

        The token that is drawn is forced to be `shown_id`, which stands for a whole character;
        the probabilities are reported as they were before that.
        """
        request = self._request(job) | {
            "n_predict": 1,
            "stream": False,
            "return_progress": False,
            "n_probs": _CANDIDATES,
            "logit_bias": [[shown_id, _FORCE]],
        }
        reply = self._server.handle_completions(request)
        _raise_error(reply)
        entries = reply["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        return [
            TokenCandidate(
                token=Token(id=entry["id"], logprob=entry["logprob"]), data=bytes(entry["bytes"])
            )
            for entry in entries
            if math.isfinite(entry["logprob"])
        ]

    def _request(self, job: GenerationRequest) -> dict[str, Any]:
        return {
            "prompt": list(job.ids),
            "n_predict": job.limit,
            **_samplers(job.sampling),
            "seed": job.seed % 2**31,
            "stream": True,
            "return_progress": True,
            "cache_prompt": True,
            "n_probs": 1,
            "post_sampling_probs": False,
            "lora": [
                {"id": number, "scale": float(number == job.adapter)}
                for number in range(self._adapter_count)
            ],
        }


def _samplers(sampling: Sampling) -> dict[str, Any]:
    """The needed sampling steps only: each one walks the whole vocabulary at every token."""
    if sampling.temperature <= 0:
        return {"samplers": ["top_k"], "top_k": 1}
    steps = ["temperature"] if sampling.top_p >= 1 else ["temperature", "top_p"]
    return {"samplers": steps, "temperature": sampling.temperature, "top_p": sampling.top_p}


def wait_briefly() -> None:
    """Have llama.cpp's threads sleep soon when they wait for each other.

    Read by OpenMP when it is loaded with the binding. Its default is to spin for a millisecond at
    each of some hundred barriers a token, which is no faster on an idle machine and made replies
    ten times slower beside other work (measured on two cores, 1.5B model: 0.8 and 7.7 tokens/s).
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")


def _raise_error(record: dict[str, Any]) -> None:
    error = record.get("error")
    if not error:
        return
    if error.get("type") == "exceed_context_size_error":
        raise PromptTooLongError(str(error.get("message")))
    raise EngineError(f"llama.cpp refused the request: {error.get('message', error)}")


def _read(record: dict[str, Any]) -> Piece:
    _raise_error(record)
    choice = record["choices"][0]
    entries = (choice.get("logprobs") or {}).get("content") or []
    progress = record.get("prompt_progress")
    ended = choice["finish_reason"] is not None
    return Piece(
        tokens=tuple(Token(id=entry["id"], logprob=entry["logprob"]) for entry in entries),
        text=choice["text"],
        cached_tokens=progress["cache"] if progress else None,
        completion_tokens=record["usage"]["completion_tokens"] if ended else None,
    )
