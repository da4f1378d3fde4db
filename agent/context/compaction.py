"""Summarises a conversation in a few lines without a model: requests, changed files, last answer.

A small model's own summary costs minutes and invents; the requests and changes are known exactly.
"""

from __future__ import annotations

from collections.abc import Sequence

from learning.records import Message

_REQUESTS = 12
_LINE_CAP = 200


def summarised(
    messages: Sequence[Message], *, requests: Sequence[str], changed: Sequence[str]
) -> str:
    """Summary of the earlier conversation for the model.

    `requests` are the person's own words in order; `changed` are the files that were written.
    """
    lines = ["Earlier in this conversation:"]
    if len(requests) > _REQUESTS:
        lines.append(f"- {len(requests) - _REQUESTS} older requests are left out")
    lines += [f"- the user asked: {_short(text)}" for text in requests[-_REQUESTS:]]
    if changed:
        lines.append(f"- files that were changed: {', '.join(dict.fromkeys(changed))}")
    said = [message.content for message in messages if message.role == "assistant"]
    if said:
        lines.append(f"- your last answer began: {_short(said[-1])}")
    return "\n".join(lines)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LINE_CAP else f"{line[:_LINE_CAP]} [...]"
