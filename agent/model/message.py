"""Reads one message, or a piece of one, in the forms in which servers send it.

Text may be a list of parts, thoughts have half a dozen names, and calls come in fragments.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from agent.model.values import as_list, as_mapping, as_text

Kind = Literal["text", "thought", "refusal", "call", "other"]

_THOUGHTS = ("reasoning_content", "reasoning", "thinking", "reasoning_text", "thought")
"""Fields beside the content, as vLLM, DeepSeek, Ollama, OpenRouter and others name them."""
_LISTED_THOUGHTS = ("reasoning_details", "thinking_blocks")
_CALL_KINDS = frozenset({"tool_use", "tool_call", "function", "function_call", "tool_calls"})
_DEEPEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message's content by kind."""

    text: str = ""
    thought: str = ""
    refusal: str = ""
    calls: tuple[Mapping[str, object], ...] = ()
    other: tuple[str, ...] = ()
    """Kinds of parts that are no text, e.g. images."""


def read_message(message: Mapping[str, object]) -> Said:
    """A message or a delta."""
    parts = list(_parts(message.get("content")))

    def of(kind: Kind) -> str:
        return "".join(text for found, text, _ in parts if found == kind)

    calls = [part for found, _, part in parts if found == "call"]
    calls += [as_mapping(item) for item in as_list(message.get("tool_calls"))]
    if old := as_mapping(message.get("function_call")):
        calls.append({"function": old})
    return Said(
        text=of("text"),
        thought=of("thought") or _thought(message),
        refusal=as_text(message.get("refusal")) or of("refusal"),
        calls=tuple(calls),
        other=tuple(text for found, text, _ in parts if found == "other"),
    )


def _thought(message: Mapping[str, object]) -> str:
    found = (_words(message.get(name)) for name in (*_THOUGHTS, *_LISTED_THOUGHTS))
    return next((words for words in found if words), "")


def _parts(content: object) -> Iterator[tuple[Kind, str, Mapping[str, object]]]:
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            yield "text", part, {}
        elif isinstance(part, dict):
            yield _part(part)


def _part(part: Mapping[str, object]) -> tuple[Kind, str, Mapping[str, object]]:
    name = as_text(part.get("type")).lower()
    if name in _CALL_KINDS:
        return "call", "", part
    if name == "refusal" or (not name and part.get("refusal")):
        return "refusal", _words(part.get("refusal") or part.get("text")), {}
    if "think" in name or "reason" in name or part.get("thought") is True:
        return "thought", _words(part), {}
    if "text" in part:
        return "text", _words(part["text"]), {}
    return "other", name or "unknown", {}


def _words(value: object, depth: int = 0) -> str:
    """The text in a value that may be a text, a part, or a list of such."""
    if isinstance(value, str):
        return value
    if depth == _DEEPEST:
        return ""
    if isinstance(value, list):
        return "".join(_words(item, depth + 1) for item in value)
    inner = as_mapping(value)
    names = ("text", "thinking", "reasoning", "value", "content", "summary")
    return next((_words(inner[name], depth + 1) for name in names if inner.get(name)), "")


@dataclass(slots=True)
class _Call:
    name: str = ""
    arguments: str = ""
    id: str = ""


@dataclass(slots=True)
class Calls:
    """Calls put together from their fragments."""

    _calls: list[_Call] = field(default_factory=list)
    _at: dict[object, _Call] = field(default_factory=dict)

    def add(self, fragment: Mapping[str, object]) -> None:
        """Take in a fragment, or a whole call."""
        function = as_mapping(fragment.get("function")) or fragment
        name, id_ = as_text(function.get("name")), as_text(fragment.get("id"))
        arguments = function.get("arguments", function.get("input"))
        call = self._of(fragment.get("index"), name, id_)
        call.name = call.name or name
        call.id = call.id or id_
        if isinstance(arguments, str):
            call.arguments += arguments
        elif arguments is not None:
            call.arguments = json.dumps(arguments)

    def _of(self, index: object, name: str, id_: str) -> _Call:
        """The call that a fragment belongs to: Google's layer gives all of them the same index."""
        key = index if isinstance(index, int) else None
        known = self._at.get(key)
        if (
            known is None
            or (name and id_ and known.id and id_ != known.id)
            or (name and key is None and known.arguments)
        ):
            known = _Call()
            self._calls.append(known)
            self._at[key] = known
        return known

    def as_text(self) -> str:
        """The calls as a model without native calls writes them, which is how replies are read."""
        return "".join(f"<tool_call>\n{_written(call)}\n</tool_call>\n" for call in self._calls)


def _written(call: _Call) -> str:
    # "functions.write_file" and "write_file<|channel|>json" are what gpt-oss leaves in names.
    name = json.dumps(call.name.partition("<|")[0].rpartition(".")[2])
    try:
        arguments = json.loads(call.arguments or "{}", strict=False)
        if isinstance(arguments, str):
            arguments = json.loads(arguments, strict=False)
        # A closing tag in a file's text must not end the call.
        written = json.dumps(arguments).replace("</", "<\\/")
    except (ValueError, RecursionError):
        written = call.arguments  # cut off, and read as that
    return f'{{"name": {name}, "arguments": {written}}}'
