"""Separates the answer of a reply from the reasoning before it and the text after its end token.

Only a leading block is reasoning. Tags in a fence, a call or a SEARCH/REPLACE block are code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from agent.reply.blocks import fenced_lines

_NAME = (
    r"(?:think(?:ing)?|thoughts?|inner_thoughts?|reason(?:ing)?|reflection|analysis|seed:think"
    r"|mm:think|scratchpad)\s*"
)
_OPEN = re.compile(
    rf"\s*(?:<{_NAME}>|\[THINK\]|◁think▷|<\|begin_of_thought\|>|<\|START_THINKING\|>"
    r"|<\|channel>thought\b|<unused94>thought\b)",
    re.IGNORECASE,
)
_CLOSE = re.compile(
    rf"</{_NAME}>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|END_THINKING\|>"
    r"|<channel\|>|<unused95>",
    re.IGNORECASE,
)
_CHANNEL = re.compile(
    r"\s*(?:<\|start\|>assistant\s*)?<\|channel\|>(?P<name>\w+)[^<]*<\|message\|>"
)
_CHANNEL_END = re.compile(r"<\|(?:end|return|call)\|>")
_BARE_CHANNELS = re.compile(r"\s*analysis(?=[A-Z\"'\s]).*?assistantfinal", re.DOTALL)
_ROLE = re.compile(
    r"\s*(?:<\|(?:im_start|start|start_header_id|assistant)\|>(?:assistant\b)?(?:<\|end_header_id\|>)?|<start_of_turn>model)\s*"
)
_END = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|eom_id|end_of_text|end|return|end_of_turn|END_OF_TURN_TOKEN"
    r"|EOT|eos|user|im_start)\|>|<end_of_turn>|<eos>|</s>|\[EOS\]|<\uff5cend\u2581of\u2581sentence\uff5c>"
)
_RAW_BEGIN = re.compile(r"\s*(?:<{5,9} ?SEARCH|<(?:file|write_file|edit)\s|<tool_call>)")
_RAW_END = re.compile(r"\s*(?:>{5,9} ?REPLACE)|.*(?:</(?:file|write_file|edit|tool_call)>)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parted:
    """A reply without its reasoning and without the text after its end token."""

    answer: str
    unfinished: bool = False
    """True if the reply ends inside its reasoning, so that there is no answer."""


def part_reply(text: str) -> Parted:
    """Give the answer of a reply with Unix line ends."""
    answer = _after_reasoning(text)
    if answer is None:
        return Parted(answer="", unfinished=True)
    return Parted(
        answer=_before_end(_ROLE.sub("", answer, count=1) if _ROLE.match(answer) else answer)
    )


def _after_reasoning(text: str) -> str | None:
    """The text after the leading reasoning; None if the reasoning does not end."""
    if found := _CHANNEL.match(text):
        return _final_channel(text, found)
    if found := _BARE_CHANNELS.match(text):
        return text[found.end() :]
    if not _OPEN.match(text):
        close = _last_outside_code(text)
        return text if close is None else text[close:]
    while opened := _OPEN.match(text):
        close = _closing(text, opened.end())
        if close is None:
            return None
        text = text[close:]
    return text


def _final_channel(text: str, found: re.Match[str]) -> str | None:
    """The message of the channel `final`; None if the reply ends before it."""
    while found["name"] != "final":
        end = _CHANNEL_END.search(text, found.end())
        following = _CHANNEL.match(text, end.end()) if end else None
        if following is None:
            return None
        found = following
    return text[found.end() :]


def _closing(text: str, start: int) -> int | None:
    """Find where the answer begins: behind the first closing tag that is no part of a draft.

    Drafts may be cut off within a fence, so a tag in code counts where there is no other.
    """
    tags = list(_CLOSE.finditer(text, start))
    at_edge = [tag for tag in tags if _is_at_edge(text, tag)]
    code = _code_lines(text) if len(tags) > 1 else ()
    outside = (tag for tag in at_edge if text.count("\n", 0, tag.start()) not in code)
    tag = next(outside, next(iter((*at_edge, *tags)), None))
    return tag.end() if tag else None


def _last_outside_code(text: str) -> int | None:
    """The place behind the last closing tag that stands at the edge of a line, and in no code."""
    if _CLOSE.search(text) is None:
        return None
    code = _code_lines(text)
    tags = [
        tag
        for tag in _CLOSE.finditer(text)
        if _is_at_edge(text, tag) and text.count("\n", 0, tag.start()) not in code
    ]
    return tags[-1].end() if tags else None


def _is_at_edge(text: str, tag: re.Match[str]) -> bool:
    begins = text[: tag.start()].rstrip(" \t")[-1:] in ("", "\n")
    ends = text[tag.end() :].lstrip(" \t")[:1] in ("", "\n")
    return begins or ends


def _before_end(text: str) -> str:
    """The text up to the first token that ends a turn: at the edge of a line, and in no code."""
    if _END.search(text) is None:
        return text
    code = _code_lines(text)
    for token in _END.finditer(text):
        ends = _is_at_edge(text, token) or text.startswith("<", token.end())
        if ends and text.count("\n", 0, token.start()) not in code:
            return text[: token.start()]
    stripped = text.rstrip()  # behind a block that the reply leaves open
    return stripped[: last.start()] if (last := _last_token(stripped)) else text


def _last_token(text: str) -> re.Match[str] | None:
    return next((token for token in _END.finditer(text) if token.end() == len(text)), None)


def _code_lines(text: str) -> frozenset[int]:
    """The lines, from 0, that stand in a fence, a call or a SEARCH/REPLACE block."""
    found = set(fenced_lines(text))
    inside = False
    for number, line in enumerate(text.split("\n")):
        if not inside and number not in found and _RAW_BEGIN.match(line):
            inside = True
        if inside:
            found.add(number)
            inside = _RAW_END.match(line) is None
    return frozenset(found)
