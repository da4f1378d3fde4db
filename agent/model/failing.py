"""Judges responses of a model server: which are no reply, and which failures asking again may cure."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from agent.errors import (
    ContextLengthError,
    ModelError,
    ModelMissingError,
    ReplyRefusedError,
    ServerUnreachableError,
)
from agent.model.answer import Answer
from agent.model.asking_anew import asked_otherwise
from agent.model.event_stream import DONE, Value
from agent.model.http_client import ServerClient
from agent.model.server_errors import Failure, error_in
from agent.model.values import harmless

if TYPE_CHECKING:
    import httpx

_WORTH_RETRYING = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})
_REWORDABLE = frozenset({400, 422})


class TransientError(Exception):
    """A failure that asking again may cure."""

    def __init__(self, error: ModelError, *, wait_s: float = 0.0) -> None:
        super().__init__(str(error))
        self.error = error
        self.wait_s = wait_s


class NotTakenError(Exception):
    """The server does not take a parameter of the request; it can be asked without."""


async def refusal(
    server: ServerClient, response: httpx.Response, body: Mapping[str, object]
) -> Exception:
    """The error for a response with an error status: cured by other words, by waiting, or final."""
    status, headers = response.status_code, response.headers
    failure = server.failure(status, await response.aread(), location=headers.get("location", ""))
    rewordable = status in _REWORDABLE and not failure.is_too_long
    if rewordable and asked_otherwise(body, failure.reason) is not None:
        return NotTakenError(failure.reason)
    error = _meant(server, failure, _retry_after_s(headers) or failure.wait_s)
    if isinstance(error, ModelMissingError):
        names = ", ".join(item.id for item in await server.served())
        return ModelMissingError(f"{error}; it has: {names or 'none'}. Set model.name to one")
    return error


def without_error(server: ServerClient, chunk: dict[str, object]) -> dict[str, object]:
    """The chunk, unless it tells of an error.

    Raises:
        ModelError: If the error is final.
        TransientError: If asking again may cure it.
    """
    if (error := error_in(chunk)) is None:
        return chunk
    failure = server.failure(0, json.dumps(error).encode())
    raise _meant(server, failure, failure.wait_s)


def no_json(server: ServerClient, text: str) -> ModelError:
    """The error for a body that is no JSON."""
    failure = server.failure(0, text.encode("utf-8", "replace"))
    if failure.page:
        return server.error(failure)
    root = server.endpoint.root
    return ModelError(f"the server at {root} sent no JSON: {failure.reason or 'nothing at all'}")


def refuse_unusable(server: ServerClient, answer: Answer, first: Value | None) -> None:
    """Raise what is wrong with a reply that came without an error; `first` is its first value.

    Raises:
        ModelError: If the reply is no reply, refused, or empty.
        TransientError: If it broke off.
    """
    place = server.endpoint
    root = place.root
    if first is not None and first != DONE and not answer.chosen:
        said = harmless(json.dumps(first))
        raise ModelError(
            f"the server at {root} did not answer in the OpenAI-compatible way ({said}); "
            "check model.base_url, which usually ends in /v1"
        )
    if not answer.whole:
        cut = answer.began or answer.thought
        said = "ended in the middle of a reply" if cut else "ended without a reply"
        raise TransientError(
            ServerUnreachableError(f"the server at {root} {said}; {place.when_lost}")
        )
    match answer.ending:
        case "filtered":
            raise ReplyRefusedError(
                f"a content filter of the server at {root} ended the reply of {place.name}; "
                "ask in other words, or use another model"
            )
        case "failed":
            broken = f"the server at {root} broke the reply off ({answer.finish}); try again"
            raise TransientError(ModelError(broken))
    if answer.refusal and not answer.text.strip():
        raise ReplyRefusedError(
            f"{place.name} refuses to answer ({harmless(answer.refusal)}); ask in other words, "
            "or use another model"
        )
    if answer.other and not answer.text.strip():
        kinds = ", ".join(sorted(answer.other))
        raise ModelError(f"{place.name} answered with {harmless(kinds)} and no text; ask again")


def _meant(server: ServerClient, failure: Failure, wait_s: float) -> Exception:
    """Tell a failure that may pass, which is worth asking again, from one that does not."""
    error = server.error(failure)
    # A prompt that is too long stays too long, whatever the status is.
    hopeless = failure.is_spent or isinstance(error, ContextLengthError)
    if failure.status not in _WORTH_RETRYING or hopeless:
        return error
    return TransientError(error, wait_s=wait_s)


def _retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds that the server asks to wait; given in milliseconds, seconds, or as a date."""
    milliseconds, text = headers.get("retry-after-ms", ""), headers.get("retry-after", "")
    try:
        if milliseconds:
            return max(0.0, float(milliseconds) / 1000)
        if text.replace(".", "", 1).isdigit():
            return float(text)
        until = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    return max(0.0, until.timestamp() - time.time())
