"""Words the errors of servers, and of proxies and gateways before them, for the person."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from agent.errors import (
    AuthenticationError,
    ContextLengthError,
    ModelError,
    ModelMissingError,
    ServerLoadingError,
    ServerUnreachableError,
)
from agent.model.values import as_list, as_mapping, as_number, as_text, harmless

_TOO_LONG = re.compile(
    r"context[ _](length|size|window)|maximum context|n_ctx|prompt is too long"
    r"|exceeds the maximum number of (input )?tokens|max_new_tokens. must be <=",
    re.IGNORECASE,
)
_MISSING = re.compile(
    r"\bmodel\b.{0,200}\b(not found|does not exist|not exist|is not available)|no models loaded"
    r"|no endpoints found|invalid model|deployment.{0,80} does not exist",
    re.IGNORECASE,
)
_NO_PLACE = re.compile(r"unexpected endpoint|^(file )?not found\.?$|no route", re.IGNORECASE)
_SPENT = re.compile(
    r"insufficient[_ ](quota|balance|credit)|exceeded your current quota|billing|more credits",
    re.IGNORECASE,
)
_WAIT = re.compile(r"try(?: again)? (?:in|after) (\d+(?:\.\d+)?) ?(ms|s)", re.IGNORECASE)
_LOADING = re.compile(r"\bload(ing)?\b|warming up|starting", re.IGNORECASE)
_PLAIN_TO_TLS = re.compile(r"plain http request|http request to an https", re.IGNORECASE)
_PAGE = re.compile(r"\s*(<!doctype|<html|<head|<\?xml|<body|<!--)", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_TAGS = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A response that is an error, or an error inside of one."""

    status: int
    """0 where it stands inside of a response that began well."""
    reason: str
    """The server's words, made harmless; empty if there are none."""
    fields: Mapping[str, object] = field(default_factory=dict)
    """The error object."""
    page: bool = False
    """True if the body is a web page."""
    location: str = ""
    """The address that a response redirects to."""

    @property
    def code(self) -> str:
        return f"{self.fields.get('code')} {self.fields.get('type')}"

    @property
    def is_spent(self) -> bool:
        """True if there is nothing left to pay with: asking again is of no use."""
        if self.status == 402:  # noqa: PLR2004
            return True
        # Google says the same of a limit that ends in seconds.
        return bool(_SPENT.search(f"{self.reason} {self.code}")) and not self.wait_s

    @property
    def wait_s(self) -> float:
        """Seconds to wait, if the words name them."""
        found = _WAIT.search(self.reason)
        return float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0

    @property
    def is_loading(self) -> bool:
        """True if the model will be there in a while."""
        return self.status == 503 and bool(_LOADING.search(f"{self.reason} {self.code}"))  # noqa: PLR2004

    @property
    def is_too_long(self) -> bool:
        return "context" in self.code or (
            self.status in {0, 400, 413, 422, 500} and bool(_TOO_LONG.search(self.reason))
        )


def read_failure(status: int, body: bytes, *, location: str = "") -> Failure:
    """The body of an error response."""
    text = body.decode("utf-8", "replace")
    fields = error_object(text)
    said = as_text(fields.get("message")) or as_text(fields.get("msg"))
    page = _PAGE.match(text) is not None
    reason = harmless(page_words(text) if page else said or text)
    failure = Failure(status=status, reason=reason, fields=fields, page=page, location=location)
    inner = as_number(fields.get("code")) or as_number(fields.get("status"))
    return replace(failure, status=inner) if not status and 400 <= inner < 600 else failure  # noqa: PLR2004


def error_in(chunk: Mapping[str, object]) -> object:
    """The error that a chunk of a reply carries, in whatever form; None if it is none."""
    if chunk.get("error"):
        return chunk
    choices = as_list(chunk.get("choices"))
    if choices:
        inner = as_mapping(choices[0]).get("error")
        return {"error": inner} if inner else None
    return chunk if "choices" not in chunk and error_object(json.dumps(chunk)) else None


