"""Builds what a planner is sent: the request, names of files and signatures, without secrets and without code."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from agent.context.repository_map import Cartographer
from agent.editing.source_files import is_test_path
from agent.fixing.context import estimate_tokens
from agent.fixing.sources import Sources
from agent.prompt_files import filled
from learning.experience.redact import redact
from learning.records import Message

MOST_STEPS = 5
_MOST_FILES = 200
_MOST_REQUEST = 4_000
_MAP_TOKENS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """Messages for a planner, with what they hold."""

    messages: Sequence[Message]
    files: int
    signatures: int

    @property
    def words(self) -> str:
        """Say in words what leaves the machine."""
        characters = sum(len(message.content) for message in self.messages)
        return (
            f"the request, {self.files} names of files and {self.signatures} signatures"
            f" ({characters:,} characters, known kinds of secrets taken out, no other code)"
        )


def outgoing(text: str, sources: Sources, *, home: str) -> Outgoing:
    """Collect what a planner needs to know of a request. Reads and parses files; blocks.

    `home` is the person's home folder, of which only `~` leaves.
    """
    files = sorted(sources.files, key=lambda path: (is_test_path(path), path.count("/"), path))
    told = files[:_MOST_FILES]
    drawn = Cartographer().draw(
        sources, budget_tokens=_MAP_TOKENS, count=estimate_tokens, request=text
    )
    asked = filled(
        "plan_user",
        files="\n".join(told),
        signatures=drawn.text or "(none)",
        request=text.strip()[:_MOST_REQUEST],
    )
    system = filled("plan_system", most=str(MOST_STEPS))
    return Outgoing(
        messages=(
            Message(role="system", content=system),
            Message(role="user", content=redact(asked, home=home)),
        ),
        files=len(told),
        signatures=drawn.definitions,
    )
