"""The message that opens a turn: what the model is shown besides the request."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from agent.context.repository_map import Cartographer
from agent.fixing.context import estimate_tokens
from agent.fixing.sources import Sources
from agent.turn.conversation import Conversation
from agent.turn.tools import file_names, show_files

_MOST_MAP_TOKENS = 800


@dataclass(kw_only=True)
class Background:
    """Facts about the repository besides its files."""

    instructions: str = ""
    """The project's own words (AGENTS.md), shown once at the start of a history."""
    cartographer: Cartographer | None = field(default_factory=Cartographer)
    """Makes the map of signatures; None for no map."""
    notes: Callable[[str, str], str] = lambda _request, _code: ""
    """What is verified about the libraries that a request and the shown code need; see `agent.contexts.notes`."""
    mapped_for: tuple[str, ...] | None = None
    """The subject of the last map; None before the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """The text that opens a turn."""

    text: str
    too_large: tuple[str, ...]
    """Files that were asked for and did not fit."""


def open_turn(
    conversation: Conversation,
    user_text: str,
    sources: Sources,
    background: Background,
    *,
    budget_tokens: int,
) -> Opening:
    """The request, with the summary, instructions, files and map that it needs. Blocks.

    Marks what it shows. Files come whole or not at all; the map gets a part of what is left.
    """
    is_first = not conversation.messages
    parts = [conversation.summary] if conversation.summary else []
    if is_first and background.instructions:
        parts.append(f"The project's own instructions:\n{background.instructions}")
    budget_tokens -= sum(map(estimate_tokens, parts))
    shown = show_files(
        conversation, user_text, sources, budget_tokens=budget_tokens, count=estimate_tokens
    )
    left = budget_tokens - (estimate_tokens(shown.text) if shown.text else 0)
    drawn = _map(conversation, user_text, sources, background, is_first=is_first, budget=left)
    if drawn:
        parts.append(drawn)
    if is_first and not shown.wanted:
        parts.append(file_names(sources.files))
    told = background.notes(user_text, shown.text).strip("\n")
    parts += [shown.text, user_text, told if estimate_tokens(told) <= left else ""]
    return Opening(text="\n\n".join(part for part in parts if part), too_large=shown.too_large)


def _map(
    conversation: Conversation,
    user_text: str,
    sources: Sources,
    background: Background,
    *,
    is_first: bool,
    budget: int,
) -> str:
    """A map at the start of a history, and again when a new failure is about other files."""
    if background.cartographer is None or not (
        is_first or conversation.focus not in ((), background.mapped_for)
    ):
        return ""
    background.mapped_for = conversation.focus
    found = background.cartographer.draw(
        sources,
        budget_tokens=min(_MOST_MAP_TOKENS, budget // 3),
        count=estimate_tokens,
        request=user_text,
        focus=conversation.focus,
        without=tuple(conversation.shown_files),
    )
    return f"Signatures of the repository:\n{found.text}" if found.text else ""