def error_object(text: str) -> Mapping[str, object]:
    """The fields of an error as servers nest it; empty if the text is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    data = as_mapping(value[0] if isinstance(value, list) and value else value)
    # vLLM put the fields of the error into the body itself for a long time.
    error = data.get("error", data.get("detail", data if as_text(data.get("message")) else None))
    if isinstance(error, str):
        return {"message": error, "type": data.get("error_type"), "code": data.get("code")}
    if isinstance(error, list) and error:  # FastAPI's list of what it does not accept
        return {"message": json.dumps(error)}
    return as_mapping(error)


def page_words(text: str) -> str:
    """The title of a web page, or its first words."""
    title = _TITLE.search(text)
    return html.unescape(title[1] if title else _TAGS.sub(" ", text))


def error_of(
    failure: Failure, *, root: str, api: str, model: str, context_length: int, remedy: str
) -> ModelError:
    """Word a failure for the person."""
    if failure.status in {401, 403, 407}:
        return _refused(failure, root)
    if failure.is_too_long:
        return _too_long(failure, context_length=context_length, remedy=remedy)
    if not failure.is_spent and _is_missing_model(failure):
        return ModelMissingError(f"the server at {root} does not have the model {model!r}")
    if not failure.is_spent and _is_elsewhere(failure):
        return _elsewhere(failure, root, api)
    return _failed(failure, root)


def _refused(failure: Failure, root: str) -> AuthenticationError:
    if failure.status == 407:  # noqa: PLR2004
        return AuthenticationError(
            f"the proxy on the way to {root} wants a password; put it into HTTPS_PROXY, or name "
            "the server in NO_PROXY"
        )
    if failure.status == 403 and failure.reason:  # noqa: PLR2004
        return AuthenticationError(
            f"the model server at {root}, or something before it, refuses access "
            f"({failure.reason}); check what the API key may do: model.api_key or "
            "ELAGENT_MODEL_API_KEY"
        )
    return AuthenticationError(
        f"the model server at {root} refuses the API key; "
        "set model.api_key or ELAGENT_MODEL_API_KEY"
    )


def _is_missing_model(failure: Failure) -> bool:
    if _NO_PLACE.search(failure.reason) or failure.page:
        return False  # LM Studio says so with status 200
    # A stock not-found of a web framework has no error object of its own.
    named = failure.status == 404 and bool(failure.fields)  # noqa: PLR2004
    return named or bool(_MISSING.search(failure.reason)) or "model_not_found" in failure.code


def _is_elsewhere(failure: Failure) -> bool:
    return (
        failure.status in {404, 405}
        or 300 <= failure.status < 400  # noqa: PLR2004
        or (failure.page and failure.status in {0, 200})
        or bool(_NO_PLACE.search(failure.reason) or _PLAIN_TO_TLS.search(failure.reason))
    )


def _elsewhere(failure: Failure, root: str, api: str) -> ServerUnreachableError:
    place = f"{root}{api}"
    if failure.location:
        return ServerUnreachableError(
            f"{place} sends on to {harmless(failure.location)}; if that is your server, set "
            "model.base_url to that address, up to /v1"
        )
    if _PLAIN_TO_TLS.search(failure.reason):
        return ServerUnreachableError(
            f"the server at {root} speaks TLS; begin model.base_url with https://"
        )
    if failure.page:
        return ServerUnreachableError(
            f"there is no OpenAI-compatible API at {place} but a web page ({failure.reason}); "
            "check model.base_url, which usually ends in /v1, and whether a proxy or a login "
            "page answers"
        )
    return ServerUnreachableError(
        f"there is no OpenAI-compatible API at {place} (HTTP {failure.status or 200}); "
        "check model.base_url, which usually ends in /v1"
    )


def _failed(failure: Failure, root: str) -> ModelError:
    reason = failure.reason or "no reason was given"
    if failure.is_loading:
        return ServerLoadingError(
            f"the model server at {root} is still loading its model (HTTP 503: {reason}); "
            "try again in a while"
        )
    if failure.is_spent:
        return ModelError(
            f"the account at {root} has nothing left to pay with ({reason}); add credit, or use "
            "another server or model"
        )
    match failure.status:
        case 0:
            said = f"the model server at {root} broke off with an error: {reason}"
        case 413:
            said = (
                f"the request is too large for the server at {root}, or for a proxy before it "
                f"(HTTP 413: {reason}); raise its limit, or shorten the conversation"
            )
        case 429:
            said = (
                f"the model server at {root} has too many requests (HTTP 429: {reason}); wait, or "
                "use another model"
            )
        case status:
            said = (
                f"the model server at {root} failed with HTTP {status}: {reason}; try again, or look "
                "into the server's own log"
            )
    return ModelError(said)


def _too_long(failure: Failure, *, context_length: int, remedy: str) -> ContextLengthError:
    error = failure.fields
    prompt = as_number(error.get("n_prompt_tokens")) or as_number(error.get("prompt_tokens"))
    limit = as_number(error.get("n_ctx")) or as_number(error.get("context_length"))
    limit = limit or context_length
    size = f"the prompt of {prompt} tokens" if prompt else "the prompt"
    return ContextLengthError(
        f"{size} does not fit into a context of {limit} tokens ({failure.reason}); {remedy}",
        prompt_tokens=prompt or None,
        context_length=limit,
    )


def unreachable_reason(err: Exception) -> tuple[str, str]:
    """Two texts: the reason why a connection failed and, if that is known, the remedy."""
    said = harmless(str(err)) or type(err).__name__
    for pattern, remedy in _CONNECTIONS:
        if pattern.search(f"{type(err).__name__} {said}"):
            return said, remedy
    return said, ""


BEHIND_A_PROXY = (
    "a proxy stands between: check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or name the server in "
    "NO_PROXY"
)
_CONNECTIONS = (
    (
        re.compile(r"CERTIFICATE_VERIFY_FAILED|certificate verify", re.IGNORECASE),
        "its certificate is not trusted here: set SSL_CERT_FILE to the file of the authority "
        "that signed it",
    ),
    (
        re.compile(r"WRONG_VERSION_NUMBER|record layer failure|wrong version", re.IGNORECASE),
        "it does not speak TLS: begin model.base_url with http://",
    ),
    (
        re.compile(r"ProxyError|SOCKS|proxy", re.IGNORECASE),
        BEHIND_A_PROXY,
    ),
    (
        re.compile(r"DecodingError", re.IGNORECASE),
        "its answer cannot be unpacked: a proxy or the server labels the compression wrongly",
    ),
)
