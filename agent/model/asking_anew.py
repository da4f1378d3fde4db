"""Requests put in other words for servers that do not take every parameter."""

from __future__ import annotations

import re
from collections.abc import Mapping

from agent.model.values import as_list, as_mapping

_NOT_TAKEN = re.compile(
    r"un(supported|known|recogni[sz]ed|expected)|not (supported|permitted|allowed)|does not support"
    r"|extra[_ ](inputs|forbidden|fields)|invalid (parameter|argument)|only the default",
    re.IGNORECASE,
)
_NO_SYSTEM = re.compile(r"system.{0,20}not supported|does not support system", re.IGNORECASE)
_OPTIONAL = ("stream_options", "seed", "top_p", "temperature")


def asked_otherwise(body: Mapping[str, object], reason: str) -> dict[str, object] | None:
    """The request without what a server says that it does not take; None if it says nothing so.

    OpenAI's thinking models want another name for the limit and no temperature, Mistral knows no
    `seed`, older Azure no `stream_options`, and the templates of Gemma no system message.
    """
    if _NO_SYSTEM.search(reason):
        return _without_system(body)
    if "max_completion_tokens" in reason and "max_tokens" in body:
        rest = {key: value for key, value in body.items() if key != "max_tokens"}
        return rest | {"max_completion_tokens": body["max_tokens"]}
    named = [name for name in _OPTIONAL if name in body and re.search(rf"\b{name}\b", reason)]
    if not named or not _NOT_TAKEN.search(reason):
        return None
    return {key: value for key, value in body.items() if key not in named}


def _without_system(body: Mapping[str, object]) -> dict[str, object] | None:
    """The same with the system message at the head of the first request."""
    messages = [as_mapping(item) for item in as_list(body["messages"])]
    if len(messages) == 1 or messages[0]["role"] != "system":
        return None
    first, second, *rest = messages
    merged = {**second, "content": f"{first['content']}\n\n{second['content']}"}
    return {**body, "messages": [merged, *rest]}
