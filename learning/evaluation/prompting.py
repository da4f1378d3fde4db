"""Prompts for coding problems: a chat, a chat whose answer is begun, or text to be continued.

The same model scores differently under each (published figures of one model differ by a factor of
four), so the style and the digest of its words are part of every manifest.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import resources
from string import Template
from typing import Literal, get_args

from learning.records import Message

Style = Literal["chat", "evalplus", "completion"]
STYLES: tuple[Style, ...] = get_args(Style)

STOP_WORDS = ("\nclass ", "\ndef ", "\n#", "\n@", "\nif ", "\nprint(", "\nassert ", "\n```")
"""Beginnings of the next line that does not belong to a function's body: a raw completion ends there."""

_FILES = {"chat": ("chat",), "evalplus": ("evalplus", "evalplus_reply"), "completion": ()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Input of a model: a conversation with the beginning of the answer, or plain text."""

    messages: tuple[Message, ...] = ()
    begun: str = ""
    """The beginning of the assistant's answer, which the model continues."""
    text: str = ""
    """Plain text to be continued, instead of messages."""
    stops: tuple[str, ...] = ()
    """The reply ends before the first of these."""


def prompt_for(problem: str, style: Style) -> Prompt:
    """Put one problem (a function's head with its docstring) to a model."""
    if style == "completion":
        # A trailing line end would split the token that begins the body's indentation.
        return Prompt(text=problem.rstrip("\n") + "\n", stops=STOP_WORDS)
    content = Template(_words(style)).substitute(problem=problem.strip())
    begun, stops = (
        (_words("evalplus_reply") + "\n", ("\n```",)) if style == "evalplus" else ("", ())
    )
    return Prompt(messages=(Message(role="user", content=content),), begun=begun, stops=stops)


def digest(style: Style) -> str:
    """Digest of every word that the style adds to a problem, and of where replies are cut."""
    parts = [style, *(_words(name) for name in _FILES[style]), *STOP_WORDS]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _words(name: str) -> str:
    file = resources.files("learning.evaluation") / "prompts" / f"{name}.md"
    return file.read_text(encoding="utf-8").rstrip("\n")
