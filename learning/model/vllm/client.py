"""Questions to a running vLLM over its private socket: tokens, likeliest tokens, adapters.

Prompts and replies are token ids: vLLM's own chat template and tokenizer are never asked, so that a
reply is read and learned from in exactly the tokens that were served.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from learning.model.engine import EngineError, Token
from learning.records import Sampling

if TYPE_CHECKING:
    import httpx

MOST_LIKELIEST = 512
"""Most tokens that one question about the next token may ask for."""
_OK = 200
_CONNECT_S = 5.0
_READY_S = 5.0
_LOADED_ALREADY = "has already been loaded"
_TOKEN_ID = "token_id:"  # noqa: S105 - no password


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeToken:
    """A token of one of the prompts of a request."""

    prompt: int
    token: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class CachedTokens:
    """Tokens of the prompts that a request did not have to read again; told at its end."""

    cached_tokens: int


class VllmClient:
    """A connection to one vLLM; may be used from several threads at a time."""

    def __init__(self, path: Path) -> None:
        """`path` is that of the Unix socket at which it listens."""
        import httpx

        self._path = path
        self._http = httpx.Client(
            base_url="http://vllm",
            transport=httpx.HTTPTransport(uds=str(path)),
            timeout=httpx.Timeout(None, connect=_CONNECT_S),
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def ready(self) -> bool:
        """True once the model is loaded and answers."""
        import httpx

        if not _listens(self._path):
            return False
        try:
            return self._http.get("/health", timeout=_READY_S).status_code == _OK
        except httpx.RequestError:
            return False

    def context_length(self) -> int:
        """Largest number of prompt plus completion tokens; 0 where vLLM does not say.

        Raises:
            EngineError: If it does not answer.
        """
        entries = self._asked("GET", "/v1/models").get("data") or [{}]
        return int(entries[0].get("max_model_len") or 0)

    def load(self, name: str, folder: Path) -> None:
        """Load an adapter from a PEFT folder, unless it is there. A name must never stand for other weights.

        Raises:
            EngineError: With vLLM's own reason, if it does not take it.
        """
        try:
            self._asked("POST", "/v1/load_lora_adapter", lora_name=name, lora_path=str(folder))
        except EngineError as err:
            if _LOADED_ALREADY not in str(err):
                raise

    def unload(self, name: str) -> None:
        """Forget an adapter.

        Raises:
            EngineError: If there is none of this name, or nobody answers.
        """
        self._asked("POST", "/v1/unload_lora_adapter", lora_name=name)

    def generate(
        self,
        model: str,
        prompts: Sequence[Sequence[int]],
        *,
        sampling: Sampling,
        stop_ids: Sequence[int],
    ) -> Generator[MadeToken | CachedTokens]:
        """Yield tokens as they come, a stop id included. Leaving it ends the work at vLLM.

        Raises:
            EngineError: If vLLM refuses, fails or goes away.
        """
        import httpx

        body = {
            **_drawn_by(sampling),
            "model": model,
            "prompt": [list(ids) for ids in prompts],
            "max_tokens": sampling.max_tokens,
            "stop_token_ids": list(stop_ids),
            "ignore_eos": True,  # what ends a reply is said by `stop_token_ids` alone
            "logprobs": 0,
            "return_token_ids": True,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        try:
            with self._http.stream("POST", "/v1/completions", json=body) as response:
                if response.status_code != _OK:
                    response.read()
                    raise EngineError(_reason(response))
                with closing(_events(response.iter_bytes())) as events:
                    for event in events:
                        yield from _made(event)
        except httpx.RequestError as err:
            raise _lost(err) from err

    def likeliest(self, model: str, prompt_ids: Sequence[int], *, count: int) -> list[Token]:
        """The most likely next tokens, best first.

        Raises:
            EngineError: If vLLM refuses, fails or goes away.
        """
        answer = self._asked(
            "POST",
            "/v1/completions",
            **_drawn_by(Sampling()),
            model=model,
            prompt=list(prompt_ids),
            max_tokens=1,
            ignore_eos=True,
            logprobs=min(count, MOST_LIKELIEST),
            return_tokens_as_token_ids=True,
        )
        found = answer["choices"][0]["logprobs"]["top_logprobs"][0]
        tokens = [
            Token(id=int(key.removeprefix(_TOKEN_ID)), logprob=float(logprob))
            for key, logprob in found.items()
        ]
        return sorted(tokens, key=lambda token: -token.logprob)[:count]

    def _asked(self, method: str, path: str, **body: object) -> Mapping[str, Any]:
        import httpx

        try:
            response = self._http.request(method, path, json=body or None)
        except httpx.RequestError as err:
            raise _lost(err) from err
        if response.status_code != _OK:
            raise EngineError(_reason(response))
        return _object(response.content)


def _listens(path: Path) -> bool:
    """True if somebody takes connections there; httpx leaks its socket where nobody does."""
    with socket.socket(socket.AF_UNIX) as attempt:
        try:
            attempt.connect(str(path))
        except OSError:
            return False
    return True


def _drawn_by(sampling: Sampling) -> dict[str, object]:
    """Every number that says how tokens are drawn, so that no default of vLLM's or the model's counts."""
    return {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "top_k": 0,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
    }


def _events(chunks: Iterable[bytes]) -> Generator[Mapping[str, Any]]:
    """The JSON objects of an event stream; cut at line feeds only, since texts may hold other ends of lines."""
    pending = b""
    for chunk in chunks:
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            if line.startswith(b"data:") and (event := _object(line.removeprefix(b"data:"))):
                yield event


def _made(event: Mapping[str, Any]) -> Iterator[MadeToken | CachedTokens]:
    if error := event.get("error"):
        raise EngineError(f"vLLM broke off: {_said(error)}")
    for choice in event.get("choices") or ():
        logprobs = (choice.get("logprobs") or {}).get("token_logprobs") or ()
        for id_, logprob in zip(choice.get("token_ids") or (), logprobs, strict=True):
            yield MadeToken(prompt=choice["index"], token=Token(id=id_, logprob=float(logprob)))
    if usage := event.get("usage"):
        details = usage.get("prompt_tokens_details") or {}
        yield CachedTokens(cached_tokens=details.get("cached_tokens") or 0)


def _reason(response: httpx.Response) -> str:
    data = _object(response.content)
    said = data.get("error") or data.get("message") or data.get("detail")
    return f"vLLM refused (HTTP {response.status_code}): {_said(said) or response.text[:200]}"


def _said(error: object) -> str:
    words = error.get("message", error) if isinstance(error, dict) else error
    return " ".join(str(words or "").split())


def _object(content: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _lost(err: Exception) -> EngineError:
    reason = str(err) or type(err).__name__
    return EngineError(f"vLLM does not answer ({reason}); the next request starts it anew.")
